#include "storage/rocksdb/rollup_sampler.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/status_macros.h"
#include "storage/charts/chart_sample.h"
#include "storage/rocksdb/series_chunks.h"

namespace millstream::storage {
namespace {

// Buckets for each group, at least.
constexpr uint64_t kBucketsEach = 2;

// Fewer groups than this part of them have points: their steps are in heaps.
constexpr size_t kGroupsUsedPart = 4;

// Loose points that are read for one answer.
constexpr size_t kLoosePointsMax = 262'144;

// Buckets from first to last; not more than fit a step.
unsigned __int128 BucketCount(int64_t first, int64_t last) {
  return static_cast<unsigned __int128>(static_cast<uint64_t>(last) -
                                        static_cast<uint64_t>(first)) +
         1;
}

bool Inside(const PointsDigest& digest, const StepRange& range) {
  return Contains(range, digest.first.step) &&
         Contains(range, digest.last.step);
}

void SortUnique(std::vector<MetricPoint>* points) {
  std::sort(points->begin(), points->end(), StepLess);
  points->erase(std::unique(points->begin(), points->end(), SamePoint),
                points->end());
}

}  // namespace

RollupSampler::RollupSampler(const PointsSnapshot& snapshot,
                             const PackingOptions& options,
                             const std::string& prefix,
                             const LooseExtent* loose, const StepRange& range,
                             size_t max_points)
    : snapshot_(snapshot),
      options_(options),
      prefix_(prefix),
      extent_(loose),
      range_(range),
      max_points_(max_points) {}

absl::StatusOr<bool> RollupSampler::Run(std::vector<MetricPoint>* points) {
  if (max_points_ < kExtremesPointsMin) return false;
  RETURN_IF_ERROR(ReadSeriesInfo(snapshot_, prefix_, &info_));
  if (!info_.HasRollups()) return false;
  // As many as are answered exactly, however they are spread.
  const uint64_t exact =
      std::max<uint64_t>(options_.exact_points,
                         max_points_ > info_.packed_points
                             ? std::numeric_limits<uint64_t>::max()
                             : max_points_ * options_.exact_points_each);
  if (info_.packed_points + kLoosePointsMax <= exact) return false;
  ASSIGN_OR_RETURN(const bool few_loose,
                   SeriesChunks(snapshot_, prefix_, range_)
                       .ReadLoose(extent_, kLoosePointsMax, &loose_));
  if (!few_loose || info_.packed_points + loose_.size() <= exact) return false;
  ASSIGN_OR_RETURN(const bool any, FindEnds());
  if (!any || !ChooseLevel()) return false;
  RETURN_IF_ERROR(ReadGroups());
  for (const MetricPoint& point : loose_) {
    groups_[GroupOf(point.step)].Add(point);
  }
  uint64_t count = 0;
  size_t used = 0;
  for (const PointsDigest& group : groups_) {
    count += group.count;
    used += group.count > 0;
  }
  if (count <= exact || used < groups_.size() / kGroupsUsedPart) return false;
  Choose(points);
  return true;
}

absl::StatusOr<bool> RollupSampler::FindEnds() {
  bool any = false;
  StepRange found;
  auto add = [&](int64_t first, int64_t last) {
    found.first = any ? std::min(found.first, first) : first;
    found.last = any ? std::max(found.last, last) : last;
    any = true;
  };
  for (const MetricPoint& point : loose_) add(point.step, point.step);
  RETURN_IF_ERROR(ScanRollups(
      snapshot_, prefix_, info_.coarsest(),
      BucketOf(range_.first, info_.coarsest()),
      BucketOf(range_.last, info_.coarsest()),
      [&](int64_t, const PointsDigest& digest) {
        add(digest.first.step, digest.last.step);
      }));
  if (!any) return false;
  range_.first = std::max(range_.first, found.first);
  range_.last = std::min(range_.last, found.last);
  return range_.first <= range_.last;
}

bool RollupSampler::ChooseLevel() {
  groups_.resize((max_points_ - 2) / 2);
  for (level_ = kRollupLevelMax; level_ >= info_.finest; --level_) {
    first_bucket_ = BucketOf(range_.first, level_);
    if (BucketCount(first_bucket_, BucketOf(range_.last, level_)) >=
        kBucketsEach * groups_.size()) {
      return true;
    }
  }
  return false;
}

size_t RollupSampler::GroupOf(int64_t step) const {
  const auto place = static_cast<uint64_t>(BucketOf(step, level_)) -
                     static_cast<uint64_t>(first_bucket_);
  // No overflow: places and groups have 64 bits each.
  return static_cast<size_t>(
      static_cast<unsigned __int128>(place) * groups_.size() /
      BucketCount(first_bucket_, BucketOf(range_.last, level_)));
}

absl::Status RollupSampler::ReadGroups() {
  // Finer buckets do as well: each lies in one of level_.
  const int level = std::min(level_, info_.coarsest());
  // Buckets at the ends, of which some points may not be in the range.
  std::vector<std::pair<int64_t, PointsDigest>> cut;
  RETURN_IF_ERROR(ScanRollups(
      snapshot_, prefix_, level, BucketOf(range_.first, level),
      BucketOf(range_.last, level),
      [&](int64_t bucket, const PointsDigest& digest) {
        if (Inside(digest, range_)) {
          groups_[GroupOf(digest.first.step)].Merge(digest);
        } else {
          cut.emplace_back(bucket, digest);
        }
      }));
  for (const auto& [bucket, digest] : cut) {
    PointsDigest sum;
    RETURN_IF_ERROR(AddBucket(level, bucket, digest, &sum));
    if (sum.count > 0) groups_[GroupOf(sum.first.step)].Merge(sum);
  }
  return absl::OkStatus();
}

absl::Status RollupSampler::AddBucket(int level, int64_t bucket,
                                      const PointsDigest& digest,
                                      PointsDigest* sum) {
  if (Inside(digest, range_)) {
    sum->Merge(digest);
    return absl::OkStatus();
  }
  if (digest.last.step < range_.first || digest.first.step > range_.last) {
    return absl::OkStatus();
  }
  if (level == info_.finest) return AddPoints(bucket, digest, sum);
  const int64_t first_part = BucketFirst(bucket, 1);
  std::vector<std::pair<int64_t, PointsDigest>> parts;
  RETURN_IF_ERROR(ScanRollups(
      snapshot_, prefix_, level - 1, first_part, BucketLast(bucket, 1),
      [&](int64_t part, const PointsDigest& part_digest) {
        parts.emplace_back(part, part_digest);
      }));
  for (const auto& [part, part_digest] : parts) {
    RETURN_IF_ERROR(AddBucket(level - 1, part, part_digest, sum));
  }
  return absl::OkStatus();
}

absl::Status RollupSampler::AddPoints(int64_t bucket,
                                      const PointsDigest& digest,
                                      PointsDigest* sum) {
  const StepRange wanted = {
      std::max(range_.first, BucketFirst(bucket, info_.finest)),
      std::min(range_.last, BucketLast(bucket, info_.finest))};
  SeriesChunks source(snapshot_, prefix_, wanted);
  std::vector<Chunk> chunks;
  RETURN_IF_ERROR(
      source.ListPacked(digest.time_min, digest.time_max, &chunks));
  std::vector<MetricPoint> points;
  for (const Chunk& chunk : chunks) {
    points.clear();
    RETURN_IF_ERROR(source.Load(chunk, &points));
    for (const MetricPoint& point : points) sum->Add(point);
  }
  return absl::OkStatus();
}

void RollupSampler::Choose(std::vector<MetricPoint>* points) const {
  std::vector<MetricPoint> chosen;
  const PointsDigest* last = nullptr;
  size_t used = 0;
  for (const PointsDigest& group : groups_) {
    if (group.count == 0) continue;
    ++used;
    if (last == nullptr) chosen.push_back(group.first);
    last = &group;
    if (group.HasNumbers()) {
      chosen.push_back(group.min);
      chosen.push_back(group.max);
    } else {
      chosen.push_back(group.first);
    }
  }
  chosen.push_back(last->last);
  SortUnique(&chosen);
  const size_t sorted = chosen.size();
  for (const PointsDigest& group : groups_) {
    if (chosen.size() == max_points_) break;
    if (group.nans > 0 &&
        !std::binary_search(chosen.begin(), chosen.begin() + sorted, group.nan,
                            StepLess)) {
      chosen.push_back(group.nan);
    }
  }
  SortUnique(&chosen);
  for (auto end : {&PointsDigest::first, &PointsDigest::last}) {
    if (chosen.size() + used > max_points_) break;
    for (const PointsDigest& group : groups_) {
      if (group.count > 0) chosen.push_back(group.*end);
    }
    SortUnique(&chosen);
  }
  points->insert(points->end(), chosen.begin(), chosen.end());
}

}  // namespace millstream::storage
