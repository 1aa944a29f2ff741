#include "storage/rocksdb/series_packer.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/status_macros.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"
#include "storage/rocksdb/loose_records.h"
#include "storage/rocksdb/metric_block.h"
#include "storage/rocksdb/metric_key.h"
#include "storage/rocksdb/packed_block.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "storage/rocksdb/rollups.h"

namespace millstream::storage {
namespace {

// Small blocks that are looked at, before the loose points, to take them up;
// there are fewer, for each is more than twice as large as what follows.
constexpr size_t kSmallBlocksMax = 16;

// Waiting points are written anew if that saves this part of their records.
constexpr size_t kRecordsSavedPart = 4;

std::string RecordKey(std::string_view prefix, uint8_t record_class,
                      const MetricPoint& first) {
  std::string key(prefix);
  key.push_back(static_cast<char>(record_class));
  AppendPoint(first, &key);
  return key;
}

}  // namespace

rocksdb::WriteOptions PackingWriteOptions() {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  return options;
}

struct SeriesPacker::Block {
  MetricPoint first;
  BlockSummary summary;
  // Loose points that belong to it: loose_[begin, end).
  size_t begin = 0;
  size_t end = 0;
  bool rewrite = false;

  size_t late() const { return end - begin; }
  size_t count() const { return summary.digest.count; }
};

SeriesPacker::SeriesPacker(rocksdb::DB* db, const PackingOptions& options,
                           std::string prefix)
    : db_(db),
      options_(options),
      prefix_(std::move(prefix)),
      snapshot_(db),
      batch_(std::make_unique<rocksdb::WriteBatch>()) {}

SeriesPacker::~SeriesPacker() = default;

absl::StatusOr<PackResult> SeriesPacker::Pack(bool force,
                                              const std::string& resume,
                                              const LooseExtent* extent) {
  RETURN_IF_ERROR(Gather(resume, extent));
  SortLoose();
  result_.waiting = loose_.size();
  if (loose_.size() < 2) return result_;
  RETURN_IF_ERROR(FindBlocks());
  Distribute();
  Choose(force);
  TakeUpSmallBlocks();
  const bool any = head_ > 0 || tail_ > 0 ||
                   std::any_of(
                       blocks_.begin(), blocks_.end(),
                       [](const Block& block) { return block.rewrite; });
  const size_t records_needed = loose_.size() / kBlockPointsWritten + 1;
  if (!any && loose_keys_.size() < kRecordsSavedPart * records_needed) {
    return result_;
  }
  RETURN_IF_ERROR(Rewrite());
  RETURN_IF_ERROR(Finish());
  return result_;
}

absl::Status SeriesPacker::Gather(const std::string& resume,
                                  const LooseExtent* extent) {
  if (extent == nullptr || !resume.empty()) {
    return GatherFrom(std::max(resume, prefix_), -1);
  }
  loose_.reserve(std::min(extent->points, options_.batch_points));
  loose_keys_.reserve(extent->records);
  begins_.reserve(extent->records);
  for (int c = 0; c <= kBlockClassMax && !result_.more; ++c) {
    if ((extent->classes >> c & 1) == 0) continue;
    RETURN_IF_ERROR(GatherFrom(
        RecordKey(prefix_, static_cast<uint8_t>(c),
                  {extent->first_ms, std::numeric_limits<int64_t>::min(),
                   -std::numeric_limits<double>::infinity()}),
        c));
  }
  return absl::OkStatus();
}

absl::Status SeriesPacker::GatherFrom(const std::string& begin,
                                      int record_class) {
  std::unique_ptr<rocksdb::Iterator> it = snapshot_.NewUncachedIterator();
  for (it->Seek(begin); it->Valid(); it->Next()) {
    const std::string_view key = View(it->key());
    if (!key.starts_with(prefix_) || key.size() == prefix_.size()) break;
    const int found = static_cast<uint8_t>(key[prefix_.size()]);
    if (found > kBlockClassMax ||
        (record_class >= 0 && found != record_class)) {
      break;
    }
    if (key == begin) continue;  // where the step before ended
    if (loose_.size() >= options_.batch_points) {
      result_.more = true;
      result_.resume = loose_keys_.back();
      break;
    }
    begins_.push_back(loose_.size());
    RETURN_IF_ERROR(
        ReadRecord(key.substr(prefix_.size()), View(it->value()), &loose_));
    loose_keys_.emplace_back(key);
  }
  return FromRocksDb(it->status());
}

void SeriesPacker::SortLoose() {
  auto ascend = [this] {
    return std::is_sorted(loose_.begin(), loose_.end(), HistoryLess);
  };
  if (!ascend()) {
    // Mostly whole records do follow each other, in another order.
    std::vector<std::pair<size_t, size_t>> records;
    for (size_t i = 0; i < begins_.size(); ++i) {
      records.emplace_back(begins_[i], i + 1 < begins_.size() ? begins_[i + 1]
                                                              : loose_.size());
    }
    std::sort(records.begin(), records.end(), [this](auto& a, auto& b) {
      return HistoryLess(loose_[a.first], loose_[b.first]);
    });
    std::vector<MetricPoint> ordered;
    ordered.reserve(loose_.size());
    for (auto [begin, end] : records) {
      ordered.insert(ordered.end(), loose_.begin() + begin,
                     loose_.begin() + end);
    }
    loose_ = std::move(ordered);
    if (!ascend()) std::sort(loose_.begin(), loose_.end(), HistoryLess);
  }
  loose_.erase(std::unique(loose_.begin(), loose_.end(), SamePoint),
               loose_.end());
}

absl::Status SeriesPacker::AddBlock(std::string_view key,
                                    std::string_view summary, Block* block) {
  RecordSuffix suffix;
  if (!ParseRecordSuffix(key.substr(prefix_.size()), &suffix) ||
      !ParseSummary(summary, suffix.first, &block->summary)) {
    return absl::DataLossError("malformed summary of a packed block");
  }
  block->first = suffix.first;
  return absl::OkStatus();
}

absl::Status SeriesPacker::FindBlocks() {
  const std::string summaries = prefix_ + static_cast<char>(kSummaryClass);
  const std::string front = RecordKey(prefix_, kSummaryClass, loose_.front());
  std::unique_ptr<rocksdb::Iterator> it = snapshot_.NewUncachedIterator();
  auto at_summary = [&] {
    return it->Valid() && View(it->key()).starts_with(summaries);
  };
  for (it->SeekForPrev(front); at_summary() && blocks_.size() < kSmallBlocksMax;
       it->Prev()) {
    RETURN_IF_ERROR(
        AddBlock(View(it->key()), View(it->value()), &blocks_.emplace_back()));
    if (blocks_.back().count() >= options_.small_block_points) break;
  }
  RETURN_IF_ERROR(FromRocksDb(it->status()));
  std::reverse(blocks_.begin(), blocks_.end());
  const bool exact = !blocks_.empty() &&
                     SamePoint(blocks_.back().first, loose_.front());
  it->Seek(front);
  if (exact && at_summary()) it->Next();
  for (; at_summary(); it->Next()) {
    RETURN_IF_ERROR(
        AddBlock(View(it->key()), View(it->value()), &blocks_.emplace_back()));
    if (HistoryLess(loose_.back(), blocks_.back().first)) break;
  }
  return FromRocksDb(it->status());
}

void SeriesPacker::Distribute() {
  if (blocks_.empty()) {
    tail_ = loose_.size();
    return;
  }
  auto before = [this](const MetricPoint& point) {
    return static_cast<size_t>(
        std::lower_bound(loose_.begin(), loose_.end(), point, HistoryLess) -
        loose_.begin());
  };
  head_ = before(blocks_.front().first);
  size_t begin = head_;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    blocks_[i].begin = begin;
    if (i + 1 < blocks_.size()) {
      begin = before(blocks_[i + 1].first);
    } else {
      begin = static_cast<size_t>(
          std::upper_bound(loose_.begin() + begin, loose_.end(),
                           blocks_[i].summary.last, HistoryLess) -
          loose_.begin());
    }
    blocks_[i].end = begin;
  }
  tail_ = loose_.size() - begin;
}

void SeriesPacker::Choose(bool force) {
  size_t rewritten = 0;
  for (Block& block : blocks_) {
    if (block.late() == 0) continue;
    if (!force && block.late() * options_.late_points_part < block.count()) {
      continue;
    }
    if (rewritten >= options_.rewrite_points) {
      result_.more = true;
      continue;
    }
    block.rewrite = true;
    rewritten += block.count() + block.late();
  }
}

void SeriesPacker::TakeUpSmallBlocks() {
  // Blocks beside `points` new ones, nearest first.
  auto take_up = [this](size_t points, auto begin, auto end) {
    if (points == 0) return;
    for (auto block = begin; block != end; ++block) {
      if (!block->rewrite) {
        if (block->count() >= options_.small_block_points ||
            block->count() > 2 * points) {
          return;
        }
        block->rewrite = true;
      }
      points += block->count() + block->late();
    }
  };
  take_up(tail_, blocks_.rbegin(), blocks_.rend());
  take_up(head_, blocks_.begin(), blocks_.end());
}

absl::Status SeriesPacker::Rewrite() {
  for (const std::string& key : loose_keys_) batch_->SingleDelete(key);
  for (const Block& block : blocks_) {
    if (!block.rewrite) continue;
    batch_->Delete(RecordKey(prefix_, kPackedClass, block.first));
    batch_->Delete(RecordKey(prefix_, kSummaryClass, block.first));
  }
  auto add_new = [this](size_t begin, size_t end) {
    merged_.insert(merged_.end(), loose_.begin() + begin, loose_.begin() + end);
    new_points_.insert(new_points_.end(), loose_.begin() + begin,
                       loose_.begin() + end);
  };
  add_new(0, head_);
  for (const Block& block : blocks_) {
    if (block.rewrite) {
      RETURN_IF_ERROR(MergeBlock(block));
      if (merged_.size() >= 4 * options_.block_points) Flush();
      continue;
    }
    Flush();
    waiting_.insert(waiting_.end(), loose_.begin() + block.begin,
                    loose_.begin() + block.end);
  }
  add_new(loose_.size() - tail_, loose_.size());
  Flush();
  LooseRecordWriter(batch_.get()).Write(prefix_, waiting_);
  result_.waiting = waiting_.size();
  // They lie before and behind where this step ended.
  if (!waiting_.empty()) result_.resume.clear();
  return absl::OkStatus();
}

absl::Status SeriesPacker::MergeBlock(const Block& block) {
  const std::string key = RecordKey(prefix_, kPackedClass, block.first);
  rocksdb::PinnableSlice value;
  RETURN_IF_ERROR(snapshot_.Get(key, &value));
  block_points_.clear();
  RETURN_IF_ERROR(
      DecodePackedBlock(View(value), block.first, &block_points_));
  size_t late = block.begin;
  for (const MetricPoint& point : block_points_) {
    for (; late < block.end && HistoryLess(loose_[late], point); ++late) {
      merged_.push_back(loose_[late]);
      new_points_.push_back(loose_[late]);
    }
    if (late < block.end && SamePoint(loose_[late], point)) ++late;
    merged_.push_back(point);
  }
  for (; late < block.end; ++late) {
    merged_.push_back(loose_[late]);
    new_points_.push_back(loose_[late]);
  }
  return absl::OkStatus();
}

void SeriesPacker::Flush() {
  const size_t blocks =
      (merged_.size() + options_.block_points - 1) / options_.block_points;
  size_t begin = 0;
  for (size_t i = 0; i < blocks; ++i) {
    const size_t end = merged_.size() * (i + 1) / blocks;
    PutBlock(absl::MakeConstSpan(merged_).subspan(begin, end - begin));
    begin = end;
  }
  merged_.clear();
}

void SeriesPacker::PutBlock(absl::Span<const MetricPoint> points) {
  value_.clear();
  EncodePackedBlock(points, &value_);
  batch_->Put(RecordKey(prefix_, kPackedClass, points.front()), value_);
  value_.clear();
  EncodeSummary(SummaryOf(points), points.front(), &value_);
  batch_->Put(RecordKey(prefix_, kSummaryClass, points.front()), value_);
}

absl::Status SeriesPacker::Finish() {
  RETURN_IF_ERROR(RollupWriter(snapshot_, options_, prefix_, batch_.get())
                      .Add(std::move(new_points_)));
  result_.changed = true;
  result_.deleted = loose_keys_.size();
  return FromRocksDb(db_->Write(PackingWriteOptions(), batch_.get()));
}

}  // namespace millstream::storage
