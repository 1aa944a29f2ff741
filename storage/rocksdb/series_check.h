// Checks the records of one series as they come, in the order of their keys.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_SERIES_CHECK_H_
#define MILLSTREAM_STORAGE_ROCKSDB_SERIES_CHECK_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/metric_point.h"
#include "storage/rocksdb/metric_check.h"
#include "storage/rocksdb/points_digest.h"
#include "storage/rocksdb/rollups.h"

namespace millstream::storage {

// Used once; not thread-safe. Of each kind of fault the listener hears once.
class SeriesCheck {
 public:
  // `info` is the value of the series' record kSeriesInfoClass, if it has one;
  // not kept. The listener outlives this.
  SeriesCheck(std::string_view run_id, std::string_view key,
              std::optional<std::string_view> info,
              MetricStoreCheck::Listener* listener);

  // The next record: the end of its key, after run and metric.
  void Add(std::string_view suffix, std::string_view value);
  // There are no more.
  void Finish();

 private:
  struct Block {
    MetricPoint first;
    BlockSummary summary;
  };
  using Buckets = std::map<int64_t, PointsDigest>;

  void AddPoints(std::string_view suffix, std::string_view value);
  void AddPackedBlock(const std::vector<MetricPoint>& points);
  void CompareSummary(std::string_view suffix, std::string_view value);
  void CompareRollup(int level, std::string_view bucket,
                     std::string_view value);
  // Makes the digests of the coarser levels of those of the finest.
  void CoarsenBuckets();
  void Fault(bool* told, std::string_view what);

  const std::string run_id_;
  const std::string key_;
  MetricStoreCheck::Listener* const listener_;
  std::optional<SeriesInfo> info_;

  uint64_t points_ = 0;
  MetricPoint latest_;
  uint64_t packed_points_ = 0;
  std::vector<Block> blocks_;
  size_t summaries_ = 0;
  // What rollups should say, from the finest level on.
  std::vector<Buckets> levels_;
  bool coarsened_ = false;
  std::vector<uint64_t> rollups_;

  bool unreadable_ = false;
  bool overlap_ = false;
  bool summary_differs_ = false;
  bool rollup_differs_ = false;
  bool unknown_ = false;
  std::vector<MetricPoint> scratch_;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_SERIES_CHECK_H_
