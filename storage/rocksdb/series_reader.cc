#include "storage/rocksdb/series_reader.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/status_macros.h"
#include "rocksdb/db.h"
#include "storage/rocksdb/metric_block.h"
#include "storage/rocksdb/metric_key.h"
#include "storage/rocksdb/packed_block.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace millstream::storage {

PointsSnapshot::PointsSnapshot(rocksdb::DB* db)
    : db_(db), snapshot_(db->GetSnapshot()) {}

PointsSnapshot::~PointsSnapshot() { db_->ReleaseSnapshot(snapshot_); }

std::unique_ptr<rocksdb::Iterator> PointsSnapshot::NewIterator() const {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot_;
  return std::unique_ptr<rocksdb::Iterator>(db_->NewIterator(options));
}

std::unique_ptr<rocksdb::Iterator> PointsSnapshot::NewUncachedIterator()
    const {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot_;
  options.fill_cache = false;
  return std::unique_ptr<rocksdb::Iterator>(db_->NewIterator(options));
}

absl::Status PointsSnapshot::Get(std::string_view key,
                                 rocksdb::PinnableSlice* value) const {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot_;
  const rocksdb::Status status =
      db_->Get(options, db_->DefaultColumnFamily(), ToSlice(key), value);
  if (status.IsNotFound()) {
    return absl::DataLossError("a record of points is gone");
  }
  return FromRocksDb(status);
}

struct SeriesReader::Source {
  // The next point: of a class, the first point of its next record.
  MetricPoint head;

  // Of a class; null for a block.
  std::unique_ptr<rocksdb::Iterator> records;
  std::string prefix;  // series and class
  bool single_points = false;

  // Of a block: its points, of which those before `next` are read.
  std::vector<MetricPoint> points;
  size_t next = 0;

  // Reads `head` from the record that `records` stands at. False: there is
  // none (any more) or it cannot be read; then *status says which.
  bool LoadRecord(absl::Status* status) {
    if (!records->Valid()) {
      *status = FromRocksDb(records->status());
      return false;
    }
    std::string_view key = View(records->key());
    if (!key.starts_with(prefix)) return false;
    RecordSuffix suffix;
    if (!ParseRecordSuffix(key.substr(prefix.size() - 1), &suffix)) {
      *status = absl::DataLossError("malformed key of a point");
      return false;
    }
    head = suffix.first;
    return true;
  }

  // Moves to the next point or record; false as LoadRecord.
  bool MoveOn(absl::Status* status) {
    if (records != nullptr) {
      records->Next();
      return LoadRecord(status);
    }
    if (++next == points.size()) return false;
    head = points[next];
    return true;
  }
};

SeriesReader::SeriesReader(const PointsSnapshot& snapshot, std::string prefix,
                           const MetricPoint* after)
    : snapshot_(snapshot), prefix_(std::move(prefix)) {
  if (after != nullptr) {
    has_last_ = true;
    last_ = *after;
  }
}

SeriesReader::~SeriesReader() = default;

namespace {

// Heap order: std's heaps keep the greatest on top, and we want the least.
struct Later {
  template <typename P>
  bool operator()(const P& a, const P& b) const {
    return HistoryLess(b->head, a->head);
  }
};

// The first point that a record of `record_class` may have and still hold
// points after `after`.
MetricPoint EarliestFirst(uint8_t record_class, const MetricPoint& after) {
  if (record_class == kSinglePointClass) return after;
  MetricPoint first;
  const uint64_t span = BlockClassSpanMax(record_class);
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  const uint64_t above_min = static_cast<uint64_t>(after.timestamp_ms) -
                             static_cast<uint64_t>(kMin);
  first.timestamp_ms =
      above_min < span ? kMin
                       : static_cast<int64_t>(
                             static_cast<uint64_t>(after.timestamp_ms) - span);
  first.step = kMin;
  first.value = -std::numeric_limits<double>::infinity();
  return first;
}

}  // namespace

void SeriesReader::SeekAfter(uint8_t record_class,
                             const std::string& class_prefix,
                             rocksdb::Iterator* records) const {
  std::string target = class_prefix;
  if (record_class == kPackedClass) {
    // They do not overlap: the last one that begins before has it.
    AppendPoint(last_, &target);
    records->SeekForPrev(target);
    if (records->Valid() && View(records->key()).starts_with(class_prefix)) {
      return;
    }
  } else {
    AppendPoint(EarliestFirst(record_class, last_), &target);
  }
  records->Seek(target);
}

absl::Status SeriesReader::Open() {
  opened_ = true;
  std::unique_ptr<rocksdb::Iterator> records = snapshot_.NewIterator();
  std::string target = prefix_;
  while (true) {
    if (records == nullptr) records = snapshot_.NewIterator();
    records->Seek(target);
    if (!records->Valid()) return FromRocksDb(records->status());
    std::string_view key = View(records->key());
    if (!key.starts_with(prefix_)) return absl::OkStatus();
    if (key.size() == prefix_.size()) {
      return absl::DataLossError("malformed key of a point");
    }
    const auto record_class = static_cast<uint8_t>(key[prefix_.size()]);
    // Behind the packed blocks is what says more about them.
    if (record_class > kPackedClass) return absl::OkStatus();

    auto source = std::make_unique<Source>();
    source->prefix = prefix_ + static_cast<char>(record_class);
    source->single_points = record_class == kSinglePointClass;
    if (has_last_) SeekAfter(record_class, source->prefix, records.get());
    source->records = std::move(records);
    absl::Status status;
    if (source->LoadRecord(&status)) {
      sources_.push_back(std::move(source));
      std::push_heap(sources_.begin(), sources_.end(), Later());
    } else {
      RETURN_IF_ERROR(status);
      records = std::move(source->records);
    }
    if (record_class == kPackedClass) return absl::OkStatus();
    target = prefix_ + static_cast<char>(record_class + 1);
  }
}

void SeriesReader::Emit(const MetricPoint& point,
                        std::vector<MetricPoint>* points) {
  if (has_last_ && !HistoryLess(last_, point)) return;
  has_last_ = true;
  last_ = point;
  points->push_back(point);
}

void SeriesReader::EmitRun(Source& source, const Source* next, size_t limit,
                           std::vector<MetricPoint>* points) {
  const auto begin = source.points.begin() + source.next;
  if (has_last_ && !HistoryLess(last_, *begin)) return;
  // The last of them is left to the caller, who moves on from it.
  auto end = source.points.end() - 1;
  if (next != nullptr && !HistoryLess(*end, next->head)) {
    end = std::lower_bound(begin, end, next->head, HistoryLess);
    if (end != begin) --end;
  }
  const size_t room = limit - points->size() - 1;
  if (static_cast<size_t>(end - begin) > room) end = begin + room;
  if (end == begin) return;
  points->insert(points->end(), begin, end);
  has_last_ = true;
  last_ = *(end - 1);
  source.next += end - begin;
  source.head = *end;
}

std::unique_ptr<SeriesReader::Source> SeriesReader::NewBlockSource() {
  if (spare_.empty()) return std::make_unique<Source>();
  std::unique_ptr<Source> source = std::move(spare_.back());
  spare_.pop_back();
  source->points.clear();
  source->next = 0;
  return source;
}

absl::Status SeriesReader::OpenBlock(Source* source) {
  const std::string_view block = View(source->records->value());
  std::unique_ptr<Source> opened = NewBlockSource();
  if (source->prefix.back() == static_cast<char>(kPackedClass)) {
    RETURN_IF_ERROR(DecodePackedBlock(block, source->head, &opened->points));
  } else {
    BlockHeader header;
    RETURN_IF_ERROR(ParseBlockHeader(block, source->head, &header));
    if (!has_last_ || HistoryLess(last_, header.last)) {
      RETURN_IF_ERROR(DecodeBlock(block, source->head, &opened->points));
    }
  }
  if (opened->points.empty() ||
      (has_last_ && !HistoryLess(last_, opened->points.back()))) {
    spare_.push_back(std::move(opened));
    return absl::OkStatus();
  }
  if (has_last_) {
    opened->next =
        std::upper_bound(opened->points.begin(), opened->points.end(), last_,
                         HistoryLess) -
        opened->points.begin();
  }
  opened->head = opened->points[opened->next];
  sources_.push_back(std::move(opened));
  std::push_heap(sources_.begin(), sources_.end(), Later());
  return absl::OkStatus();
}

absl::Status SeriesReader::Advance(size_t limit,
                                   std::vector<MetricPoint>* points) {
  std::pop_heap(sources_.begin(), sources_.end(), Later());
  std::unique_ptr<Source> source = std::move(sources_.back());
  sources_.pop_back();
  absl::Status status;
  bool more = true;
  if (source->records != nullptr && !source->single_points) {
    RETURN_IF_ERROR(OpenBlock(source.get()));
    more = source->MoveOn(&status);
  } else {
    // While no other source comes before.
    const Source* next = sources_.empty() ? nullptr : sources_.front().get();
    if (source->records == nullptr) EmitRun(*source, next, limit, points);
    do {
      Emit(source->head, points);
      more = source->MoveOn(&status);
    } while (more && points->size() < limit &&
             (next == nullptr || !HistoryLess(next->head, source->head)));
  }
  RETURN_IF_ERROR(status);
  if (more) {
    sources_.push_back(std::move(source));
    std::push_heap(sources_.begin(), sources_.end(), Later());
  } else if (source->records == nullptr) {
    spare_.push_back(std::move(source));
  }
  return absl::OkStatus();
}

absl::Status SeriesReader::Read(size_t limit,
                                std::vector<MetricPoint>* points) {
  if (!opened_) RETURN_IF_ERROR(Open());
  // Before points->size() + limit could overflow, memory ends.
  const size_t end =
      limit > points->max_size() ? points->max_size() : points->size() + limit;
  while (points->size() < end && !sources_.empty()) {
    RETURN_IF_ERROR(Advance(end, points));
  }
  return absl::OkStatus();
}

}  // namespace millstream::storage
