// What is noted of each answer of the REST door: the counts of /metrics, and a
// line in the log for each if that is wanted.
#ifndef MILLSTREAM_GATEWAY_ANSWER_NOTES_H_
#define MILLSTREAM_GATEWAY_ANSWER_NOTES_H_

#include <chrono>
#include <cstdint>
#include <string_view>

#include "gateway/http_message.h"

namespace millstream::gateway {

class HttpMonitor;

// Plain data; what it points to outlives it. Note() is thread-safe.
struct AnswerNotes {
  // Null: nobody counts.
  HttpMonitor* monitor = nullptr;
  bool access_log = false;

  // `head` was answered so, with a body of so many bytes (0 if that is not
  // known), after it had come at `begun`, from `peer` itself or by way of
  // proxies. Of a body that streams: it begins.
  void Note(const RequestHead& head, int status, int64_t bytes,
            std::chrono::steady_clock::time_point begun,
            std::string_view peer, std::string_view request_id) const;
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_ANSWER_NOTES_H_
