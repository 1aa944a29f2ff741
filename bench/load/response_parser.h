// Reads HTTP/1.1 answers from the bytes of one connection.
//
// Knows what servers of MLflow's REST API send: Content-Length or chunked
// bodies, keep-alive or not. Not a general client: it expects no interim
// answers, no trailers worth keeping and no body that ends with the connection.
#ifndef MILLSTREAM_BENCH_LOAD_RESPONSE_PARSER_H_
#define MILLSTREAM_BENCH_LOAD_RESPONSE_PARSER_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace millstream::bench {

// Not thread-safe; one per connection.
class ResponseParser {
 public:
  enum class State { kNeedMore, kDone, kBroken };

  // Forgets the last answer. With `keep_body` false the next body is counted,
  // not kept.
  void Reset(bool keep_body);

  // Takes the next bytes of the connection. After kDone or kBroken the caller
  // must Reset before more.
  State Feed(absl::string_view bytes);

  int status() const { return status_; }
  // Empty when the body is not kept.
  const std::string& body() const { return body_; }
  size_t body_bytes() const { return body_bytes_; }
  // The server closes the connection after this answer.
  bool close() const { return close_; }
  // Whether any byte of an answer arrived since Reset.
  bool started() const { return started_; }

 private:
  enum class Phase { kHead, kLength, kChunkSize, kChunk, kChunkEnd, kTrailer };

  State FeedHead(absl::string_view* bytes);
  State FeedBody(absl::string_view* bytes);
  State FeedChunkLine(absl::string_view* bytes);
  bool ReadHead(absl::string_view head);
  void Take(absl::string_view bytes);

  Phase phase_ = Phase::kHead;
  bool keep_body_ = true;
  bool close_ = false;
  bool started_ = false;
  int status_ = 0;
  size_t left_ = 0;  // Bytes of the body or of the chunk still to come.
  size_t body_bytes_ = 0;
  std::string line_;  // The head, or a chunk's line, while incomplete.
  std::string body_;
};

}  // namespace millstream::bench

#endif  // MILLSTREAM_BENCH_LOAD_RESPONSE_PARSER_H_
