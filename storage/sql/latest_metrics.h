// The latest point of each metric of each run, in SQL: a projection of the
// metric store into the table latest_metrics, so that runs can be filtered and
// ordered by their metrics.
//
// Latest is the greatest point in step order (storage/metric_point.h), as
// MLflow has it. The projection only ever moves a row forward, so it may be
// repeated and done in any order; what it must not do is miss a point. It runs
// behind:
//
//   append   1. Begin: the run is noted as having an append in flight. The
//               first append of a clean run gets a mark to write, and others
//               get the same until one of them is in the store.
//            2. The points (and the mark, in the same unit) go to the metric
//               store.
//            3. Committed: the points are as durable as they will be, and
//               become candidates, in memory. Only now: a candidate that a
//               crash could take back would be latest without being in the
//               history.
//   flush    4. The candidates of all runs go to latest_metrics, in
//               transactions of some thousand points. They are candidates
//               until the last has committed, so a reader finds each in memory,
//               in the table, or in both.
//            5. Runs that then have no append in flight, no new candidate and
//               no doubt are clean: once the projection is forced to the disk,
//               their marks are removed. Numbers tell marks apart, so a removal
//               never meets the mark of a later append.
//   start    6. Runs that have marks are projected from their whole history
//               before anything else is served, and their marks removed.
//
// A crash between          leaves                            at start
//   1 and 2                nothing                           nothing to do
//   2 and 4                points and a mark                 6 projects them
//   4 and 5                a projection and its mark         6 repeats it
// An append that fails may have reached the store: what it left is unknown
// until the store takes a write again (storage/metric_store.h). Its run is in
// doubt and keeps its mark. Each flush writes the mark of such a run again;
// once that succeeds the run is projected from what the store holds, and is in
// doubt no longer. In a store that takes no more writes, 6 settles it.
//
// Who reads latest_metrics sees every point that was acknowledged before if it
//   - asks for Candidates first, reads the table then, and overlays (one run);
//   - or calls Flush first (searches).
//
// Lock order: flush_mutex_, then the database's writer, then mutex_. mutex_ is
// held for moments, never while anything is read or written.
#ifndef MILLSTREAM_STORAGE_SQL_LATEST_METRICS_H_
#define MILLSTREAM_STORAGE_SQL_LATEST_METRICS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "millstream/v1/entities.pb.h"
#include "storage/metric_store.h"
#include "storage/sql/database.h"

namespace millstream::storage {

// Thread-safe. Database and store must outlive it.
class LatestMetrics {
 public:
  // With more candidates than this in memory, appends wait for a flush, and
  // are refused if it fails.
  static constexpr size_t kCandidatesMax = 65536;

  using Points = absl::flat_hash_map<std::string, MetricPoint>;

  LatestMetrics(sql::Database* database, MetricStore* store);

  // Step 6. Called once, before Begin. Statuses of both stores.
  absl::Status Recover() ABSL_LOCKS_EXCLUDED(flush_mutex_, mutex_);

  // One append, from step 1 to step 3. Not thread-safe. Dropped without
  // Committed, it counts as failed.
  class Append {
   public:
    Append(Append&& other) noexcept;
    Append& operator=(Append&&) = delete;
    ~Append();

    // Number of the mark to write with the points; 0: none.
    uint64_t mark() const { return mark_; }

    // The points are in the store. REQUIRES: called once at most.
    void Committed(absl::Span<const SeriesAppend> series);

   private:
    friend class LatestMetrics;
    Append(LatestMetrics* owner, std::string_view run_id, uint64_t mark);

    LatestMetrics* owner_;  // null: moved from or finished
    const std::string run_id_;
    const uint64_t mark_;
  };
  Append Begin(std::string_view run_id) ABSL_LOCKS_EXCLUDED(mutex_);

  // For who is about to Begin. OK unless there are more than kCandidatesMax
  // because the table could not be written: then, why the last Flush failed.
  // Memory would have no bound otherwise.
  absl::Status CheckRoom() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Points of the run that may be newer than the table's.
  Points Candidates(std::string_view run_id) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Puts those candidates that are newer over the run's metrics as read from
  // the table afterwards; keys of metrics are ascending and stay so.
  static void Overlay(const Points& candidates,
                      google::protobuf::RepeatedPtrField<v1::Metric>* metrics);

  // Steps 4 and 5. OK: the table holds every point that was Committed before
  // the call. Statuses of sql::Database; candidates stay what they are then.
  absl::Status Flush() ABSL_LOCKS_EXCLUDED(flush_mutex_, mutex_);

 private:
  struct Run {
    int in_flight = 0;
    // The mark that was given out and may be in the store; 0: none.
    uint64_t mark = 0;
    // It is in the store, at least as durable as the points.
    bool marked = false;
    // An append failed, and nobody has looked since what it left.
    bool in_doubt = false;
    Points candidates;
    // Candidates of the flush that is running.
    Points flushing;
  };

  void FinishAppend(std::string_view run_id, uint64_t mark, bool committed,
                    absl::Span<const SeriesAppend> series)
      ABSL_LOCKS_EXCLUDED(flush_mutex_, mutex_);
  // Looks what failed appends left, and has it projected as candidates are.
  // Stops where the store takes no writes.
  void SettleDoubts() ABSL_EXCLUSIVE_LOCKS_REQUIRED(flush_mutex_)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // What Flush is to write; moves all candidates to `flushing`.
  std::vector<std::pair<std::string, Points>> TakeCandidates()
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(flush_mutex_) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends `flushing`, which went as `status` says; returns the marks of runs
  // that are clean.
  std::vector<RunMark> EndFlush(const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(flush_mutex_) ABSL_LOCKS_EXCLUDED(mutex_);

  sql::Database* const database_;
  MetricStore* const store_;

  // One flush at a time.
  absl::Mutex flush_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);

  mutable absl::Mutex mutex_;
  // Runs that are not clean.
  absl::flat_hash_map<std::string, Run> runs_ ABSL_GUARDED_BY(mutex_);
  size_t candidates_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t next_mark_ ABSL_GUARDED_BY(mutex_) = 1;
  // Runs in doubt.
  size_t doubts_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of the last Flush.
  absl::Status flushed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_SQL_LATEST_METRICS_H_
