#include "storage/rocksdb/rollups.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "base/status_macros.h"
#include "rocksdb/iterator.h"
#include "rocksdb/write_batch.h"
#include "storage/rocksdb/coding.h"
#include "storage/rocksdb/loose_records.h"
#include "storage/rocksdb/metric_key.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace millstream::storage {
namespace {

// A level is dropped when its buckets have less than this part of the points
// that they were made for.
constexpr uint64_t kSparsePart = 4;

std::string LevelPrefix(const std::string& prefix, int level) {
  return prefix + static_cast<char>(kRollupClass + level);
}

std::string BucketKey(const std::string& prefix, int level, int64_t bucket) {
  std::string key = LevelPrefix(prefix, level);
  AppendStep(bucket, &key);
  return key;
}

absl::Status ParseBucket(std::string_view key, std::string_view value,
                         size_t level_prefix_bytes, int level, int64_t* bucket,
                         PointsDigest* digest) {
  key.remove_prefix(level_prefix_bytes);
  if (key.size() != sizeof(int64_t)) {
    return absl::DataLossError("malformed key of a rollup");
  }
  *bucket = ParseStep(key);
  if (!ConsumeDigest(&value, BucketFirst(*bucket, level), 0, digest) ||
      !value.empty()) {
    return absl::DataLossError("malformed rollup");
  }
  return absl::OkStatus();
}

// The finest level at which buckets have as many points as wanted on average.
int ChooseFinest(int64_t first_step, int64_t last_step, uint64_t points,
                 size_t bucket_points) {
  const double steps = static_cast<double>(static_cast<uint64_t>(last_step) -
                                           static_cast<uint64_t>(first_step)) +
                       1;
  const double wanted =
      steps * static_cast<double>(bucket_points) / static_cast<double>(points);
  int level = 0;
  while (level < kRollupLevelMax && std::pow(4.0, level) < wanted) ++level;
  return level;
}

}  // namespace

void EncodeSeriesInfo(const SeriesInfo& info, std::string* out) {
  out->push_back(static_cast<char>(kSeriesInfoFormat));
  PutVarint(info.packed_points, out);
  out->push_back(static_cast<char>(info.finest));
  out->push_back(static_cast<char>(info.level_buckets.size()));
  for (uint64_t buckets : info.level_buckets) PutVarint(buckets, out);
}

bool ParseSeriesInfo(std::string_view in, SeriesInfo* info) {
  uint8_t format, finest, levels;
  if (!GetByte(&in, &format) || format != kSeriesInfoFormat ||
      !GetVarint(&in, &info->packed_points) || !GetByte(&in, &finest) ||
      !GetByte(&in, &levels) || finest + levels > kRollupLevelMax + 1) {
    return false;
  }
  info->finest = finest;
  info->level_buckets.resize(levels);
  for (uint64_t& buckets : info->level_buckets) {
    if (!GetVarint(&in, &buckets)) return false;
  }
  return in.empty();
}

absl::Status ReadSeriesInfo(const PointsSnapshot& snapshot,
                            const std::string& prefix, SeriesInfo* info) {
  *info = SeriesInfo();
  std::unique_ptr<rocksdb::Iterator> it = snapshot.NewIterator();
  const std::string key = prefix + static_cast<char>(kSeriesInfoClass);
  it->Seek(key);
  if (it->Valid() && View(it->key()) == key &&
      !ParseSeriesInfo(View(it->value()), info)) {
    return absl::DataLossError("malformed record of a series");
  }
  return FromRocksDb(it->status());
}

absl::Status ScanRollups(
    const PointsSnapshot& snapshot, const std::string& prefix, int level,
    int64_t first, int64_t last,
    absl::FunctionRef<void(int64_t bucket, const PointsDigest& digest)> visit) {
  const std::string level_prefix = LevelPrefix(prefix, level);
  std::unique_ptr<rocksdb::Iterator> it = snapshot.NewIterator();
  PointsDigest digest;
  for (it->Seek(BucketKey(prefix, level, first));
       it->Valid() && View(it->key()).starts_with(level_prefix); it->Next()) {
    int64_t bucket;
    RETURN_IF_ERROR(ParseBucket(View(it->key()), View(it->value()),
                                level_prefix.size(), level, &bucket, &digest));
    if (bucket > last) break;
    visit(bucket, digest);
  }
  return FromRocksDb(it->status());
}

absl::Status RollupWriter::ReadInfo() {
  RETURN_IF_ERROR(ReadSeriesInfo(snapshot_, prefix_, &info_));
  if (info_.packed_points > 0) return absl::OkStatus();
  const std::string summaries = prefix_ + static_cast<char>(kSummaryClass);
  std::unique_ptr<rocksdb::Iterator> it = snapshot_.NewUncachedIterator();
  for (it->Seek(summaries);
       it->Valid() && View(it->key()).starts_with(summaries); it->Next()) {
    RecordSuffix suffix;
    BlockSummary summary;
    if (!ParseRecordSuffix(View(it->key()).substr(prefix_.size()), &suffix) ||
        !ParseSummary(View(it->value()), suffix.first, &summary)) {
      return absl::DataLossError("malformed summary of a packed block");
    }
    info_.packed_points += summary.digest.count;
  }
  return FromRocksDb(it->status());
}

absl::Status RollupWriter::Add(std::vector<MetricPoint> points) {
  if (points.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(ReadInfo());
  info_.packed_points += points.size();
  if (!std::is_sorted(points.begin(), points.end(), StepLess)) {
    std::sort(points.begin(), points.end(), StepLess);
  }
  if (info_.HasRollups()) {
    RETURN_IF_ERROR(Update(points));
  } else if (info_.packed_points >= options_.rollup_points) {
    RETURN_IF_ERROR(Build(points));
  }
  std::string value;
  EncodeSeriesInfo(info_, &value);
  batch_->Put(prefix_ + static_cast<char>(kSeriesInfoClass), value);
  return absl::OkStatus();
}

absl::Status RollupWriter::Build(absl::Span<const MetricPoint> points) {
  // Twice over the packed blocks: which steps there are, and what they hold.
  PointsDigest all = DigestOf(points);
  std::unique_ptr<rocksdb::Iterator> it = snapshot_.NewUncachedIterator();
  const std::string summaries = prefix_ + static_cast<char>(kSummaryClass);
  for (it->Seek(summaries);
       it->Valid() && View(it->key()).starts_with(summaries); it->Next()) {
    RecordSuffix suffix;
    BlockSummary summary;
    if (!ParseRecordSuffix(View(it->key()).substr(prefix_.size()), &suffix) ||
        !ParseSummary(View(it->value()), suffix.first, &summary)) {
      return absl::DataLossError("malformed summary of a packed block");
    }
    all.Merge(summary.digest);
  }
  RETURN_IF_ERROR(FromRocksDb(it->status()));
  const int finest = ChooseFinest(all.first.step, all.last.step, all.count,
                                  options_.bucket_points);

  absl::flat_hash_map<int64_t, PointsDigest> buckets;
  auto add = [&](absl::Span<const MetricPoint> some) {
    for (const MetricPoint& point : some) {
      buckets[BucketOf(point.step, finest)].Add(point);
    }
  };
  add(points);
  const std::string packed = prefix_ + static_cast<char>(kPackedClass);
  std::vector<MetricPoint> block;
  for (it->Seek(packed); it->Valid() && View(it->key()).starts_with(packed);
       it->Next()) {
    block.clear();
    RETURN_IF_ERROR(ReadRecord(View(it->key()).substr(prefix_.size()),
                               View(it->value()), &block));
    add(block);
  }
  RETURN_IF_ERROR(FromRocksDb(it->status()));
  Digests digests(buckets.begin(), buckets.end());
  std::sort(digests.begin(), digests.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [bucket, digest] : digests) Put(finest, bucket, digest);
  info_.finest = finest;
  info_.level_buckets = {digests.size()};
  AddLevels(std::move(digests));
  return absl::OkStatus();
}

RollupWriter::Digests RollupWriter::Coarsen(const Digests& digests) {
  Digests coarser;
  for (const auto& [bucket, digest] : digests) {
    const int64_t wider = BucketOf(bucket, 1);
    if (coarser.empty() || coarser.back().first != wider) {
      coarser.emplace_back(wider, PointsDigest());
    }
    coarser.back().second.Merge(digest);
  }
  return coarser;
}

absl::Status RollupWriter::Update(absl::Span<const MetricPoint> points) {
  Digests added;
  for (const MetricPoint& point : points) {
    const int64_t bucket = BucketOf(point.step, info_.finest);
    if (added.empty() || added.back().first != bucket) {
      added.emplace_back(bucket, PointsDigest());
    }
    added.back().second.Add(point);
  }
  for (size_t i = 0; i < info_.level_buckets.size(); ++i) {
    if (i > 0) added = Coarsen(added);
    RETURN_IF_ERROR(Apply(info_.finest + static_cast<int>(i), added,
                          &info_.level_buckets[i]));
  }
  const int level = info_.coarsest();
  if (info_.level_buckets.back() > options_.top_buckets &&
      level < kRollupLevelMax) {
    Digests all;
    auto next = added.begin();
    RETURN_IF_ERROR(ScanRollups(
        snapshot_, prefix_, level, std::numeric_limits<int64_t>::min(),
        std::numeric_limits<int64_t>::max(),
        [&](int64_t bucket, const PointsDigest& digest) {
          for (; next != added.end() && next->first < bucket; ++next) {
            all.push_back(*next);
          }
          all.emplace_back(bucket, digest);
          if (next == added.end() || next->first != bucket) return;
          all.back().second.Merge(next->second);
          ++next;
        }));
    all.insert(all.end(), next, added.end());
    AddLevels(std::move(all));
  }
  DropSparseLevels();
  return absl::OkStatus();
}

absl::Status RollupWriter::Apply(int level, const Digests& added,
                                 uint64_t* buckets) {
  const std::string level_prefix = LevelPrefix(prefix_, level);
  std::unique_ptr<rocksdb::Iterator> it = snapshot_.NewUncachedIterator();
  bool at_end = false;
  for (const auto& [bucket, digest] : added) {
    const std::string key = BucketKey(prefix_, level, bucket);
    // New buckets mostly come one after the other, behind all others: one seek.
    if (!at_end && (!it->Valid() || View(it->key()) < key)) {
      it->Seek(key);
      RETURN_IF_ERROR(FromRocksDb(it->status()));
      at_end = !it->Valid() || !View(it->key()).starts_with(level_prefix);
    }
    if (at_end || View(it->key()) != key) {
      ++*buckets;
      Put(level, bucket, digest);
      continue;
    }
    int64_t found;
    PointsDigest merged;
    RETURN_IF_ERROR(ParseBucket(View(it->key()), View(it->value()),
                                level_prefix.size(), level, &found, &merged));
    merged.Merge(digest);
    Put(level, bucket, merged);
  }
  return absl::OkStatus();
}

void RollupWriter::Put(int level, int64_t bucket, const PointsDigest& digest) {
  std::string value;
  EncodeDigest(digest, BucketFirst(bucket, level), 0, &value);
  batch_->Put(BucketKey(prefix_, level, bucket), value);
}

void RollupWriter::AddLevels(Digests coarsest) {
  while (coarsest.size() > options_.top_buckets &&
         info_.coarsest() < kRollupLevelMax) {
    coarsest = Coarsen(coarsest);
    info_.level_buckets.push_back(coarsest.size());
    for (const auto& [bucket, digest] : coarsest) {
      Put(info_.coarsest(), bucket, digest);
    }
  }
}

void RollupWriter::DropSparseLevels() {
  const uint64_t per_bucket =
      std::max<uint64_t>(options_.bucket_points / kSparsePart, 1);
  while (info_.level_buckets.size() > 1 &&
         info_.level_buckets.front() > info_.packed_points / per_bucket) {
    batch_->DeleteRange(LevelPrefix(prefix_, info_.finest),
                        LevelPrefix(prefix_, info_.finest + 1));
    info_.level_buckets.erase(info_.level_buckets.begin());
    ++info_.finest;
  }
}

}  // namespace millstream::storage
