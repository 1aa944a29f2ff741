// MetricStore on MLflow's tables metrics and latest_metrics, in the database
// that holds the runs.
//
// Besides MetricStore: the runs must exist. Values are kept as MLflow keeps
// them: infinities as the greatest number of their sign, -0.0 as 0.0. Keys hold
// no zero byte. What is appended moves latest_metrics forward in the same
// transaction, so there is nothing to be marked for later: an append with a
// mark is refused (kUnimplemented).
#ifndef MILLSTREAM_STORAGE_SQL_SQL_METRIC_STORE_H_
#define MILLSTREAM_STORAGE_SQL_SQL_METRIC_STORE_H_

#include <string_view>
#include <vector>

#include "storage/metric_store.h"
#include "storage/sql/database.h"
#include "storage/sql/writer_frames.h"

namespace millstream::storage {

// Thread-safe.
class SqlMetricStore final : public MetricStore {
 public:
  // The database is of Schema::kMlflow and must outlive the store. Samples of
  // more points than `exact_points`, and than kChartPointsExactEach for each
  // point asked for, are made by a database server itself.
  explicit SqlMetricStore(sql::Database* database,
                          size_t exact_points = kChartPointsExact)
      : database_(database), exact_points_(exact_points), frames_(database) {}

  absl::Status Append(std::string_view run_id,
                      absl::Span<const SeriesAppend> series,
                      const AppendOptions& options) override;
  absl::Status ReadHistoryFor(const Liveness& caller, std::string_view run_id,
                              std::string_view key, const MetricPoint* after,
                              size_t limit,
                              std::vector<MetricPoint>* points) override;
  // The database looks at all points in the range, whatever max_points; where
  // it is a server, not all of many are sent here.
  absl::Status SampleFor(const Liveness& caller, std::string_view run_id,
                         std::string_view key, const StepRange& range,
                         size_t max_points,
                         std::vector<MetricPoint>* points) override;
  absl::Status ReadLatest(
      std::string_view run_id,
      absl::FunctionRef<void(std::string_view, const MetricPoint&)> visit)
      override;
  absl::Status Sync() override { return database_->Sync(); }
  absl::StatusOr<uint64_t> ReadLastFrame(std::string_view run_id,
                                         std::string_view writer_id) override {
    return frames_.Read(run_id, writer_id);
  }
  // There are none.
  absl::StatusOr<std::vector<RunMark>> ListMarks() override;
  absl::Status RemoveMarks(absl::Span<const RunMark> marks) override;

 private:
  sql::Database* const database_;
  const size_t exact_points_;
  sql::WriterFrames frames_;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_SQL_SQL_METRIC_STORE_H_
