// The thread of a writer: takes what was logged and sees that it gets done.
#ifndef MILLSTREAM_CLIENT_SENDER_H_
#define MILLSTREAM_CLIENT_SENDER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/connection.h"
#include "client/frame_encoder.h"
#include "client/frame_stream.h"
#include "client/log_buffer.h"

namespace millstream::client {

// Frames that are sent and not durable yet: enough to keep the server busy over
// a slow line, few enough to be sent again soon.
inline constexpr size_t kFramesInFlightMax = 32;

// Belongs to the thread that calls Run.
class Sender {
 public:
  using Tell = std::function<void(const absl::Status& trouble)>;

  // Borrows both; they must outlive it. For `lost_wait` and `tell` see
  // WriterOptions.
  Sender(LogBuffer* buffer, Connection* connection, std::string run_id,
         std::string writer_id, absl::Duration lost_wait, Tell tell);

  // Sends what is logged, until the buffer is stopped or nothing can be sent
  // any more.
  void Run();

 private:
  struct Frame {
    uint64_t number = 0;
    LoggedItem item;
  };

  // Does what can be done without waiting for the stream; an error is why the
  // stream has to go.
  absl::Status Step();
  absl::Status LookAtStream();
  absl::Status Send(bool* goes_on);
  absl::Status MakeCall();
  void OpenStream();
  // The stream begins after this frame.
  void Opened(uint64_t durable);
  void TakeDurable(uint64_t durable);
  void FinishFrame();
  // Ends the stream once all that was sent on it is answered for.
  void HalfClose();
  void DropStream();
  // After an error; false: nothing can be sent any more.
  bool Recover(const absl::Status& error);
  // Whether the run is lost for good, for what the server said of it.
  bool GivesUp(const absl::Status& refusal);
  // Remembers that nothing gets through, and waits until it is tried again.
  void WaitOut(const absl::Status& error);
  void EndGently();
  absl::Time Deadline() const;
  void MadeProgress();

  LogBuffer* const buffer_;
  Connection* const connection_;
  const std::string run_id_;
  const std::string writer_id_;
  const FrameEncoder::Names names_;

  std::unique_ptr<FrameStream> stream_;
  FrameEncoder encoder_;
  bool open_ = false;
  bool half_closed_ = false;
  // When something was sent, or came that was waited for.
  absl::Time progress_;

  // Frames that are not durable yet, by number; of them so many were sent on
  // this stream.
  std::deque<Frame> frames_;
  size_t sent_ = 0;
  uint64_t next_number_ = 1;
  // What was taken from the buffer and is no frame yet.
  std::optional<LoggedItem> next_;

  // Why the server refused a frame, until the stream is open again; and the
  // frame that is sent once more then.
  std::optional<absl::Status> refusal_;
  uint64_t suspect_ = 0;
  absl::Duration backoff_;
  const absl::Duration lost_wait_;
  // Since when the server does not know the run; not if it does.
  std::optional<absl::Time> lost_;
  const Tell tell_;
  // Since when nothing has got through; not if something does.
  std::optional<absl::Time> trouble_;
  // Of what was told, the code.
  absl::StatusCode told_ = absl::StatusCode::kOk;
};

}  // namespace millstream::client

#endif  // MILLSTREAM_CLIENT_SENDER_H_
