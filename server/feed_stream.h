// Server streams that go on for as long as the caller wants: TailMetrics and
// WatchRuns. What is alike in them is here; what they send comes from a source.
#ifndef MILLSTREAM_SERVER_FEED_STREAM_H_
#define MILLSTREAM_SERVER_FEED_STREAM_H_

#include <cstddef>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/limits.h"
#include "base/thread_pool.h"
#include "google/protobuf/message.h"
#include "server/stream.h"
#include "server/stream_registry.h"

namespace millstream::server {

// What one stream sends. Called by one thread at a time; calls may block.
class FeedSource {
 public:
  virtual ~FeedSource() = default;

  // Takes the request. `wake` may be called from any thread, for as long as the
  // source lives, when there may be something to send.
  virtual absl::Status Begin(StreamMessage& request,
                             std::function<void()> wake) = 0;
  // The next answer, which lives until the next call; null: none now.
  virtual absl::StatusOr<const google::protobuf::Message*> Next() = 0;
};

class FeedStream;

// All such streams. A stream takes an answer from its source when the one
// before has been taken from it: it holds one answer at most besides what its
// source does, and no thread while there is nothing to send. One whose caller
// sends no request, or does not take an answer, ends after a while.
//
// Thread-safe. Must outlive the calls.
class FeedStreams {
 public:
  struct Limits {
    StreamCounts streams = {.open = limits::kFeedStreamsMax,
                            .open_each = limits::kFeedStreamsEachMax};
    size_t threads = limits::kFeedThreadsMax;
    StreamPatience patience = {};
  };

  explicit FeedStreams(const Limits& limits);
  ~FeedStreams();

  // Serves a call. RESOURCE_EXHAUSTED: too many are open;
  // TEMPORARILY_UNAVAILABLE: after Stop.
  absl::StatusOr<std::shared_ptr<StreamBody>> Open(
      const CallContext& context, std::unique_ptr<FeedSource> source);

  // Ends all streams with TEMPORARILY_UNAVAILABLE. Does not wait for it.
  void Stop();

  // Streams that are open.
  size_t open() const { return streams_.size(); }
  // As StreamRegistry has it. For tests.
  void CheckPatience(absl::Time now);

 private:
  friend class FeedStream;

  const StreamPatience patience_;
  StreamRegistry<FeedStream> streams_;
  // Last: its tasks use all of the above.
  ThreadPool pool_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_FEED_STREAM_H_
