#include "storage/rocksdb/rocksdb_metric_store.h"

#include <xxhash.h>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/options.h"
#include "rocksdb/table.h"
#include "rocksdb/write_batch.h"
#include "storage/rocksdb/metric_block.h"
#include "storage/rocksdb/metric_key.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "storage/rocksdb/series_reader.h"
#include "storage/rocksdb/step_sampler.h"

namespace millstream::storage {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

// Bounds of what the database takes. Together with the write buffers of two
// small column families they are its memory.
constexpr size_t kBlockCacheBytes = 8 * kMiB;
constexpr size_t kWriteBufferBytes = 16 * kMiB;
constexpr int kWriteBuffersMax = 2;
constexpr size_t kSmallWriteBufferBytes = kMiB;
constexpr int kOpenFilesMax = 256;
constexpr uint64_t kWalBytesMax = 64 * kMiB;
constexpr size_t kTableBlockBytes = 16 * 1024;
constexpr int kBackgroundJobsMax = 2;

// In "default": the layout of everything else. A version that adds what older
// ones must not touch counts it up.
constexpr char kFormatKey[] = "format";
constexpr int kFormatVersion = 1;

constexpr char kPointsName[] = "points";
constexpr char kMarksName[] = "marks";

rocksdb::DBOptions DatabaseOptions() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.max_open_files = kOpenFilesMax;
  options.max_background_jobs = kBackgroundJobsMax;
  options.max_total_wal_size = kWalBytesMax;
  // A log cut short by a power cut ends before it, the rest is dropped; nothing
  // that was synced can be behind it.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // Whoever waits for the disk sleeps instead of spinning.
  options.enable_write_thread_adaptive_yield = false;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.max_log_file_size = kMiB;
  options.keep_log_file_num = 2;
  options.max_manifest_file_size = 4 * kMiB;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

rocksdb::ColumnFamilyOptions FamilyOptions(
    const std::shared_ptr<rocksdb::Cache>& cache, size_t write_buffer_bytes) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = kTableBlockBytes;
  table.cache_index_and_filter_blocks = true;
  table.format_version = 5;
  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = write_buffer_bytes;
  options.max_write_buffer_number = kWriteBuffersMax;
  options.level_compaction_dynamic_level_bytes = true;
  options.compression = rocksdb::kLZ4Compression;
  options.bottommost_compression = rocksdb::kZSTD;
  return options;
}

// The key of a mark: the run as in metric_key.h and the number, big-endian.
std::string MarkKey(std::string_view run_id, uint64_t number) {
  std::string key;
  AppendRunPrefix(run_id, &key);
  AppendHash(number, &key);
  return key;
}

bool ParseMarkKey(std::string_view key, RunMark* mark) {
  if (!ConsumeRunPrefix(&key, &mark->run_id) || key.size() != sizeof(uint64_t)) {
    return false;
  }
  mark->number = 0;
  for (char c : key) mark->number = mark->number << 8 | static_cast<uint8_t>(c);
  return true;
}

// Puts the points of appends into a batch as records.
class RecordWriter {
 public:
  RecordWriter(std::string_view run_id, rocksdb::ColumnFamilyHandle* points,
               rocksdb::WriteBatch* batch)
      : points_(points), batch_(batch) {
    AppendRunPrefix(run_id, &key_);
    run_bytes_ = key_.size();
  }

  absl::Status Write(const SeriesAppend& series) {
    if (series.points.empty()) return absl::OkStatus();
    key_.resize(run_bytes_);
    AppendMetricKey(series.key, &key_);
    series_bytes_ = key_.size();
    if (series.points.size() == 1) return WritePoint(series.points[0]);
    absl::Span<const MetricPoint> points = Ascending(series.points);
    while (!points.empty()) {
      RETURN_IF_ERROR(WriteBlock(points.subspan(0, kBlockPointsWritten)));
      points.remove_prefix(std::min(points.size(), kBlockPointsWritten));
    }
    return absl::OkStatus();
  }

 private:
  // `points` if they ascend, no two the same; else such a copy.
  absl::Span<const MetricPoint> Ascending(
      absl::Span<const MetricPoint> points) {
    if (std::adjacent_find(points.begin(), points.end(),
                           [](const MetricPoint& a, const MetricPoint& b) {
                             return !HistoryLess(a, b);
                           }) == points.end()) {
      return points;
    }
    sorted_.assign(points.begin(), points.end());
    std::sort(sorted_.begin(), sorted_.end(), HistoryLess);
    sorted_.erase(std::unique(sorted_.begin(), sorted_.end(), SamePoint),
                  sorted_.end());
    return sorted_;
  }

  absl::Status WritePoint(const MetricPoint& point) {
    BeginKey(kSinglePointClass, point);
    return FromRocksDb(batch_->Put(points_, key_, rocksdb::Slice()));
  }

  absl::Status WriteBlock(absl::Span<const MetricPoint> points) {
    if (points.size() == 1) return WritePoint(points[0]);
    BeginKey(BlockClass(points.front(), points.back()), points.front());
    block_.clear();
    EncodeBlock(points, &block_);
    AppendHash(XXH3_64bits(block_.data(), block_.size()), &key_);
    return FromRocksDb(batch_->Put(points_, key_, block_));
  }

  void BeginKey(uint8_t record_class, const MetricPoint& first) {
    key_.resize(series_bytes_);
    key_.push_back(static_cast<char>(record_class));
    AppendPoint(first, &key_);
  }

  rocksdb::ColumnFamilyHandle* const points_;
  rocksdb::WriteBatch* const batch_;
  std::string key_;
  size_t run_bytes_ = 0;
  size_t series_bytes_ = 0;
  std::string block_;
  std::vector<MetricPoint> sorted_;
};

class RocksDbMetricStore : public MetricStore {
 public:
  RocksDbMetricStore(std::unique_ptr<rocksdb::DB> db,
                     std::vector<rocksdb::ColumnFamilyHandle*> families)
      : families_(std::move(families)),
        points_(families_[1]),
        marks_(families_[2]),
        db_(std::move(db)) {}

  ~RocksDbMetricStore() override {
    for (rocksdb::ColumnFamilyHandle* family : families_) {
      db_->DestroyColumnFamilyHandle(family);
    }
    db_->Close();
  }

  // Writes the version into a new store, compares that of an old one.
  absl::Status CheckFormat() {
    std::string found;
    rocksdb::Status status =
        db_->Get(rocksdb::ReadOptions(), kFormatKey, &found);
    if (status.IsNotFound()) {
      rocksdb::WriteOptions options;
      options.sync = true;
      return FromRocksDb(
          db_->Put(options, kFormatKey, std::to_string(kFormatVersion)));
    }
    RETURN_IF_ERROR(FromRocksDb(status));
    if (found == std::to_string(kFormatVersion)) return absl::OkStatus();
    return absl::FailedPreconditionError(
        "the metric store has format " + found + ", this version reads up to " +
        std::to_string(kFormatVersion) +
        ": start the millstream that wrote it, or a newer one");
  }

  absl::Status Append(std::string_view run_id,
                      absl::Span<const SeriesAppend> series,
                      const AppendOptions& options) override {
    if (run_id.size() > kKeyRunIdBytesMax) {
      return absl::InternalError("run id too long");
    }
    rocksdb::WriteBatch batch;
    RecordWriter writer(run_id, points_, &batch);
    for (const SeriesAppend& s : series) RETURN_IF_ERROR(writer.Write(s));
    if (options.mark != 0) {
      RETURN_IF_ERROR(FromRocksDb(batch.Put(
          marks_, MarkKey(run_id, options.mark), rocksdb::Slice())));
    }
    if (batch.Count() == 0) return absl::OkStatus();
    rocksdb::WriteOptions write;
    write.sync = options.durability == Durability::kMachine;
    return FromRocksDb(db_->Write(write, &batch));
  }

  absl::Status ReadHistory(std::string_view run_id, std::string_view key,
                           const MetricPoint* after, size_t limit,
                           std::vector<MetricPoint>* points) override {
    if (run_id.size() > kKeyRunIdBytesMax) return absl::OkStatus();
    PointsSnapshot snapshot(db_.get(), points_);
    std::string prefix;
    AppendSeriesPrefix(run_id, key, &prefix);
    return SeriesReader(snapshot, std::move(prefix), after)
        .Read(limit, points);
  }

  absl::Status Sample(std::string_view run_id, std::string_view key,
                      const StepRange& range, size_t max_points,
                      std::vector<MetricPoint>* points) override {
    if (run_id.size() > kKeyRunIdBytesMax) return absl::OkStatus();
    PointsSnapshot snapshot(db_.get(), points_);
    std::string prefix;
    AppendSeriesPrefix(run_id, key, &prefix);
    return SampleSeries(snapshot, prefix, range, max_points, points);
  }

  absl::Status ReadLatest(
      std::string_view run_id,
      absl::FunctionRef<void(std::string_view, const MetricPoint&)> visit)
      override;

  absl::Status Sync() override { return FromRocksDb(db_->SyncWAL()); }

  absl::StatusOr<std::vector<RunMark>> ListMarks() override {
    std::vector<RunMark> marks;
    std::unique_ptr<rocksdb::Iterator> it(
        db_->NewIterator(rocksdb::ReadOptions(), marks_));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      if (!ParseMarkKey(View(it->key()), &marks.emplace_back())) {
        return absl::DataLossError("malformed key of a mark");
      }
    }
    RETURN_IF_ERROR(FromRocksDb(it->status()));
    return marks;
  }

  absl::Status RemoveMarks(absl::Span<const RunMark> marks) override {
    rocksdb::WriteBatch batch;
    for (const RunMark& mark : marks) {
      RETURN_IF_ERROR(FromRocksDb(
          batch.Delete(marks_, MarkKey(mark.run_id, mark.number))));
    }
    if (batch.Count() == 0) return absl::OkStatus();
    return FromRocksDb(db_->Write(rocksdb::WriteOptions(), &batch));
  }

 private:
  // Constant after construction; RocksDB synchronises itself.
  const std::vector<rocksdb::ColumnFamilyHandle*> families_;
  rocksdb::ColumnFamilyHandle* const points_;
  rocksdb::ColumnFamilyHandle* const marks_;
  const std::unique_ptr<rocksdb::DB> db_;
};

absl::Status RocksDbMetricStore::ReadLatest(
    std::string_view run_id,
    absl::FunctionRef<void(std::string_view, const MetricPoint&)> visit) {
  if (run_id.size() > kKeyRunIdBytesMax) return absl::OkStatus();
  PointsSnapshot snapshot(db_.get(), points_);
  std::string prefix;
  AppendRunPrefix(run_id, &prefix);
  std::unique_ptr<rocksdb::Iterator> it = snapshot.NewIterator();
  bool has_series = false;
  std::string series;
  MetricPoint latest;
  std::string metric_key;
  std::vector<MetricPoint> block;
  for (it->Seek(prefix); it->Valid(); it->Next()) {
    std::string_view rest = View(it->key());
    if (!rest.starts_with(prefix)) break;
    rest.remove_prefix(prefix.size());
    RecordSuffix suffix;
    if (!ConsumeMetricKey(&rest, &metric_key) ||
        !ParseRecordSuffix(rest, &suffix)) {
      return absl::DataLossError("malformed key of a point");
    }
    if (!has_series || metric_key != series) {
      if (has_series) visit(series, latest);
      has_series = true;
      series = metric_key;
      latest = suffix.first;
    }
    if (StepLess(latest, suffix.first)) latest = suffix.first;
    if (suffix.record_class == kSinglePointClass) continue;
    BlockHeader header;
    RETURN_IF_ERROR(ParseBlockHeader(View(it->value()), suffix.first, &header));
    if (header.step_max < latest.step) continue;
    block.clear();
    if (header.step_ordered) {
      block.push_back(header.last);
    } else {
      RETURN_IF_ERROR(DecodeBlock(View(it->value()), suffix.first, &block));
    }
    for (const MetricPoint& point : block) {
      if (StepLess(latest, point)) latest = point;
    }
  }
  RETURN_IF_ERROR(FromRocksDb(it->status()));
  if (has_series) visit(series, latest);
  return absl::OkStatus();
}

// Its text names files; the caller prints it at start-up, where that helps.
absl::Status OpenError(const rocksdb::Status& status) {
  const std::string text = status.ToString();
  if (status.IsIOError() && text.find("lock") != std::string::npos) {
    return absl::UnavailableError(text);
  }
  if (status.IsInvalidArgument()) {  // column families of a later format
    return absl::FailedPreconditionError(
        text + ": start the millstream that wrote it, or a newer one");
  }
  return FromRocksDb(status);
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricStore>> OpenRocksDbMetricStore(
    const std::string& folder) {
  std::shared_ptr<rocksdb::Cache> cache =
      rocksdb::NewLRUCache(kBlockCacheBytes, /*num_shard_bits=*/2);
  const std::vector<rocksdb::ColumnFamilyDescriptor> descriptors = {
      {rocksdb::kDefaultColumnFamilyName,
       FamilyOptions(cache, kSmallWriteBufferBytes)},
      {kPointsName, FamilyOptions(cache, kWriteBufferBytes)},
      {kMarksName, FamilyOptions(cache, kSmallWriteBufferBytes)},
  };
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  rocksdb::Status status = rocksdb::DB::Open(DatabaseOptions(), folder,
                                             descriptors, &families, &db);
  if (!status.ok()) return OpenError(status);
  auto store = std::make_unique<RocksDbMetricStore>(
      std::unique_ptr<rocksdb::DB>(db), std::move(families));
  RETURN_IF_ERROR(store->CheckFormat());
  return store;
}

}  // namespace millstream::storage
