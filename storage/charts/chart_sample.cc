#include "storage/charts/chart_sample.h"

#include <algorithm>
#include <limits>

namespace millstream::storage {
namespace {

// Parts of the first and the last group, and of those between.
constexpr size_t kEndParts = 3;
constexpr size_t kMiddleParts = 2;

}  // namespace

ChartSample::ChartSample(size_t count, size_t max_points)
    : count_(count),
      parts_(std::min(count, max_points)),
      extremes_(count > max_points && max_points >= kExtremesPointsMin) {
  next_rank_ = PartRank(0);
  if (!extremes_) {
    group_end_ = count_;
    groups_.emplace_back();
  }
}

size_t ChartSample::PartBegin(size_t part) const {
  const size_t size = count_ / parts_;
  const size_t larger = count_ % parts_;
  return part * size + std::min(part, larger);
}

size_t ChartSample::PartRank(size_t part) const {
  return part + 1 == parts_ ? count_ - 1 : PartBegin(part);
}

size_t ChartSample::GroupParts(size_t part) const {
  if (part == 0) return kEndParts;
  const size_t left = parts_ - part;
  if (left == kEndParts) return left;
  // One part must not be left between this group and the last.
  return left == kEndParts + kMiddleParts + 1 ? kMiddleParts + 1
                                              : kMiddleParts;
}

void ChartSample::BeginGroup() {
  // A group begins with a part, so part_ is its first.
  const size_t next = part_ + GroupParts(part_);
  group_end_ = next < parts_ ? PartBegin(next) : count_;
  groups_.emplace_back();
}

size_t ChartSample::Skippable() const {
  if (rank_ == count_ || (extremes_ && rank_ == group_end_)) return 0;
  return std::min(next_rank_, group_end_) - rank_;
}

void ChartSample::Add(const MetricPoint& point) {
  if (extremes_) {
    if (rank_ == group_end_) BeginGroup();
    groups_.back().digest.Add(point);
  }
  if (rank_ == next_rank_) {
    groups_.back().points.push_back(point);
    ++part_;
    next_rank_ = part_ < parts_ ? PartRank(part_) : count_;
  }
  ++rank_;
}

void ChartSample::Skip(const PointsDigest& digest) {
  if (extremes_) groups_.back().digest.Merge(digest);
  rank_ += digest.count;
}

bool ChartSample::ReferenceShowsAll(size_t group) const {
  const PointsDigest& digest = groups_[group].digest;
  double least = std::numeric_limits<double>::infinity();
  double greatest = -least;
  bool any = false;
  auto shows = [&](const MetricPoint& point) {
    if (point.value != point.value) return;
    any = true;
    least = std::min(least, point.value);
    greatest = std::max(greatest, point.value);
  };
  for (const MetricPoint& point : groups_[group].points) shows(point);
  if (group > 0) shows(groups_[group - 1].points.back());
  if (group + 1 < groups_.size()) shows(groups_[group + 1].points.front());
  return any && least <= digest.min.value && digest.max.value <= greatest;
}

void ChartSample::FinishGroup(size_t index,
                              std::vector<MetricPoint>* points) const {
  const Group& group = groups_[index];
  const size_t begin = points->size();
  auto show = [&](const MetricPoint& point) {
    if (points->size() - begin == group.points.size()) return;
    for (size_t i = begin; i < points->size(); ++i) {
      if (SamePoint((*points)[i], point)) return;
    }
    points->push_back(point);
  };
  if (index == 0) show(group.digest.first);
  if (index + 1 == groups_.size()) show(group.digest.last);
  show(group.digest.min);
  show(group.digest.max);
  if (group.digest.nans > 0) show(group.digest.nan);
  for (const MetricPoint& point : group.points) show(point);
  std::sort(points->begin() + begin, points->end(), StepLess);
}

void ChartSample::Finish(std::vector<MetricPoint>* points) const {
  for (size_t i = 0; i < groups_.size(); ++i) {
    const Group& group = groups_[i];
    if (!extremes_ || !group.digest.HasNumbers() || ReferenceShowsAll(i)) {
      points->insert(points->end(), group.points.begin(), group.points.end());
    } else {
      FinishGroup(i, points);
    }
  }
}

}  // namespace millstream::storage
