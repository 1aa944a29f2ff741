#include "storage/rocksdb/series_check.h"

#include <utility>

#include "absl/status/status.h"
#include "base/str_cat.h"
#include "storage/rocksdb/loose_records.h"
#include "storage/rocksdb/metric_key.h"

namespace millstream::storage {
namespace {

bool Same(const PointsDigest& a, const PointsDigest& b) {
  return a.count == b.count && a.nans == b.nans &&
         SamePoint(a.first, b.first) && SamePoint(a.last, b.last) &&
         a.time_min == b.time_min && a.time_max == b.time_max &&
         (!a.HasNumbers() ||
          (SamePoint(a.min, b.min) && SamePoint(a.max, b.max))) &&
         (a.nans == 0 || SamePoint(a.nan, b.nan));
}

bool Same(const BlockSummary& a, const BlockSummary& b) {
  return Same(a.digest, b.digest) && a.step_ordered == b.step_ordered &&
         SamePoint(a.last, b.last);
}

}  // namespace

SeriesCheck::SeriesCheck(std::string_view run_id, std::string_view key,
                         std::optional<std::string_view> info,
                         MetricStoreCheck::Listener* listener)
    : run_id_(run_id), key_(key), listener_(listener) {
  if (!info.has_value()) return;
  if (!ParseSeriesInfo(*info, &info_.emplace())) {
    info_.reset();
    Fault(&unreadable_, "a record cannot be read: malformed record of a "
                        "series");
    return;
  }
  levels_.resize(info_->level_buckets.size());
  rollups_.resize(info_->level_buckets.size());
}

void SeriesCheck::Fault(bool* told, std::string_view what) {
  if (std::exchange(*told, true)) return;
  listener_->OnFault(
      StrCat("Metric '", key_, "' of run ", run_id_, ": ", what, "."));
}

void SeriesCheck::Add(std::string_view suffix, std::string_view value) {
  const auto record_class = static_cast<uint8_t>(suffix.front());
  if (record_class <= kBlockClassMax || record_class == kPackedClass) {
    AddPoints(suffix, value);
  } else if (record_class == kSummaryClass) {
    CompareSummary(suffix, value);
  } else if (record_class >= kRollupClass &&
             record_class <= kRollupClass + kRollupLevelMax) {
    CompareRollup(record_class - kRollupClass, suffix.substr(1), value);
  } else if (record_class != kSeriesInfoClass) {
    Fault(&unknown_, "there is a record of a kind that this version does not "
                     "know");
  }
}

void SeriesCheck::AddPoints(std::string_view suffix, std::string_view value) {
  scratch_.clear();
  if (absl::Status read = ReadRecord(suffix, value, &scratch_); !read.ok()) {
    Fault(&unreadable_, StrCat("a record cannot be read: ", read.message()));
    return;
  }
  for (const MetricPoint& point : scratch_) {
    if (points_++ == 0 || StepLess(latest_, point)) latest_ = point;
  }
  if (static_cast<uint8_t>(suffix.front()) == kPackedClass) {
    AddPackedBlock(scratch_);
  }
}

void SeriesCheck::AddPackedBlock(const std::vector<MetricPoint>& points) {
  packed_points_ += points.size();
  if (!blocks_.empty() &&
      !HistoryLess(blocks_.back().summary.last, points.front())) {
    Fault(&overlap_, "packed blocks overlap");
  }
  blocks_.push_back({points.front(), SummaryOf(points)});
  if (levels_.empty()) return;
  for (const MetricPoint& point : points) {
    levels_.front()[BucketOf(point.step, info_->finest)].Add(point);
  }
}

void SeriesCheck::CompareSummary(std::string_view suffix,
                                 std::string_view value) {
  RecordSuffix record;
  BlockSummary summary;
  if (!ParseRecordSuffix(suffix, &record) ||
      !ParseSummary(value, record.first, &summary)) {
    Fault(&unreadable_, "a record cannot be read: malformed summary of a "
                        "packed block");
    return;
  }
  // Both lie in the order of their first points.
  if (summaries_ == blocks_.size() ||
      !SamePoint(blocks_[summaries_].first, record.first) ||
      !Same(blocks_[summaries_].summary, summary)) {
    Fault(&summary_differs_, "the summary of a packed block is not that of its "
                             "points");
    return;
  }
  ++summaries_;
}

void SeriesCheck::CoarsenBuckets() {
  if (std::exchange(coarsened_, true)) return;
  for (size_t i = 1; i < levels_.size(); ++i) {
    for (const auto& [bucket, digest] : levels_[i - 1]) {
      levels_[i][BucketOf(bucket, 1)].Merge(digest);
    }
  }
}

void SeriesCheck::CompareRollup(int level, std::string_view bucket,
                                std::string_view value) {
  CoarsenBuckets();
  const int at = info_.has_value() ? level - info_->finest : -1;
  if (at < 0 || at >= static_cast<int>(levels_.size()) ||
      bucket.size() != sizeof(int64_t)) {
    Fault(&rollup_differs_, "there is a rollup that should not be");
    return;
  }
  const int64_t number = ParseStep(bucket);
  PointsDigest digest;
  if (!ConsumeDigest(&value, BucketFirst(number, level), 0, &digest) ||
      !value.empty()) {
    Fault(&unreadable_, "a record cannot be read: malformed rollup");
    return;
  }
  const auto points = levels_[at].find(number);
  if (points == levels_[at].end() || !Same(points->second, digest)) {
    Fault(&rollup_differs_, "a rollup does not agree with the points");
    return;
  }
  ++rollups_[at];
}

void SeriesCheck::Finish() {
  CoarsenBuckets();
  // After damage these would only say so again.
  if (!unreadable_ && !summary_differs_ && summaries_ != blocks_.size()) {
    Fault(&summary_differs_, "packed blocks lack their summaries");
  }
  if (info_.has_value() && !unreadable_) {
    bool agrees = info_->packed_points == packed_points_;
    for (size_t i = 0; i < levels_.size(); ++i) {
      agrees = agrees && rollups_[i] == levels_[i].size() &&
               info_->level_buckets[i] == levels_[i].size();
    }
    if (!agrees) {
      Fault(&rollup_differs_, "the rollups do not agree with the points");
    }
  }
  if (points_ > 0) listener_->OnSeries(run_id_, key_, latest_, points_);
}

}  // namespace millstream::storage
