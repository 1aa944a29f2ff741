// LogMetrics: the metric streams that are open, and how their frames are kept.
//
// A frame goes from the door into its stream's queue. A worker, one of a few
// threads for all streams, takes what waits there, checks it, and logs it as
// one batch together with the number of its last frame (storage/run_log.h);
// streams that commit at the same time share an fsync. Then the number is
// acknowledged. Meanwhile the door reads on, until the queue or all queues
// together are full (base/limits.h). A stream that waits for frames holds no
// thread, and no memory but its dictionary. When dictionaries have used up what
// they share, a stream that needs more takes it from the largest that was
// silent for a while, or from the largest of all if its own is smaller: that
// stream ends, so that no few of them keep all others from new metrics.
//
// Numbers of a writer ascend whatever happens: a stream that opens in its name
// ends the one before it, and waits until the commit of that one is done before
// it asks the log where the writer is.
#ifndef MILLSTREAM_SERVER_METRIC_STREAM_H_
#define MILLSTREAM_SERVER_METRIC_STREAM_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/limits.h"
#include "base/thread_pool.h"
#include "server/call_context.h"
#include "server/ingest_budget.h"
#include "server/stream.h"
#include "server/stream_registry.h"
#include "storage/run_log.h"

namespace millstream::server {

class MetricStream;

// Who writes one run under one name.
struct MetricWriter {
  // Held by a stream while it commits, or asks what is kept.
  absl::Mutex commit_mutex;
  // The stream that may; who finds another one here does neither.
  std::atomic<const MetricStream*> holder = nullptr;
};

// All streams. Thread-safe. Log and budget must outlive it; it must outlive the
// calls.
class MetricStreams {
 public:
  struct Limits {
    StreamCounts streams = {.open = limits::kMetricStreamsMax,
                            .open_each = limits::kMetricStreamsEachMax};
    size_t streams_per_run = limits::kMetricStreamsPerRunMax;
    size_t key_bytes = limits::kMetricStreamKeyBytesMax;
    size_t stream_bytes = limits::kMetricStreamBytesMax;
    size_t commit_bytes = limits::kMetricCommitBytesMax;
    size_t commits_bytes = limits::kMetricCommitsBytesMax;
    size_t threads = limits::kMetricStreamThreadsMax;
    absl::Duration silent =
        absl::Milliseconds(limits::kMetricStreamSilentMsMax);
    StreamPatience patience = {};
  };

  MetricStreams(storage::RunLog* log, IngestBudget* budget,
                const Limits& limits);
  ~MetricStreams();

  // Serves a call. RESOURCE_EXHAUSTED: too many are open;
  // TEMPORARILY_UNAVAILABLE: after Stop.
  absl::StatusOr<std::shared_ptr<StreamBody>> Open(CallContext& context);

  // Reads no more; what was read is kept and acknowledged, then the streams end
  // with TEMPORARILY_UNAVAILABLE. Does not wait for it.
  void Stop();

  // Streams that are open.
  size_t open() const { return streams_.size(); }
  // As StreamRegistry has it. For tests.
  void CheckPatience(absl::Time now);

 private:
  friend class MetricStream;
  // Run and writer.
  using WriterName = std::pair<std::string, std::string>;

  struct Claimed {
    std::shared_ptr<MetricWriter> writer;
    std::weak_ptr<MetricStream> stream;
  };

  // Makes `stream` the one that writes under this name; `stream` of the result
  // is the one that did. RESOURCE_EXHAUSTED: the run has too many.
  absl::StatusOr<Claimed> Claim(const WriterName& name,
                                const std::shared_ptr<MetricStream>& stream)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Counts a dictionary's growth, and ends others if there is no room.
  absl::Status AddKeyBytes(const std::shared_ptr<MetricStream>& stream,
                           size_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  // The stream that gives way to one with a dictionary of so many bytes; null:
  // none. It has a dictionary no more, as far as this counts.
  std::shared_ptr<MetricStream> TakeDictionary(const MetricStream* from,
                                               size_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits until commits under way leave room for one of so many bytes.
  void BeginCommit(size_t bytes) ABSL_LOCKS_EXCLUDED(commits_mutex_);
  void EndCommit(size_t bytes) ABSL_LOCKS_EXCLUDED(commits_mutex_);
  // `stream` has ended.
  void Remove(const MetricStream* stream, const WriterName& name)
      ABSL_LOCKS_EXCLUDED(mutex_);

  storage::RunLog* const log_;
  IngestBudget* const budget_;
  const Limits limits_;

  StreamRegistry<MetricStream> streams_;
  absl::Mutex mutex_;
  absl::flat_hash_map<WriterName, Claimed> writers_ ABSL_GUARDED_BY(mutex_);
  // Writers of each run.
  absl::flat_hash_map<std::string, size_t> writers_of_run_
      ABSL_GUARDED_BY(mutex_);
  struct Dictionary {
    std::weak_ptr<MetricStream> stream;
    size_t bytes = 0;
  };
  absl::flat_hash_map<const MetricStream*, Dictionary> dictionaries_
      ABSL_GUARDED_BY(mutex_);
  // Of all of them.
  size_t key_bytes_ ABSL_GUARDED_BY(mutex_) = 0;

  absl::Mutex commits_mutex_;
  size_t commits_bytes_ ABSL_GUARDED_BY(commits_mutex_) = 0;

  // Last: its tasks use all of the above.
  ThreadPool pool_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_METRIC_STREAM_H_
