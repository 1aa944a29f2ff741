#include "storage/rocksdb/metric_check.h"

#include <cstdarg>
#include <optional>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "base/str_cat.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/metadata.h"
#include "rocksdb/options.h"
#include "rocksdb/sst_file_reader.h"
#include "storage/rocksdb/metric_key.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "storage/rocksdb/series_check.h"

namespace millstream::storage {
namespace {

// As rocksdb_metric_store.cc and packer.cc have them.
constexpr std::string_view kFormatKey("\x00\x01", 2);
constexpr std::string_view kMarkPrefix("\x00\x02", 2);
constexpr int kFormatMax = 2;
constexpr uint8_t kNoteKindMin = 1;
constexpr uint8_t kNoteKindMax = 5;

// Records between two looks at whether the caller still waits.
constexpr uint64_t kLivenessRecords = 1024;

// RocksDB would write its log into the store's folder.
class NoLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::Options OptionsWith(rocksdb::WALRecoveryMode mode) {
  rocksdb::Options options;
  options.info_log = std::make_shared<NoLog>();
  options.wal_recovery_mode = mode;
  // Nothing has to be ready before it is read.
  options.max_open_files = 64;
  return options;
}

absl::StatusOr<std::unique_ptr<rocksdb::DB>> OpenReadOnly(
    const std::string& folder, rocksdb::WALRecoveryMode mode) {
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::OpenForReadOnly(OptionsWith(mode), folder, &db);
  if (status.ok()) return std::unique_ptr<rocksdb::DB>(db);
  if (status.IsInvalidArgument()) {
    return absl::FailedPreconditionError(status.ToString());
  }
  // A table that is missing or cannot be opened is damage as well.
  if (status.IsPathNotFound() || status.IsIOError()) {
    return absl::DataLossError(status.ToString());
  }
  return FromRocksDb(status);
}

class Check final : public MetricStoreCheck {
 public:
  Check(std::string folder, std::unique_ptr<rocksdb::DB> db)
      : folder_(std::move(folder)), db_(std::move(db)) {
    db_->GetLiveFilesMetaData(&tables_);
  }

  absl::Status CheckFormat();

  absl::Status CheckLog() override {
    // An end that a crash cut off is no damage; a bad record before others is.
    return OpenReadOnly(
               folder_,
               rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords)
        .status();
  }

  uint64_t TableBytes() const override {
    uint64_t bytes = 0;
    for (const auto& table : tables_) bytes += table.size;
    return bytes;
  }

  absl::Status CheckTables(const Liveness& caller, Listener* listener) override;
  absl::Status CheckRecords(const Liveness& caller,
                            Listener* listener) override;

 private:
  // A record that belongs to no series.
  void CheckNote(std::string_view key, Listener* listener) const;
  // The value of the series' record kSeriesInfoClass.
  std::optional<std::string> InfoOf(const std::string& prefix) const;

  const std::string folder_;
  const std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::LiveFileMetaData> tables_;
};

absl::Status Check::CheckFormat() {
  std::string found;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), ToSlice(kFormatKey), &found);
  if (status.IsNotFound()) {
    return absl::DataLossError("the record that tells the format is missing");
  }
  // CheckTables says which table is damaged.
  if (!status.ok()) return absl::OkStatus();
  for (int format = 1; format <= kFormatMax; ++format) {
    if (found == std::to_string(format)) return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      StrCat("it has format ", found, ", and this version reads up to ",
             kFormatMax, ": use the millstream that wrote it, or a newer one"));
}

absl::Status Check::CheckTables(const Liveness& caller, Listener* listener) {
  for (const rocksdb::LiveFileMetaData& table : tables_) {
    RETURN_IF_ERROR(caller.Alive());
    rocksdb::SstFileReader reader(
        OptionsWith(rocksdb::WALRecoveryMode::kPointInTimeRecovery));
    rocksdb::Status status = reader.Open(table.db_path + table.name);
    if (status.ok()) status = reader.VerifyChecksum();
    if (!status.ok()) {
      listener->OnFault(StrCat("The table metrics", table.name,
                               " is damaged: ", status.ToString(), "."));
    }
    listener->OnBytes(table.size);
  }
  return absl::OkStatus();
}

void Check::CheckNote(std::string_view key, Listener* listener) const {
  const uint8_t kind = key.size() < 2 ? 0 : static_cast<uint8_t>(key[1]);
  if (kind < kNoteKindMin || kind > kNoteKindMax) {
    listener->OnFault(
        "The metric store has a record of a kind that this version does not "
        "know.");
    return;
  }
  if (!key.starts_with(kMarkPrefix)) return;
  key.remove_prefix(kMarkPrefix.size());
  std::string run_id;
  if (ConsumeRunPrefix(&key, &run_id)) {
    listener->OnMark(run_id);
  } else {
    listener->OnFault("The metric store has a mark that cannot be read.");
  }
}

std::optional<std::string> Check::InfoOf(const std::string& prefix) const {
  std::string value;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(),
               prefix + static_cast<char>(kSeriesInfoClass), &value);
  if (!status.ok()) return std::nullopt;
  return value;
}

absl::Status Check::CheckRecords(const Liveness& caller, Listener* listener) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
  std::optional<SeriesCheck> series;
  std::string prefix, run_id, metric_key;
  uint64_t records = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (records++ % kLivenessRecords == 0) RETURN_IF_ERROR(caller.Alive());
    const std::string_view key = View(it->key());
    if (key.empty() || key.front() == 0) {
      CheckNote(key, listener);
      continue;
    }
    if (!series.has_value() || !key.starts_with(prefix) ||
        key.size() == prefix.size()) {
      if (series.has_value()) series->Finish();
      series.reset();
      std::string_view rest = key;
      if (!ConsumeRunPrefix(&rest, &run_id) ||
          !ConsumeMetricKey(&rest, &metric_key) || rest.empty()) {
        listener->OnFault("The metric store has a key that cannot be read.");
        continue;
      }
      prefix = key.substr(0, key.size() - rest.size());
      const std::optional<std::string> info = InfoOf(prefix);
      series.emplace(run_id, metric_key, info, listener);
    }
    series->Add(key.substr(prefix.size()), View(it->value()));
  }
  if (!it->status().ok()) {
    return absl::DataLossError(it->status().ToString());
  }
  if (series.has_value()) series->Finish();
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricStoreCheck>> MetricStoreCheck::Open(
    const std::string& folder) {
  ASSIGN_OR_RETURN(
      std::unique_ptr<rocksdb::DB> db,
      OpenReadOnly(folder, rocksdb::WALRecoveryMode::kPointInTimeRecovery));
  auto check = std::make_unique<Check>(folder, std::move(db));
  RETURN_IF_ERROR(check->CheckFormat());
  return check;
}

}  // namespace millstream::storage
