// A run log that tells the feed what it has logged, whoever logs it, and counts
// it.
#ifndef MILLSTREAM_SERVER_ANNOUNCING_RUN_LOG_H_
#define MILLSTREAM_SERVER_ANNOUNCING_RUN_LOG_H_

#include <atomic>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/reading.h"
#include "server/run_feed.h"
#include "storage/run_log.h"

namespace millstream::server {

// Thread-safe. Both must outlive it.
class AnnouncingRunLog final : public storage::RunLog {
 public:
  AnnouncingRunLog(storage::RunLog* log, RunFeed* feed)
      : log_(log), feed_(feed) {}

  absl::Status Log(const storage::RunLogBatch& batch) override {
    absl::Status status = log_->Log(batch);
    if (!status.ok()) return status;
    Count(batch);
    feed_->PointsLogged(batch.run_id, batch.metrics);
    uint8_t parts = 0;
    if (batch.params != nullptr && !batch.params->empty()) parts |= kRunParams;
    // A tag may be the run's name.
    if (batch.tags != nullptr && !batch.tags->empty()) parts |= kRunTags;
    if (parts != 0) feed_->RunChanged(batch.run_id, parts);
    return status;
  }
  absl::StatusOr<uint64_t> LastFrame(std::string_view run_id,
                                     std::string_view writer_id) override {
    return log_->LastFrame(run_id, writer_id);
  }

  void AppendReadings(Readings* readings) const {
    readings->push_back({.name = "millstream_points_logged_total",
                         .help = "Points of metrics that were kept.",
                         .kind = Reading::Kind::kCounter,
                         .value = static_cast<double>(points_.load())});
    readings->push_back({.name = "millstream_batches_logged_total",
                         .help = "Batches of metrics, params and tags that "
                                 "were kept, each as one.",
                         .kind = Reading::Kind::kCounter,
                         .value = static_cast<double>(batches_.load())});
  }

 private:
  void Count(const storage::RunLogBatch& batch) {
    uint64_t points = 0;
    for (const storage::SeriesAppend& series : batch.metrics) {
      points += series.points.size();
    }
    points_.fetch_add(points, std::memory_order_relaxed);
    batches_.fetch_add(1, std::memory_order_relaxed);
  }

  std::atomic<uint64_t> points_{0};
  std::atomic<uint64_t> batches_{0};
  storage::RunLog* const log_;
  RunFeed* const feed_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_ANNOUNCING_RUN_LOG_H_
