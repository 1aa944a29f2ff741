// Which points of a series a chart shows, all of them being passed in step
// order.
//
// With n points and n <= max_points: all. Otherwise the reference sample: the
// points are cut, in step order, into max_points parts whose sizes differ by at
// most one, the larger ones first; it has the first point of each part, with
// the last of these replaced by the last point of all.
//
// With max_points < kExtremesPointsMin that is the answer. Otherwise the parts
// are taken in groups: the first three, the last three, and of those between
// two at a time (with an odd max_points, three in the group before the last).
// Of a group the answer has the reference sample's points if all values of the
// group lie between the least and the greatest value that the reference sample
// has in the group and next to it on either side. Otherwise it has, as long as
// there is room for as many as the group has parts: the first point of all in
// the first group and the last of all in the last one; the points with the
// least and the greatest value, of several the first; the first NaN; the
// reference sample's points, in order.
//
// So
// - each value lies between the least and the greatest that the answer has in
//   its own group and the groups beside it; the least and the greatest of all
//   are there, and so are the first point and the last;
// - of a curve that only rises or falls the answer is the reference sample, and
//   wherever the reference sample already shows how far the curve goes;
// - a group that has only NaN shows the reference sample's. Among numbers, NaN
//   shows where the reference sample has it or a slot is left.
#ifndef MILLSTREAM_STORAGE_CHARTS_CHART_SAMPLE_H_
#define MILLSTREAM_STORAGE_CHARTS_CHART_SAMPLE_H_

#include <cstddef>
#include <vector>

#include "storage/metric_point.h"
#include "storage/charts/points_digest.h"

namespace millstream::storage {

inline constexpr size_t kExtremesPointsMin = 8;

// Not thread-safe.
class ChartSample {
 public:
  // Of `count` points. REQUIRES: both are > 0.
  ChartSample(size_t count, size_t max_points);

  // How many of the points that come next are of no interest one by one: none
  // is of the reference sample, and all are of one group.
  size_t Skippable() const;
  // What they are is of interest, though: Skip wants a digest.
  bool WantsDigest() const { return extremes_; }

  // The next point. REQUIRES: `count` were not passed before.
  void Add(const MetricPoint& point);
  // The next digest.count points. REQUIRES: that is at most Skippable().
  void Skip(const PointsDigest& digest);

  // No point to come is of interest.
  bool Done() const { return rank_ == count_; }

  // Appends the answer, in step order. REQUIRES: Done().
  void Finish(std::vector<MetricPoint>* points) const;

 private:
  struct Group {
    // Of the reference sample.
    std::vector<MetricPoint> points;
    PointsDigest digest;
  };

  // Rank of the first point of a part.
  size_t PartBegin(size_t part) const;
  // Rank of the reference sample's point for a part.
  size_t PartRank(size_t part) const;
  // How many parts the group has that begins with this one.
  size_t GroupParts(size_t part) const;
  void BeginGroup();
  bool ReferenceShowsAll(size_t group) const;
  void FinishGroup(size_t group, std::vector<MetricPoint>* points) const;

  const size_t count_;
  const size_t parts_;
  const bool extremes_;

  size_t rank_ = 0;       // of the next point
  size_t part_ = 0;       // whose reference point comes next, or parts_
  size_t next_rank_ = 0;  // that point's
  size_t group_end_ = 0;  // rank after the group under way
  std::vector<Group> groups_;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_CHARTS_CHART_SAMPLE_H_
