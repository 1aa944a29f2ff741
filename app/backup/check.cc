#include "app/backup/check.h"

#include <stdio.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "app/backup/data_files.h"
#include "app/backup/fault_list.h"
#include "app/backup/files.h"
#include "app/backup/manifest_check.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/artifact_path.h"
#include "storage/data_directory.h"
#include "storage/metric_point.h"
#include "storage/rocksdb/metric_check.h"
#include "storage/sql/metric_outbox.h"
#include "storage/sqlite/log_check.h"
#include "storage/sqlite/migrator.h"
#include "storage/sqlite/sqlite_connection.h"

namespace millstream::app {
namespace {

using storage::MetricPoint;
using storage::sqlite::SqliteConnection;

// The last point of each series of a run.
using Latest = std::map<std::string, MetricPoint>;

constexpr char kArtifactScheme[] = "mlflow-artifacts:";

void Raise(std::string_view key, const MetricPoint& point, Latest* latest) {
  const auto [at, is_new] = latest->emplace(key, point);
  if (!is_new && storage::StepLess(at->second, point)) at->second = point;
}

class Check final : public storage::MetricStoreCheck::Listener {
 public:
  Check(const std::string& data_dir, const Liveness& caller)
      : data_dir_(data_dir), caller_(caller) {}

  // Statuses of what cannot be checked at all.
  absl::Status Run();
  int faults() const { return faults_.count(); }
  void SayEnd() const;

  void OnFault(std::string fault) override {
    faults_.Add(Remedy::kRestore, fault);
  }
  void OnMark(std::string_view run_id) override {
    marked_.insert(std::string(run_id));
  }
  void OnSeries(std::string_view run_id, std::string_view key,
                const MetricPoint& latest, uint64_t points) override;
  void OnBytes(uint64_t bytes) override { table_bytes_ += bytes; }

 private:
  // Calls `row` with each row of a query; a query that fails is a fault.
  // False: it failed.
  bool ForEach(SqliteConnection& database, std::string_view name,
               std::string_view sql,
               absl::FunctionRef<void(storage::sql::Statement&)> row);
  void CheckDatabase(SqliteConnection& database, const std::string& name);
  // Compares every page with its checksum.
  absl::Status CheckPages();
  // kFailedPrecondition: of a newer version, or another program's.
  absl::Status OpenMain();
  void ReadOutbox();
  void CheckArtifactUris();
  void CheckUri(std::string_view what, std::string_view id,
                std::string_view uri);
  // False: not all of it was read.
  absl::StatusOr<bool> CheckMetrics();

  // The run that OnSeries told of is over.
  void FinishRun();
  // Compares the table with what it should say.
  void CompareLatest(const std::string& run_id, Latest expected);
  void CompareRowWith(const std::string& run_id, const std::string& key,
                      const MetricPoint& row, const Latest& expected,
                      bool may_lag);
  // Runs that have latest metrics and no points.
  void CheckRunsWithoutPoints();
  bool RunExists(const std::string& run_id);

  const std::string data_dir_;
  const Liveness& caller_;
  const absl::Time begun_ = absl::Now();
  FaultList faults_;
  std::unique_ptr<SqliteConnection> main_;

  // Of the outbox, by run.
  absl::flat_hash_map<std::string, Latest> pending_;
  uint64_t outbox_rows_ = 0;
  absl::flat_hash_set<std::string> marked_;
  absl::flat_hash_set<std::string> seen_;
  std::string run_id_;
  Latest run_;
  uint64_t series_ = 0;
  uint64_t points_ = 0;
  uint64_t table_bytes_ = 0;
};

bool Check::ForEach(SqliteConnection& database, std::string_view name,
                    std::string_view sql,
                    absl::FunctionRef<void(storage::sql::Statement&)> row) {
  absl::StatusOr<storage::sql::StatementPtr> statement = database.Prepare(sql);
  absl::Status status = statement.status();
  while (status.ok()) {
    const absl::StatusOr<bool> found = (*statement)->Step();
    status = found.status();
    if (found.ok() && !*found) return true;
    if (found.ok()) row(**statement);
  }
  // Asked to stop in the middle of a statement.
  if (!caller_.Alive().ok()) return false;
  faults_.Add(Remedy::kRestore, StrCat("The database ", name,
                                       " cannot be read: ", status.message(),
                                       "."));
  return false;
}

void Check::CheckDatabase(SqliteConnection& database,
                          const std::string& name) {
  ForEach(database, name, "PRAGMA integrity_check",
          [&](storage::sql::Statement& row) {
            if (row.Text(0) == "ok") return;
            faults_.Add(Remedy::kRestore,
                        StrCat("The database ", name, " is damaged: ",
                               row.Text(0), "."));
          });
  ForEach(database, name, "PRAGMA foreign_key_check",
          [&](storage::sql::Statement& row) {
            faults_.Add(Remedy::kRestore,
                        StrCat("In the database ", name, " a row of ",
                               row.Text(0), " belongs to a row of ",
                               row.Text(2), " that is not there."));
          });
}

absl::Status Check::CheckPages() {
  if (!main_->has_checksums()) {
    printf("%s was made before pages had checksums: a value that the disk "
           "changes goes unseen. What is restored from a backup "
           "(millstream restore) has them.\n", kDatabaseName);
    return absl::OkStatus();
  }
  // What a crash left is in the log; the pages in the file may be torn.
  ASSIGN_OR_RETURN(const storage::sqlite::LogCheck log,
                   storage::sqlite::CheckLog(
                       StrCat(data_dir_, "/", kDatabaseName)));
  if (log.frames > 0) return absl::OkStatus();
  const absl::Status read = main_->ReadAllPages(
      [this] { return caller_.Alive(); },
      [this](int64_t page) {
        faults_.Add(Remedy::kRestore,
                    StrCat("Page ", page, " of the database ", kDatabaseName,
                           " is damaged."));
      });
  if (!absl::IsUnavailable(read)) return read;
  faults_.Add(Remedy::kRestore, StrCat("The database ", kDatabaseName,
                                       " cannot be read: ", read.message(),
                                       "."));
  return absl::OkStatus();
}

absl::Status Check::OpenMain() {
  auto opened = SqliteConnection::Open(
      StrCat(data_dir_, "/", kDatabaseName), {.read_only = true});
  absl::Status status = opened.status();
  int64_t version = 0;
  if (status.ok()) {
    const auto read = (*opened)->QueryInt64("PRAGMA user_version");
    status = read.status();
    if (read.ok()) version = *read;
  }
  if (!status.ok()) {
    faults_.Add(Remedy::kRestore,
                StrCat("The database ", kDatabaseName, " cannot be opened: ",
                       status.message(), "."));
    return absl::OkStatus();
  }
  if (version > storage::sqlite::LatestVersion()) {
    return absl::FailedPreconditionError(StrCat(
        "The database has schema version ", version, ", and this program "
        "knows versions up to ", storage::sqlite::LatestVersion(),
        ". Check it with the millstream that wrote it, or a newer one."));
  }
  main_ = *std::move(opened);
  return absl::OkStatus();
}

void Check::ReadOutbox() {
  ForEach(*main_, kDatabaseName,
          "SELECT sequence, run_uuid, points FROM metric_outbox",
          [&](storage::sql::Statement& row) {
            ++outbox_rows_;
            const std::string run_id(row.Text(1));
            auto series = storage::DecodeOutbox(row.Blob(2));
            if (!series.ok()) {
              faults_.Add(Remedy::kRestore,
                          StrCat("Row ", row.Int64(0), " of metric_outbox "
                                 "cannot be read: ", series.status().message(),
                                 "."));
              return;
            }
            Latest& latest = pending_[run_id];
            for (const storage::OwnedSeries& s : *series) {
              for (const MetricPoint& point : s.points) {
                Raise(s.key, point, &latest);
              }
            }
          });
}

void Check::CheckUri(std::string_view what, std::string_view id,
                     std::string_view uri) {
  absl::string_view path = AbslView(uri);
  if (!absl::StartsWithIgnoreCase(path, kArtifactScheme)) return;
  path.remove_prefix(sizeof(kArtifactScheme) - 1);
  if (absl::StartsWith(path, "//")) {
    path.remove_prefix(2);
    path.remove_prefix(std::min(path.find('/'), path.size()));
  }
  path = path.substr(0, path.find('?'));
  while (absl::StartsWith(path, "/")) path.remove_prefix(1);
  if (storage::ArtifactPath::Parse(StdView(path)).ok()) return;
  faults_.Add(Remedy::kInspect, StrCat("The artifacts of ", what, " ", id,
                                       " are said to be at '", uri,
                                       "', which is not below the artifacts' "
                                       "root."));
}

void Check::CheckArtifactUris() {
  static constexpr std::pair<std::string_view, std::string_view> kUris[] = {
      {"experiment",
       "SELECT experiment_id, artifact_location FROM experiments"},
      {"run", "SELECT run_uuid, artifact_uri FROM runs"},
      {"logged model",
       "SELECT model_id, artifact_location FROM logged_models"},
      {"model version",
       "SELECT name || ' ' || version, storage_location FROM model_versions"},
  };
  for (const auto& [what, sql] : kUris) {
    const std::string_view kind = what;
    ForEach(*main_, kDatabaseName, sql, [&](storage::sql::Statement& row) {
      CheckUri(kind, row.Text(0), row.Text(1));
    });
  }
}

bool Check::RunExists(const std::string& run_id) {
  auto row = main_->Query("SELECT 1 FROM runs WHERE run_uuid = ?", run_id);
  if (!row.ok()) return true;  // said already, of the whole database
  const absl::StatusOr<bool> found = (*row)->Step();
  return !found.ok() || *found;
}

void Check::OnSeries(std::string_view run_id, std::string_view key,
                     const MetricPoint& latest, uint64_t points) {
  if (run_id != run_id_) {
    FinishRun();
    run_id_ = run_id;
  }
  ++series_;
  points_ += points;
  run_.emplace(key, latest);
}

void Check::FinishRun() {
  if (run_.empty()) return;
  Latest series = std::exchange(run_, {});
  seen_.insert(run_id_);
  if (main_ == nullptr) return;
  if (!RunExists(run_id_)) {
    faults_.Add(Remedy::kOrphan,
                StrCat("There are points of ", series.size(),
                       " metrics of run ", run_id_,
                       ", and there is no such run."));
    return;
  }
  CompareLatest(run_id_, std::move(series));
}

void Check::CompareRowWith(const std::string& run_id, const std::string& key,
                           const MetricPoint& row, const Latest& expected,
                           bool may_lag) {
  const auto points = expected.find(key);
  if (points == expected.end()) {
    faults_.Add(Remedy::kRestore,
                StrCat("Metric '", key, "' of run ", run_id,
                       " has a latest value and no points: they are lost."));
  } else if (storage::StepLess(points->second, row)) {
    faults_.Add(Remedy::kRestore,
                StrCat("Metric '", key, "' of run ", run_id,
                       " has its latest value at step ", row.step,
                       ", and no such point: points are lost."));
  } else if (storage::StepLess(row, points->second) && !may_lag) {
    faults_.Add(Remedy::kDerived,
                StrCat("The table latest_metrics does not have the last point "
                       "of metric '", key, "' of run ", run_id, "."));
  }
}

void Check::CompareLatest(const std::string& run_id, Latest expected) {
  bool may_lag = marked_.contains(run_id);
  if (const auto pending = pending_.find(run_id); pending != pending_.end()) {
    // A start appends these first.
    may_lag = true;
    for (const auto& [key, point] : pending->second) {
      Raise(key, point, &expected);
    }
  }
  auto row = main_->Query(
      "SELECT \"key\", value, \"timestamp\", step, is_nan FROM latest_metrics "
      "WHERE run_uuid = ?", run_id);
  if (!row.ok()) return;
  std::set<std::string> rows;
  while (true) {
    const absl::StatusOr<bool> found = (*row)->Step();
    if (!found.ok()) return;  // integrity_check has said so
    if (!*found) break;
    const std::string key((*row)->Text(0));
    const double value = (*row)->Int64(4) != 0
                             ? std::numeric_limits<double>::quiet_NaN()
                             : (*row)->Double(1);
    CompareRowWith(run_id, key, {(*row)->Int64(2), (*row)->Int64(3), value},
                   expected, may_lag);
    rows.insert(key);
  }
  if (may_lag) return;
  for (const auto& [key, point] : expected) {
    if (rows.contains(key)) continue;
    faults_.Add(Remedy::kDerived,
                StrCat("The table latest_metrics lacks metric '", key,
                       "' of run ", run_id, "."));
  }
}

void Check::CheckRunsWithoutPoints() {
  std::vector<std::string> runs;
  ForEach(*main_, kDatabaseName,
          "SELECT DISTINCT run_uuid FROM latest_metrics",
          [&](storage::sql::Statement& row) {
            std::string run_id(row.Text(0));
            if (!seen_.contains(run_id)) runs.push_back(std::move(run_id));
          });
  for (const std::string& run_id : runs) CompareLatest(run_id, {});
  for (const auto& [run_id, latest] : pending_) {
    if (RunExists(run_id)) continue;
    faults_.Add(Remedy::kOrphan,
                StrCat("There are points of run ", run_id,
                       " in metric_outbox, and there is no such run."));
  }
}

absl::StatusOr<bool> Check::CheckMetrics() {
  const auto cannot = [this](const absl::Status& status) {
    faults_.Add(Remedy::kRestore, StrCat("The metric store cannot be read: ",
                                         status.message(), "."));
    return false;
  };
  auto store = storage::MetricStoreCheck::Open(
      StrCat(data_dir_, "/", kMetricsFolder));
  if (absl::IsFailedPrecondition(store.status())) {
    return absl::FailedPreconditionError(
        StrCat("The metric store cannot be checked: ",
               store.status().message(), "."));
  }
  if (!store.ok()) return cannot(store.status());
  if (const absl::Status log = (*store)->CheckLog(); !log.ok()) {
    faults_.Add(Remedy::kRestore,
                StrCat("The log of the metric store is damaged, and what is "
                       "behind the damage is lost: ", log.message(), "."));
  }
  printf("Reading %s of metric points ...\n",
         BytesInWords((*store)->TableBytes()).c_str());
  fflush(stdout);
  RETURN_IF_ERROR((*store)->CheckTables(caller_, this));
  const absl::Status read = (*store)->CheckRecords(caller_, this);
  if (absl::IsDataLoss(read)) return cannot(read);
  RETURN_IF_ERROR(read);
  FinishRun();
  return true;
}

absl::Status Check::Run() {
  RETURN_IF_ERROR(NeedDataFolder(data_dir_));
  // Before any of them is open.
  const std::vector<std::string> names = DatabaseNames(data_dir_);
  absl::StatusOr<std::unique_ptr<storage::DataDirectory>> lock =
      storage::DataDirectory::Open(data_dir_);
  if (absl::IsUnavailable(lock.status())) {
    return absl::UnavailableError(StrCat(
        lock.status().message(), " A backup can be checked while the server "
        "runs: make one (millstream backup), and check its folder."));
  }
  RETURN_IF_ERROR(lock.status());
  RETURN_IF_ERROR(CheckManifest(data_dir_, caller_, &faults_));
  RETURN_IF_ERROR(OpenMain());
  if (main_ != nullptr) {
    RETURN_IF_ERROR(CheckPages());
    main_->WorkFor(&caller_);
    CheckDatabase(*main_, kDatabaseName);
    ReadOutbox();
    CheckArtifactUris();
  }
  RETURN_IF_ERROR(caller_.Alive());
  for (size_t i = 1; i < names.size(); ++i) {
    auto other = SqliteConnection::Open(StrCat(data_dir_, "/", names[i]),
                                        {.read_only = true});
    if (other.ok()) {
      CheckDatabase(**other, names[i]);
    } else {
      faults_.Add(Remedy::kRestore,
                  StrCat("The database ", names[i], " cannot be opened: ",
                         other.status().message(), "."));
    }
  }
  ASSIGN_OR_RETURN(const bool whole, CheckMetrics());
  RETURN_IF_ERROR(caller_.Alive());
  // Of points that could not be read nobody can say whether they are missing.
  if (whole && main_ != nullptr) CheckRunsWithoutPoints();
  return absl::OkStatus();
}

void Check::SayEnd() const {
  faults_.SayRemedies();
  const auto count = [](uint64_t number, const char* one, const char* many) {
    return StrCat(number, " ", number == 1 ? one : many);
  };
  printf("%s: %s with points, %s, %s, %s of tables, %s; %s in %s.\n",
         data_dir_.c_str(), count(seen_.size(), "run", "runs").c_str(),
         count(series_, "metric", "metrics").c_str(),
         count(points_, "point", "points").c_str(),
         BytesInWords(table_bytes_).c_str(),
         count(outbox_rows_, "batch that the next start completes",
               "batches that the next start completes")
             .c_str(),
         faults() == 0 ? "no faults"
                       : count(faults(), "fault", "faults").c_str(),
         absl::FormatDuration(
             absl::Floor(absl::Now() - begun_, absl::Milliseconds(1)))
             .c_str());
}

}  // namespace

absl::StatusOr<int> CheckDataFolder(const std::string& data_dir,
                                    const Liveness& caller) {
  Check check(data_dir, caller);
  RETURN_IF_ERROR(check.Run());
  check.SayEnd();
  return check.faults();
}

}  // namespace millstream::app
