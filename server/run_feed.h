// What happens to runs, while it happens: who commits tells the feed, who
// watches is woken by it. Nobody polls, but for what other servers do in a
// database that is shared (server/run_poller.h), who tells it here too.
//
// Watchers of one run or experiment share a topic. It holds what happened
// lately, numbered; a watcher is a number up to which it has read. One that
// falls behind what the topic holds reads the store, from where it must: of
// points the feed remembers for it, by metric, before which none was dropped
// (LeftOut); of changes it reads all runs anew. So no writer is too fast for a
// watcher, and none reads twice what it was sent. A topic outlives its last
// watcher for a while, so that one whose connection broke goes on where it was.
//
// No gap: a watcher subscribes first and reads the store then. What commits
// later is in the feed; what committed before is in the store; some is in both.
#ifndef MILLSTREAM_SERVER_RUN_FEED_H_
#define MILLSTREAM_SERVER_RUN_FEED_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "base/limits.h"
#include "storage/metric_point.h"
#include "storage/metric_store.h"

namespace millstream {
class Clock;
}

namespace millstream::server {

// Parts of a run, to be combined by |.
enum RunParts : uint8_t {
  kRunInfo = 1,
  kRunParams = 2,
  kRunTags = 4,
  kRunMetrics = 8,
  // Inputs and outputs.
  kRunInputs = 16,
  kRunAll = 31,
};

// Points that one write has added to a run, or some of them. Immutable once it
// is in the feed.
struct LoggedPoints {
  struct Series {
    std::string key;
    std::vector<storage::MetricPoint> points;
    // The first in history order.
    storage::MetricPoint least;
  };

  // Counts its bytes for as long as it lives.
  explicit LoggedPoints(std::shared_ptr<std::atomic<size_t>> counted)
      : counted(std::move(counted)) {}
  ~LoggedPoints() { *counted -= bytes; }
  LoggedPoints(const LoggedPoints&) = delete;
  LoggedPoints& operator=(const LoggedPoints&) = delete;

  std::string run_id;
  // They are not here but in the store, from series.least on.
  bool elsewhere = false;
  // It could not be found out which experiment the run is of: who watches one
  // has to.
  bool of_any_experiment = false;
  std::vector<Series> series;
  size_t bytes = 0;
  const std::shared_ptr<std::atomic<size_t>> counted;
};

// Points that came, are not held any more, and are to be read from the store.
struct LeftOut {
  // Of all runs that are watched: `least`, before which none of them is in
  // history order.
  bool all = false;
  storage::MetricPoint least;
  // Or of one run, which may be of another experiment: the same by metric.
  std::string run_id;
  absl::flat_hash_map<std::string, storage::MetricPoint> series;
};

// Thread-safe.
class RunFeed {
 public:
  struct Limits {
    size_t topics = limits::kFeedTopicsMax;
    size_t topic_bytes = limits::kFeedTopicBytesMax;
    size_t bytes = limits::kFeedBytesMax;
    size_t topic_runs = limits::kFeedTopicRunsMax;
    size_t left_out_series = limits::kFeedLeftOutSeriesMax;
  };
  // The id of a run's experiment; may block. RESOURCE_DOES_NOT_EXIST: there is
  // no such run. After another status every experiment's watchers are told.
  using ExperimentOf =
      std::function<absl::StatusOr<std::string>(std::string_view run_id)>;

  // `clock` must outlive it.
  RunFeed(ExperimentOf experiment_of, const Clock* clock, const Limits& limits);
  ~RunFeed();

  // --- For who commits: after the commit, before it is answered. Costs next to
  // nothing while nobody watches.
  void PointsLogged(std::string_view run_id,
                    absl::Span<const storage::SeriesAppend> series)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void RunChanged(std::string_view run_id, uint8_t parts)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // All runs of the experiment have changed their stage.
  void ExperimentChanged(std::string_view experiment_id)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // --- For who looks after other servers.

  struct Subject;

  // What somebody watches, or did a moment ago and may come back.
  std::vector<Subject> Watched() const ABSL_LOCKS_EXCLUDED(mutex_);
  // The run, of `subject`, has got points that this server did not take: by
  // metric, where they begin in history order or before that.
  void PointsElsewhere(
      const Subject& subject, std::string_view run_id,
      absl::Span<const std::pair<std::string, storage::MetricPoint>> series)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // --- For who watches.

  // What is watched: the points or the changes of a run or an experiment.
  struct Subject {
    bool points = false;
    bool experiment = false;
    std::string id;
  };

  // One watcher; ends when it is dropped, before the feed. Not thread-safe.
  class Subscription {
   public:
    ~Subscription();
    // False: the position it was to begin at is not known (any more).
    bool resumed() const { return resumed_; }
    // A position behind all that was read, changes with all of their parts;
    // before the first points that were left out and are not read yet.
    std::string position();

    // Appends the next points that are held, until they are `points_max` or
    // more; none: there are no more.
    void ReadPoints(size_t points_max,
                    std::vector<std::shared_ptr<const LoggedPoints>>* points);
    // What to read from the store instead; false: nothing. Who calls it has
    // read what it returned before.
    bool ReadLeftOut(LeftOut* left_out);
    // Whether points are left out, or what ReadLeftOut returned is being read.
    bool has_left_out() const;
    // The store is about to be read from behind *after (null: from the
    // beginning) to the end of the series: what of it was left out until now
    // need not be read again.
    void WillRead(std::string_view run_id, std::string_view key,
                  const storage::MetricPoint* after);

    // Appends the next runs that have changed, each with its parts, up to
    // `runs_max`; of an experiment maybe some of others. Sets *all if every run
    // that is watched may have changed.
    void ReadChanges(size_t runs_max,
                     std::vector<std::pair<std::string, uint8_t>>* runs,
                     bool* all);

   private:
    friend class RunFeed;
    Subscription() = default;

    RunFeed* feed_ = nullptr;  // null: not subscribed
    std::string topic_;
    std::function<void()> wake_;
    bool resumed_ = false;
    // Events up to this one were read.
    uint64_t read_ = 0;
    // As position() has it.
    uint64_t floor_ = 0;

    // Used under the feed's lock. What was left out, by run and metric, and the
    // runs in the order in which that began (some maybe not left out any more);
    // or of all runs and metrics.
    absl::flat_hash_map<std::string,
                        absl::flat_hash_map<std::string, storage::MetricPoint>>
        left_out_;
    std::deque<std::string> left_out_runs_;
    size_t left_out_series_ = 0;
    std::optional<storage::MetricPoint> all_left_out_;
    // ReadLeftOut has returned something, and was not asked since.
    bool reads_left_out_ = false;

    bool HasLeftOut() const {
      return reads_left_out_ || !left_out_.empty() || all_left_out_.has_value();
    }
  };

  // Begins at `position`, or now if it is empty. `wake` is called, from any
  // thread, when there is something to read; it must not block or call back.
  // RESOURCE_EXHAUSTED: too many topics; INVALID_PARAMETER_VALUE: the position
  // is none.
  absl::StatusOr<std::unique_ptr<Subscription>> Subscribe(
      const Subject& subject, std::string_view position,
      std::function<void()> wake) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  static constexpr int kParts = 5;

  struct Change {
    // The events that changed each part last, and the last of all.
    std::array<uint64_t, kParts> parts{};
    uint64_t last = 0;
  };

  struct Topic {
    absl::flat_hash_set<Subscription*> watchers;
    int64_t idle_since_ms = 0;
    // Events after this one are held.
    uint64_t held_after = 0;
    // Points: events in order.
    std::deque<std::pair<uint64_t, std::shared_ptr<const LoggedPoints>>> points;
    size_t bytes = 0;
    // Changes: by run, and runs by the last event.
    absl::flat_hash_map<std::string, Change> changes;
    std::map<uint64_t, std::string> order;
    uint64_t all_changed = 0;
  };
  using Topics = absl::flat_hash_map<std::string, std::unique_ptr<Topic>>;
  using Wakes = std::vector<std::function<void()>>;
  // The experiment of a run, if somebody watches one: empty, none that is
  // watched; absent, it could not be found out.
  using Experiment = std::optional<std::string>;

  static std::string TopicName(const Subject& subject);
  Experiment WatchedExperiment(std::string_view run_id)
      ABSL_LOCKS_EXCLUDED(mutex_);
  Topic* Find(bool points, bool experiment, std::string_view id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The topics of a run.
  std::vector<Topic*> TopicsOf(bool points, std::string_view run_id,
                               const Experiment& experiment)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The points in pieces that an answer takes.
  std::vector<std::shared_ptr<const LoggedPoints>> Copy(
      std::string_view run_id, absl::Span<const storage::SeriesAppend> series,
      bool of_any_experiment) const;
  void RunChanged(std::string_view run_id, const Experiment& experiment,
                  uint8_t parts) ABSL_LOCKS_EXCLUDED(mutex_);
  void AddPoints(Topic* topic, std::shared_ptr<const LoggedPoints> points)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Drops points until there is room, but not the newest of a topic.
  void MakeRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LeaveOut(const LoggedPoints& points, Subscription* watcher)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddChange(Topic* topic, std::string_view run_id, uint8_t parts)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropOldestPoints(Topic* topic) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Nobody watches it, and who did will not come back.
  bool IsOver(const Topic& topic) const;
  void DropIdleTopics() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Drop(Topics::iterator topic) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Wake(const Topic& topic, Wakes* wakes);
  std::string PositionOf(uint64_t event) const;
  // Absent: another server's, or none of ours.
  absl::StatusOr<uint64_t> ParsePosition(std::string_view position) const;

  const ExperimentOf experiment_of_;
  const Clock* const clock_;
  const Limits limits_;
  // Tells this server's positions from those of others.
  const uint64_t epoch_;

  // Topics there are: of all kinds, and of experiments.
  std::atomic<int> topic_count_ = 0;
  std::atomic<int> experiment_topic_count_ = 0;

  mutable absl::Mutex mutex_;
  Topics topics_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_event_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of points that topics or watchers hold.
  const std::shared_ptr<std::atomic<size_t>> bytes_ =
      std::make_shared<std::atomic<size_t>>(0);
  absl::flat_hash_map<std::string, std::string> experiments_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_RUN_FEED_H_
