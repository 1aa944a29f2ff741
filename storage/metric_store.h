// The points of all metrics of all runs. A series is the points of one metric
// of one run: a set, to which points are only ever added.
//
// Knows nothing of runs but their ids: whether a run exists and may be written
// is checked before (storage/run_log.h).
//
// Statuses have no ErrorCode (base/error.h): every failure here is the
// server's fault.
//   kResourceExhausted  the disk is full
//   kUnavailable        a write failed before; the store takes no writes until
//                       its disk does, or it is opened again
//   kDataLoss           stored bytes are damaged
//   kInternal           everything else
#ifndef MILLSTREAM_STORAGE_METRIC_STORE_H_
#define MILLSTREAM_STORAGE_METRIC_STORE_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/liveness.h"
#include "base/reading.h"
#include "storage/durability.h"
#include "storage/metric_point.h"

namespace millstream::storage {

// Points to add to one series, in any order; repeated ones count once.
struct SeriesAppend {
  std::string_view key;
  absl::Span<const MetricPoint> points;
};

// A note, kept beside a run's points, that something remains to be done for
// them (storage/sql/latest_metrics.h). A run may have several, told apart by
// number.
struct RunMark {
  std::string run_id;
  uint64_t number = 0;
};

// One of the numbered frames in which a writer logs to a run (streams.proto).
struct WriterFrame {
  std::string_view writer_id;
  // From 1; 0: no frame.
  uint64_t number = 0;
};

struct AppendOptions {
  Durability durability = Durability::kMachine;
  // Also leaves the mark of this number, in the same unit; 0: none.
  uint64_t mark = 0;
  // Also keeps this as the last frame of its writer and run, in the same unit.
  // A writer's appends come one after the other.
  WriterFrame frame = {};
};

// Steps from first to last, both within.
struct StepRange {
  int64_t first = std::numeric_limits<int64_t>::min();
  int64_t last = std::numeric_limits<int64_t>::max();
};

// Points of which Sample is exact (see there).
inline constexpr size_t kChartPointsExact = 65'536;
inline constexpr size_t kChartPointsExactEach = 256;

// Thread-safe. Outlives every call that uses it.
class MetricStore {
 public:
  virtual ~MetricStore() = default;

  // Adds points to series of one run, all or none of them. OK: they survive the
  // crash that options.durability names, and every later read shows them.
  // Adding what is there already changes nothing. Cost grows with the points
  // added and with nothing else: nothing is read.
  // After another status it is unknown whether the points are kept; once a
  // later append has succeeded, reads show what was, and no crash changes that.
  virtual absl::Status Append(std::string_view run_id,
                              absl::Span<const SeriesAppend> series,
                              const AppendOptions& options) = 0;

  // Appends to *points, in history order, the first `limit` points of a series
  // that come after *after, or of all if `after` is null. Fewer than `limit`:
  // the series ends there. Cost grows with the points read. A read that waits
  // for a server ends with what `caller` says once that no longer waits.
  virtual absl::Status ReadHistoryFor(const Liveness& caller,
                                      std::string_view run_id,
                                      std::string_view key,
                                      const MetricPoint* after, size_t limit,
                                      std::vector<MetricPoint>* points) = 0;
  absl::Status ReadHistory(std::string_view run_id, std::string_view key,
                           const MetricPoint* after, size_t limit,
                           std::vector<MetricPoint>* points) {
    return ReadHistoryFor(Liveness::Always(), run_id, key, after, limit,
                          points);
  }

  // Appends to *points a sample of those points of a series that are in
  // `range`, in step order, at most max_points. With n of them:
  //   n <= max_points            all
  //   n <= kChartPointsExact, or the reference sample, with points in it
  //   n <= max_points *          replaced where extremes would be lost
  //     kChartPointsExactEach    (docs/storage_format.md, "Charts")
  //   more                       as before, or a sample of groups of
  //                              neighbouring steps, with the least and the
  //                              greatest value of each; cost follows
  //                              max_points then
  // With max_points of 8 or more, the answer has the first and the last point
  // of all, and the least and the greatest value. `caller` as above.
  // REQUIRES: max_points > 0.
  virtual absl::Status SampleFor(const Liveness& caller,
                                 std::string_view run_id, std::string_view key,
                                 const StepRange& range, size_t max_points,
                                 std::vector<MetricPoint>* points) = 0;
  absl::Status Sample(std::string_view run_id, std::string_view key,
                      const StepRange& range, size_t max_points,
                      std::vector<MetricPoint>* points) {
    return SampleFor(Liveness::Always(), run_id, key, range, max_points,
                     points);
  }

  // Calls `visit` once for each series of the run with its last point in step
  // order. The key lives during the call only.
  virtual absl::Status ReadLatest(
      std::string_view run_id,
      absl::FunctionRef<void(std::string_view key, const MetricPoint& latest)>
          visit) = 0;

  // OK: all that was appended before survives the crash of the machine.
  virtual absl::Status Sync() = 0;

  // The number of the last frame of the writer that an append has kept; 0: of
  // none. Fails while the store takes no writes and cannot tell.
  virtual absl::StatusOr<uint64_t> ReadLastFrame(
      std::string_view run_id, std::string_view writer_id) = 0;

  // All marks that are kept, in no particular order.
  virtual absl::StatusOr<std::vector<RunMark>> ListMarks() = 0;

  // Removes marks, durably or not: after a crash they may be back.
  virtual absl::Status RemoveMarks(absl::Span<const RunMark> marks) = 0;

  // What is known of the store's size and work; cheap. None if nothing is.
  virtual void AppendReadings(Readings*) const {}
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_METRIC_STORE_H_
