// One LogMetrics call, as the thread that sends sees it.
#ifndef MILLSTREAM_CLIENT_FRAME_STREAM_H_
#define MILLSTREAM_CLIENT_FRAME_STREAM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "client/connection.h"
#include "millstream/v1/streams.pb.h"

namespace millstream::client {

// Thread-compatible: belongs to one thread.
class FrameStream {
 public:
  // Opens the stream. `notify` is called from other threads whenever one of the
  // questions below has another answer; it must not call back.
  static std::unique_ptr<FrameStream> Open(const Connection& connection,
                                           const std::string& run_id,
                                           const std::string& writer_id,
                                           std::function<void()> notify);
  // Ends the call if it has not ended; waits for that.
  virtual ~FrameStream() = default;

  // The last durable frame, once the server has said so; it only grows.
  virtual std::optional<uint64_t> durable() const = 0;
  // Whether Write may be called.
  virtual bool writable() const = 0;
  // Whether there will be no more answers.
  virtual bool ended() const = 0;

  // The message that the next Write sends: to be filled. REQUIRES: writable().
  virtual v1::LogMetricsRequest* message() = 0;
  virtual void Write() = 0;
  // There are no more messages. REQUIRES: writable(), called once.
  virtual void WritesDone() = 0;

  // Ends the call if it has not ended, and says how it did.
  virtual absl::Status Finish() = 0;
};

}  // namespace millstream::client

#endif  // MILLSTREAM_CLIENT_FRAME_STREAM_H_
