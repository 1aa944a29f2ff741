#include "storage/rocksdb/rocksdb_metric_store.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/options.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/checkpoint.h"
#include "rocksdb/utilities/table_properties_collectors.h"
#include "rocksdb/write_batch.h"
#include "storage/group_committer.h"
#include "storage/rocksdb/loose_records.h"
#include "storage/rocksdb/loose_runs.h"
#include "storage/rocksdb/mending_db.h"
#include "storage/rocksdb/metric_block.h"
#include "storage/rocksdb/metric_key.h"
#include "storage/rocksdb/packer.h"
#include "storage/rocksdb/points_digest.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "storage/rocksdb/series_reader.h"
#include "storage/rocksdb/step_sampler.h"
#include "storage/rocksdb/store_logger.h"

namespace millstream::storage {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

// Bounds of what the database takes.
constexpr size_t kBlockCacheBytes = 8 * kMiB;
constexpr size_t kWriteBufferBytes = 32 * kMiB;
constexpr int kWriteBuffersMax = 2;
constexpr int kOpenFilesMax = 256;
constexpr uint64_t kWalBytesMax = 64 * kMiB;
constexpr size_t kTableBlockBytes = 16 * 1024;
constexpr int kBackgroundJobsMax = 2;

// A table with so many deletions among so many records is compacted at once:
// what deleted single points leave, not what deleted blocks do.
constexpr size_t kDeletionWindow = 16'384;
constexpr size_t kDeletionsMax = 8192;

// The layout of everything. A version that adds what older ones must not touch
// counts it up. The keys reach the disk: do not change.
constexpr int kFormatVersion = 2;
// Without packed blocks and marks of runs that have loose records.
constexpr int kFormatOfLooseRecords = 1;
constexpr std::string_view kFormatKey("\x00\x01", 2);
constexpr std::string_view kMarkPrefix("\x00\x02", 2);
constexpr std::string_view kFramePrefix("\x00\x04", 2);

// The series of a key, nearly: points are appended to series, and RocksDB finds
// the place of a key faster when it is told which keys it follows. A wrong
// series costs time, nothing else.
class SeriesOfKey final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "millstream.series"; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
    const bool single =
        static_cast<uint8_t>(key[key.size() - kPointBytes - 1]) ==
        kSinglePointClass;
    return {key.data(),
            key.size() - kPointBytes - (single ? 0 : kHashBytes)};
  }
  bool InDomain(const rocksdb::Slice& key) const override {
    return key[0] != 0 && key.size() > kPointBytes + kHashBytes;
  }
};

rocksdb::DBOptions DatabaseOptions() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.max_open_files = kOpenFilesMax;
  options.max_background_jobs = kBackgroundJobsMax;
  options.max_total_wal_size = kWalBytesMax;
  // A log cut short by a power cut ends before it, the rest is dropped; nothing
  // that was synced can be behind it.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // Whoever waits for the disk sleeps instead of spinning.
  options.enable_write_thread_adaptive_yield = false;
  options.info_log = std::make_shared<StoreLogger>();
  options.max_manifest_file_size = 4 * kMiB;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

rocksdb::ColumnFamilyOptions FamilyOptions() {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache =
      rocksdb::NewLRUCache(kBlockCacheBytes, /*num_shard_bits=*/2);
  table.block_size = kTableBlockBytes;
  table.cache_index_and_filter_blocks = true;
  table.format_version = 5;
  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = kWriteBufferBytes;
  options.max_write_buffer_number = kWriteBuffersMax;
  options.memtable_insert_with_hint_prefix_extractor =
      std::make_shared<SeriesOfKey>();
  options.level_compaction_dynamic_level_bytes = true;
  // Loose records that were in a table before they were packed are read past by
  // all reads of their series until a compaction drops them.
  options.table_properties_collector_factories.push_back(
      rocksdb::NewCompactOnDeletionCollectorFactory(kDeletionWindow,
                                                    kDeletionsMax));
  // Packed blocks have little left to compress, and Zstandard takes ten times
  // as long to find that out; a flushed table is merged soon.
  options.compression_per_level = {rocksdb::kNoCompression,
                                   rocksdb::kLZ4Compression};
  return options;
}

uint64_t BigEndian(std::string_view bytes) {
  uint64_t number = 0;
  for (char c : bytes) number = number << 8 | static_cast<uint8_t>(c);
  return number;
}

// The key of a mark: the prefix, the run as in metric_key.h and the number,
// big-endian.
std::string MarkKey(std::string_view run_id, uint64_t number) {
  std::string key(kMarkPrefix);
  AppendRunPrefix(run_id, &key);
  AppendHash(number, &key);
  return key;
}

bool ParseMarkKey(std::string_view key, RunMark* mark) {
  key.remove_prefix(kMarkPrefix.size());
  if (!ConsumeRunPrefix(&key, &mark->run_id) ||
      key.size() != sizeof(uint64_t)) {
    return false;
  }
  mark->number = BigEndian(key);
  return true;
}

// The key of a writer's last frame: the prefix, the run as in metric_key.h, and
// the writer's id.
std::string FrameKey(std::string_view run_id, std::string_view writer_id) {
  std::string key(kFramePrefix);
  AppendRunPrefix(run_id, &key);
  key += writer_id;
  return key;
}

class Store final : public RocksDbMetricStore {
 public:
  Store(std::unique_ptr<MendingDb> db, const PackingOptions& packing)
      : db_(std::move(db)), packing_(packing) {}

  // The next start need not read a log.
  ~Store() override {
    packer_.Stop();
    absl::Status status = FromRocksDb(db_->Durable());
    if (status.ok()) status = Flush();
    status.Update(FromRocksDb(db_->Close()));
    if (status.ok()) return;
    LogWarning("The metric store was not closed cleanly; the next start reads "
               "what was acknowledged from its log: ", status.ToString());
  }

  // Checks the format, and begins to pack. Called once.
  absl::Status Start(bool pack_in_background) {
    RETURN_IF_ERROR(CheckFormat());
    RETURN_IF_ERROR(packer_.Recover());
    if (pack_in_background) packer_.Start();
    return absl::OkStatus();
  }

  absl::Status PackDue() override { return packer_.PackDue(); }
  absl::Status PackAll() override { return packer_.PackAll(); }

  absl::Status Flush() override {
    return FromRocksDb(db_->Flush(rocksdb::FlushOptions()));
  }
  absl::Status Checkpoint(const std::string& folder) override {
    // A log that has failed is shorter than RocksDB takes it for.
    RETURN_IF_ERROR(FromRocksDb(db_->Durable()));
    rocksdb::Checkpoint* made = nullptr;
    RETURN_IF_ERROR(FromRocksDb(rocksdb::Checkpoint::Create(db_.get(), &made)));
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
    // Of what packing wrote and no table has yet, the copy has as much as after
    // a crash: the loose records, which are in the log.
    return FromRocksDb(checkpoint->CreateCheckpoint(
        folder, /*log_size_for_flush=*/std::numeric_limits<uint64_t>::max()));
  }

  absl::Status Append(std::string_view run_id,
                      absl::Span<const SeriesAppend> series,
                      const AppendOptions& options) override {
    if (run_id.size() > kKeyRunIdBytesMax) {
      return absl::InternalError("run id too long");
    }
    const bool empty = std::all_of(
        series.begin(), series.end(),
        [](const SeriesAppend& s) { return s.points.empty(); });
    if (empty && options.mark == 0 && options.frame.number == 0) {
      return absl::OkStatus();
    }
    const uint64_t loose_mark = loose_runs_.Begin(run_id);
    std::vector<LooseAppend> appended;
    const absl::Status status =
        Write(run_id, series, options, loose_mark, &appended);
    loose_runs_.End(run_id, loose_mark, status.ok(), appended, absl::Now());
    return status;
  }

  absl::Status ReadHistoryFor(const Liveness&, std::string_view run_id,
                              std::string_view key, const MetricPoint* after,
                              size_t limit,
                              std::vector<MetricPoint>* points) override {
    if (run_id.size() > kKeyRunIdBytesMax) return absl::OkStatus();
    PointsSnapshot snapshot(db_.get());
    std::string prefix;
    AppendSeriesPrefix(run_id, key, &prefix);
    return SeriesReader(snapshot, std::move(prefix), after)
        .Read(limit, points);
  }

  absl::Status SampleFor(const Liveness&, std::string_view run_id,
                         std::string_view key, const StepRange& range,
                         size_t max_points,
                         std::vector<MetricPoint>* points) override {
    if (run_id.size() > kKeyRunIdBytesMax) return absl::OkStatus();
    // In this order: a snapshot from before might have what is packed by then.
    const std::optional<LooseExtent> loose = loose_runs_.ExtentOf(run_id, key);
    PointsSnapshot snapshot(db_.get());
    std::string prefix;
    AppendSeriesPrefix(run_id, key, &prefix);
    return SampleSeries(snapshot, packing_, prefix,
                        loose.has_value() ? &*loose : nullptr, range,
                        max_points, points);
  }

  absl::Status ReadLatest(
      std::string_view run_id,
      absl::FunctionRef<void(std::string_view, const MetricPoint&)> visit)
      override;

  absl::Status Sync() override { return FromRocksDb(db_->SyncWAL()); }

  void AppendReadings(Readings* readings) const override {
    struct Property {
      const char* property;
      std::string_view name;
      std::string_view help;
    };
    static constexpr Property kProperties[] = {
        {"rocksdb.live-sst-files-size", "millstream_rocksdb_file_bytes",
         "Size of the files that hold points."},
        {"rocksdb.cur-size-all-mem-tables", "millstream_rocksdb_memtable_bytes",
         "Points in memory that are in the log and in no file yet."},
        {"rocksdb.block-cache-usage", "millstream_rocksdb_block_cache_bytes",
         "Blocks of files that are kept in memory."},
        {"rocksdb.estimate-table-readers-mem",
         "millstream_rocksdb_table_readers_bytes",
         "Indexes of files that are kept in memory."},
        {"rocksdb.estimate-pending-compaction-bytes",
         "millstream_rocksdb_compaction_pending_bytes",
         "Bytes that are to be written again to keep reads fast."},
        {"rocksdb.num-running-compactions",
         "millstream_rocksdb_compactions_running",
         "Compactions that run."},
        {"rocksdb.actual-delayed-write-rate",
         "millstream_rocksdb_delayed_write_bytes_per_second",
         "What writes are slowed down to; 0: they are not."},
    };
    for (const Property& row : kProperties) {
      uint64_t value = 0;
      if (!db_->GetIntProperty(row.property, &value)) continue;
      readings->push_back({.name = row.name,
                           .help = row.help,
                           .value = static_cast<double>(value)});
    }
  }

  absl::StatusOr<uint64_t> ReadLastFrame(std::string_view run_id,
                                         std::string_view writer_id) override {
    if (run_id.size() > kKeyRunIdBytesMax) return 0;
    std::string value;
    rocksdb::Status status =
        db_->Get(rocksdb::ReadOptions(), FrameKey(run_id, writer_id), &value);
    // Who is told a number sends nothing up to it again.
    RETURN_IF_ERROR(FromRocksDb(db_->Durable()));
    if (status.IsNotFound()) return 0;
    RETURN_IF_ERROR(FromRocksDb(status));
    if (value.size() != sizeof(uint64_t)) {
      return absl::DataLossError("malformed number of a frame");
    }
    return BigEndian(value);
  }

  absl::StatusOr<std::vector<RunMark>> ListMarks() override {
    std::vector<RunMark> marks;
    std::unique_ptr<rocksdb::Iterator> it(
        db_->NewIterator(rocksdb::ReadOptions()));
    for (it->Seek(ToSlice(kMarkPrefix));
         it->Valid() && View(it->key()).starts_with(kMarkPrefix); it->Next()) {
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
      RETURN_IF_ERROR(
          FromRocksDb(batch.Delete(MarkKey(mark.run_id, mark.number))));
    }
    if (batch.Count() == 0) return absl::OkStatus();
    return FromRocksDb(db_->Write(rocksdb::WriteOptions(), &batch));
  }

 private:
  using Committer = GroupCommitter<rocksdb::WriteBatch>;

  // Writes the version into a new store, compares that of an old one.
  absl::Status CheckFormat();
  absl::Status Write(std::string_view run_id,
                     absl::Span<const SeriesAppend> series,
                     const AppendOptions& options, uint64_t loose_mark,
                     std::vector<LooseAppend>* appended);

  // Writes the batches of all items as one, synced. RocksDB would group
  // concurrent writers too, but lets each of them spin before it sleeps.
  absl::Status CommitGroup(absl::Span<Committer::Item* const> group);

  // Constant after construction; RocksDB synchronises itself.
  const std::unique_ptr<MendingDb> db_;
  const PackingOptions packing_;
  LooseRuns loose_runs_{packing_};
  Packer packer_{db_.get(), packing_, &loose_runs_};

  Committer committer_{[this](absl::Span<Committer::Item* const> group) {
    return CommitGroup(group);
  }};
};

absl::Status Store::CheckFormat() {
  std::string found;
  rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), ToSlice(kFormatKey), &found);
  if (!status.IsNotFound()) RETURN_IF_ERROR(FromRocksDb(status));
  if (found == std::to_string(kFormatVersion)) return absl::OkStatus();
  if (!status.IsNotFound() && found != std::to_string(kFormatOfLooseRecords)) {
    return absl::FailedPreconditionError(
        "the metric store has format " + found + ", this version reads up to " +
        std::to_string(kFormatVersion) +
        ": start the millstream that wrote it, or a newer one");
  }
  rocksdb::WriteBatch batch;
  if (!status.IsNotFound()) RequestFullPacking(&batch);
  batch.Put(ToSlice(kFormatKey), std::to_string(kFormatVersion));
  rocksdb::WriteOptions options;
  options.sync = true;
  return FromRocksDb(db_->Write(options, &batch));
}

absl::Status Store::Write(std::string_view run_id,
                          absl::Span<const SeriesAppend> series,
                          const AppendOptions& options, uint64_t loose_mark,
                          std::vector<LooseAppend>* appended) {
  rocksdb::WriteBatch batch;
  LooseRecordWriter writer(&batch);
  std::string prefix;
  AppendRunPrefix(run_id, &prefix);
  const size_t run_bytes = prefix.size();
  for (const SeriesAppend& s : series) {
    prefix.resize(run_bytes);
    AppendMetricKey(s.key, &prefix);
    appended->push_back({s.key, writer.Write(prefix, s.points)});
  }
  if (options.mark != 0) {
    batch.Put(MarkKey(run_id, options.mark), rocksdb::Slice());
  }
  if (options.frame.number != 0) {
    std::string number;
    AppendHash(options.frame.number, &number);
    batch.Put(FrameKey(run_id, options.frame.writer_id), number);
  }
  if (loose_mark != 0) {
    batch.Put(LooseMarkKey(run_id, loose_mark), rocksdb::Slice());
  }
  if (options.durability == Durability::kMachine) {
    return committer_.Commit(batch);
  }
  return FromRocksDb(db_->Write(rocksdb::WriteOptions(), &batch));
}

// Adds the records of a batch to another one.
class BatchAppender final : public rocksdb::WriteBatch::Handler {
 public:
  explicit BatchAppender(rocksdb::WriteBatch* batch) : batch_(batch) {}

  rocksdb::Status PutCF(uint32_t, const rocksdb::Slice& key,
                        const rocksdb::Slice& value) override {
    return batch_->Put(key, value);
  }

 private:
  rocksdb::WriteBatch* const batch_;
};

absl::Status Store::CommitGroup(
    absl::Span<Committer::Item* const> group) {
  rocksdb::WriteOptions options;
  options.sync = true;
  rocksdb::WriteBatch merged;
  rocksdb::WriteBatch* batch = group[0]->work;
  rocksdb::Status status;
  if (group.size() > 1) {
    batch = &merged;
    BatchAppender appender(&merged);
    for (Committer::Item* item : group) {
      status = item->work->Iterate(&appender);
      if (!status.ok()) break;
    }
  }
  if (status.ok()) status = db_->Write(options, batch);
  absl::Status result = FromRocksDb(status);
  for (Committer::Item* item : group) item->status = result;
  // MendingDb refuses writes after one that left doubt.
  return absl::OkStatus();
}

// Moves *latest forward, to the last point in step order of a loose record or
// of a block with this summary.
absl::Status RaiseLatest(const RecordSuffix& suffix, std::string_view value,
                         MetricPoint* latest) {
  auto raise = [latest](const MetricPoint& point) {
    if (StepLess(*latest, point)) *latest = point;
  };
  raise(suffix.first);
  if (suffix.record_class == kSinglePointClass) return absl::OkStatus();
  if (suffix.record_class == kSummaryClass) {
    BlockSummary summary;
    if (!ParseSummary(value, suffix.first, &summary)) {
      return absl::DataLossError("malformed summary of a packed block");
    }
    raise(summary.digest.last);
    return absl::OkStatus();
  }
  BlockHeader header;
  RETURN_IF_ERROR(ParseBlockHeader(value, suffix.first, &header));
  if (header.step_max < latest->step) return absl::OkStatus();
  if (header.step_ordered) {
    raise(header.last);
    return absl::OkStatus();
  }
  std::vector<MetricPoint> points;
  RETURN_IF_ERROR(DecodeBlock(value, suffix.first, &points));
  for (const MetricPoint& point : points) raise(point);
  return absl::OkStatus();
}

absl::Status Store::ReadLatest(
    std::string_view run_id,
    absl::FunctionRef<void(std::string_view, const MetricPoint&)> visit) {
  if (run_id.size() > kKeyRunIdBytesMax) return absl::OkStatus();
  PointsSnapshot snapshot(db_.get());
  std::string prefix;
  AppendRunPrefix(run_id, &prefix);
  std::unique_ptr<rocksdb::Iterator> it = snapshot.NewIterator();
  bool has_series = false;
  std::string series;
  MetricPoint latest;
  std::string metric_key;
  for (it->Seek(prefix); it->Valid();) {
    std::string_view rest = View(it->key());
    if (!rest.starts_with(prefix)) break;
    rest.remove_prefix(prefix.size());
    if (!ConsumeMetricKey(&rest, &metric_key) || rest.empty()) {
      return absl::DataLossError("malformed key of a point");
    }
    const auto record_class = static_cast<uint8_t>(rest.front());
    if (record_class == kPackedClass || record_class > kSummaryClass) {
      // Summaries say enough; behind them comes the next series.
      std::string target(
          View(it->key()).substr(0, it->key().size() - rest.size()));
      target.push_back(record_class == kPackedClass
                           ? static_cast<char>(kSummaryClass)
                           : kSeriesEnd);
      it->Seek(target);
      continue;
    }
    RecordSuffix suffix;
    if (!ParseRecordSuffix(rest, &suffix)) {
      return absl::DataLossError("malformed key of a point");
    }
    if (!has_series || metric_key != series) {
      if (has_series) visit(series, latest);
      has_series = true;
      series = metric_key;
      latest = suffix.first;
    }
    RETURN_IF_ERROR(RaiseLatest(suffix, View(it->value()), &latest));
    it->Next();
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

absl::StatusOr<std::unique_ptr<RocksDbMetricStore>> OpenRocksDbMetricStore(
    const std::string& folder, const RocksDbOptions& options) {
  rocksdb::Options db_options(DatabaseOptions(), FamilyOptions());
  if (options.env != nullptr) db_options.env = options.env;
  std::unique_ptr<MendingDb> db;
  rocksdb::Status status = MendingDb::Open(db_options, folder, &db);
  if (!status.ok()) return OpenError(status);
  auto store = std::make_unique<Store>(std::move(db), options.packing);
  RETURN_IF_ERROR(store->Start(options.pack_in_background));
  return store;
}

}  // namespace millstream::storage
