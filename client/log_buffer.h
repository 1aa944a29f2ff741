// What was logged and is not done yet, between the threads that log and the one
// that sends.
#ifndef MILLSTREAM_CLIENT_LOG_BUFFER_H_
#define MILLSTREAM_CLIENT_LOG_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/node_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/run_writer.h"

namespace millstream::client {

struct LoggedPoint {
  int64_t step = 0;
  int64_t timestamp_ms = 0;
  double value = 0;
  uint32_t key = 0;
};

// A call, made once all that was logged before it is done.
struct LoggedCall {
  const char* method = nullptr;
  // Serialized, so that it takes no more memory than it has bytes.
  std::string request;
};

// Points that become one frame, or a call.
struct LoggedItem {
  std::vector<LoggedPoint> points = {};
  std::optional<LoggedCall> call = {};
  // How many points and calls were logged up to it, it included.
  uint64_t end = 0;
  // What it takes in memory.
  size_t bytes = 0;
};

// Of an item's bytes, those that it takes besides points or request: itself,
// and what malloc adds.
inline constexpr size_t kItemBytes = sizeof(LoggedItem) + 40;

// Points of a frame, and bytes of the different keys in it: what the server's
// limits of a frame leave room for.
inline constexpr size_t kFramePointsMax = 8192;
inline constexpr size_t kFrameKeyBytesMax = 1 << 20;

// Thread-safe. What is said to be the sender's is for one thread.
class LogBuffer {
 public:
  explicit LogBuffer(const WriterOptions& options);

  // See RunWriter::Log.
  absl::Status AddPoint(std::string_view key, double value, int64_t step,
                        int64_t timestamp_ms) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status AddCall(LoggedCall call) ABSL_LOCKS_EXCLUDED(mutex_);
  // See RunWriter::Flush.
  absl::Status Flush(absl::Time until) ABSL_LOCKS_EXCLUDED(mutex_);

  // Nothing more is taken.
  void Close() ABSL_LOCKS_EXCLUDED(mutex_);
  // Nothing more is sent either.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);
  bool stopped() const ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Status status() const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status trouble() const ABSL_LOCKS_EXCLUDED(mutex_);
  WriterStats stats() const ABSL_LOCKS_EXCLUDED(mutex_);

  // --- The sender's

  // The next item; none if there is none, or it still gathers points.
  std::optional<LoggedItem> Take() ABSL_LOCKS_EXCLUDED(mutex_);
  // When Take will have an item though nothing more comes; never if there are
  // no points.
  absl::Time ReadyAt() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Gives back the room of points that were taken, to be used again.
  void Recycle(std::vector<LoggedPoint> points) ABSL_LOCKS_EXCLUDED(mutex_);
  // The name of a key; remains.
  const std::string& KeyName(uint32_t key) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until there is something new, from here or by Notify, or until then.
  void Wait(absl::Time until) ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits until then, or for Stop.
  void Sleep(absl::Time until) ABSL_LOCKS_EXCLUDED(mutex_);
  // Called from any thread.
  void Notify() ABSL_LOCKS_EXCLUDED(mutex_);

  // All up to this item, which was taken, is done.
  void Done(uint64_t end, size_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  // An item was refused, with so many points or calls; Done follows.
  void Refused(uint64_t count, absl::Status why) ABSL_LOCKS_EXCLUDED(mutex_);
  // Nothing will be done any more; what is left counts as refused.
  void Fail(absl::Status why) ABSL_LOCKS_EXCLUDED(mutex_);
  // Why nothing gets through for now; OK when something does.
  void SetTrouble(absl::Status why) ABSL_LOCKS_EXCLUDED(mutex_);
  void CountStream() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Key {
    uint32_t index = 0;
    // The last frame that has it, as counted by frame_.
    uint64_t frame = 0;
  };

  // Waits for so many bytes of room.
  absl::Status Reserve(size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status AddKey(std::string_view name, Key** key)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes an item of the points that are gathered.
  void EndFrame() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What was gathered, in no more room than it fills.
  std::vector<LoggedPoint> TakePoints() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const WriterOptions options_;
  // Points that are gathered for a frame, at most.
  const size_t points_max_;

  mutable absl::Mutex mutex_;
  // For the sender; for who waits for room, and for things to be done.
  absl::CondVar news_;
  absl::CondVar room_;
  absl::CondVar done_changed_;
  bool notified_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  absl::Status refusal_ ABSL_GUARDED_BY(mutex_);
  absl::Status trouble_ ABSL_GUARDED_BY(mutex_);
  // Callers of Flush, and of Reserve, that wait: what is gathered is sent.
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  WriterStats stats_ ABSL_GUARDED_BY(mutex_);

  absl::node_hash_map<std::string, Key> keys_ ABSL_GUARDED_BY(mutex_);
  std::deque<const std::string*> names_ ABSL_GUARDED_BY(mutex_);

  std::deque<LoggedItem> items_ ABSL_GUARDED_BY(mutex_);
  // The points that are gathered, since when, and bytes of their keys. Their
  // room is one that was used before, if there is a spare.
  std::vector<LoggedPoint> points_ ABSL_GUARDED_BY(mutex_);
  absl::Time since_ ABSL_GUARDED_BY(mutex_);
  size_t key_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t frame_ ABSL_GUARDED_BY(mutex_) = 1;
  std::vector<std::vector<LoggedPoint>> spares_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace millstream::client

#endif  // MILLSTREAM_CLIENT_LOG_BUFFER_H_
