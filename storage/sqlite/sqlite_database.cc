#include "storage/sqlite/sqlite_database.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/sqlite/log_check.h"
#include "storage/sqlite/migrator.h"

namespace millstream::storage::sqlite {
namespace {

// How often who waits for a connection asks whether its caller still waits.
constexpr absl::Duration kLivenessInterval = absl::Milliseconds(50);

absl::Status Run(SqliteConnection& connection, std::string_view sql) {
  return connection.Execute(sql);
}

// After which errors of a commit it is open what is on the disk.
bool LeavesDoubt(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kDataLoss ||
         status.code() == absl::StatusCode::kInternal;
}

absl::Status SyncFailed() {
  return absl::UnavailableError(
      "writes are refused until the server is started again, because the log "
      "could not be forced to the disk");
}

// Before SQLite takes what is damaged for the log's end. A crash may have left
// what looks like damage where commits were not forced to the disk.
absl::Status RefuseDamagedLog(const std::string& path, Durability durability) {
  ASSIGN_OR_RETURN(const LogCheck check, CheckLog(path));
  if (!check.damaged()) return absl::OkStatus();
  const std::string what =
      check.header_damaged
          ? "The header of the database's log"
          : StrCat(check.commits_behind, " commits of the database's log, "
                   "behind damage after frame ", check.frames, ",");
  if (durability == Durability::kMachine) {
    return absl::DataLossError(
        StrCat(what, " cannot be read. Restore a copy of the data folder; "
                     "docs/durability.md says what else can be done."));
  }
  LogWarning(what, " cannot be read and is lost; a power cut may do that.");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteDatabase>> SqliteDatabase::Open(
    const std::string& path, const Options& options) {
  if (options.schema == sql::Schema::kOwn) {
    RETURN_IF_ERROR(RefuseDamagedLog(path, options.durability));
  }
  ASSIGN_OR_RETURN(
      std::unique_ptr<SqliteConnection> writer,
      SqliteConnection::Open(path, {.read_only = false,
                                    .durability = options.durability,
                                    .cache_kib = options.writer_cache_kib,
                                    .mmap_bytes = options.mmap_bytes,
                                    .schema = options.schema,
                                    .leave_journal = true}));
  if (options.schema == sql::Schema::kOwn) {
    RETURN_IF_ERROR(CheckIsOurs(*writer));
    RETURN_IF_ERROR(writer->UseLog());
    RETURN_IF_ERROR(Migrate(*writer, LatestVersion()));
  }
  return std::unique_ptr<SqliteDatabase>(
      new SqliteDatabase(path, options, std::move(writer)));
}

SqliteDatabase::SqliteDatabase(std::string path, const Options& options,
                               std::unique_ptr<SqliteConnection> writer)
    : path_(std::move(path)),
      options_(options),
      writer_(std::move(writer)),
      uses_log_(options.schema == sql::Schema::kOwn),
      committer_([this](absl::Span<Committer::Item* const> group) {
        return CommitGroup(group);
      }) {}

SqliteDatabase::~SqliteDatabase() = default;

absl::StatusOr<std::unique_ptr<SqliteConnection>> SqliteDatabase::TakeReader(
    const Liveness& caller) {
  {
    absl::MutexLock lock(&mutex_);
    while (true) {
      RETURN_IF_ERROR(caller.Alive());
      if (!idle_readers_.empty() || readers_open_ < kReadersMax) break;
      reader_is_idle_.WaitWithTimeout(&mutex_, kLivenessInterval);
    }
    if (!idle_readers_.empty()) {
      std::unique_ptr<SqliteConnection> reader =
          std::move(idle_readers_.back());
      idle_readers_.pop_back();
      return reader;
    }
    ++readers_open_;
  }
  absl::StatusOr<std::unique_ptr<SqliteConnection>> reader =
      SqliteConnection::Open(path_, {.read_only = true,
                                     .durability = options_.durability,
                                     .cache_kib = options_.reader_cache_kib,
                                     .mmap_bytes = options_.mmap_bytes,
                                     .schema = options_.schema});
  if (!reader.ok()) GiveBackReader(nullptr);
  return reader;
}

void SqliteDatabase::GiveBackReader(std::unique_ptr<SqliteConnection> reader) {
  absl::MutexLock lock(&mutex_);
  if (reader == nullptr) {
    --readers_open_;
  } else {
    idle_readers_.push_back(std::move(reader));
  }
  reader_is_idle_.Signal();
}

absl::Status SqliteDatabase::ReadFor(
    const Liveness& caller,
    absl::FunctionRef<absl::Status(sql::Connection&)> body) {
  ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> reader,
                   TakeReader(caller));
  absl::Status status = Run(*reader, "BEGIN");
  if (status.ok()) {
    reader->WorkFor(&caller);
    status = body(*reader);
    reader->WorkFor(nullptr);
    if (absl::Status alive = caller.Alive();
        absl::IsCancelled(status) && !alive.ok()) {
      status = alive;
    }
    // Ends the snapshot; there is nothing to commit, and nothing can be lost.
    const absl::Status end = Run(*reader, "COMMIT");
    if (!end.ok()) {
      // A connection that cannot end its snapshot is not used again.
      reader = nullptr;
      if (status.ok()) status = end;
    }
  }
  GiveBackReader(std::move(reader));
  return status;
}

absl::Status SqliteDatabase::Write(
    absl::FunctionRef<absl::Status(sql::Transaction&)> body) {
  return committer_.Commit(body);
}

absl::Status SqliteDatabase::RunBody(Committer::Item* item) {
  item->status = (*item->work)(*writer_);
  if (writer_->in_transaction()) return absl::OkStatus();
  return absl::UnavailableError(
      StrCat("the transaction was dropped: ", item->status.ToString()));
}

absl::Status SqliteDatabase::RunUnderSavepoint(Committer::Item* item) {
  RETURN_IF_ERROR(Run(*writer_, "SAVEPOINT body"));
  RETURN_IF_ERROR(RunBody(item));
  if (!item->status.ok()) RETURN_IF_ERROR(Run(*writer_, "ROLLBACK TO body"));
  return Run(*writer_, "RELEASE body");
}

absl::Status SqliteDatabase::RunBodies(
    absl::Span<Committer::Item* const> group) {
  // Most bodies succeed. As long as all do, none has to be taken back alone,
  // and the copies of pages that savepoints keep for that are saved.
  absl::Status failure;
  for (Committer::Item* item : group) {
    const absl::Status dropped = RunBody(item);
    failure = item->status.ok() ? dropped : item->status;
    // Who is alone needs no other word on it than his own.
    if (group.size() == 1) return failure;
    if (!absl::IsDataLoss(item->status)) RETURN_IF_ERROR(dropped);
    if (!failure.ok()) break;
  }
  if (failure.ok()) return absl::OkStatus();
  // Those for which SQLite has dropped the transaction, as it does when it
  // meets a damaged page. The others begin anew without them.
  std::vector<const Committer::Item*> left_out;
  const auto is_left_out = [&left_out](const Committer::Item* item) {
    return std::find(left_out.begin(), left_out.end(), item) != left_out.end();
  };
  bool done = false;
  while (!done) {
    if (writer_->in_transaction()) RETURN_IF_ERROR(Run(*writer_, "ROLLBACK"));
    RETURN_IF_ERROR(Run(*writer_, "BEGIN IMMEDIATE"));
    done = true;
    for (Committer::Item* item : group) {
      if (is_left_out(item)) continue;
      const absl::Status status = RunUnderSavepoint(item);
      if (status.ok()) continue;
      if (!absl::IsDataLoss(item->status) || writer_->in_transaction()) {
        return status;
      }
      left_out.push_back(item);
      done = false;
      break;
    }
  }
  return absl::OkStatus();
}

absl::Status SqliteDatabase::Sync() {
  // With FULL every commit did it. With NORMAL commits may wait in the log;
  // those that left it were forced to the disk by SQLite before.
  if (options_.durability == Durability::kMachine) return absl::OkStatus();
  const int log = open((path_ + "-wal").c_str(), O_RDONLY | O_CLOEXEC);
  if (log < 0 && errno == ENOENT) return absl::OkStatus();
  if (log < 0) return absl::InternalError("the log cannot be opened");
  // One that failed may have thrown the data away, and the next one would
  // report success.
  if (fdatasync(log) != 0) sync_failed_ = true;
  close(log);
  return sync_failed_ ? SyncFailed() : absl::OkStatus();
}

void SqliteDatabase::AppendReadings(Readings* readings) const {
  const auto add = [&](std::string_view name, std::string_view help,
                       Reading::Kind kind, double value) {
    readings->push_back(
        {.name = name, .help = help, .kind = kind, .value = value});
  };
  add("millstream_sqlite_commits_total", "Transactions that were committed.",
      Reading::Kind::kCounter, static_cast<double>(commits_.load()));
  add("millstream_sqlite_writes_total",
      "Writes in them: many may share one commit.", Reading::Kind::kCounter,
      static_cast<double>(writes_.load()));
  struct stat file;
  if (stat(path_.c_str(), &file) == 0) {
    add("millstream_sqlite_file_bytes", "Size of the database file.",
        Reading::Kind::kGauge, static_cast<double>(file.st_size));
  }
  if (stat((path_ + "-wal").c_str(), &file) == 0) {
    add("millstream_sqlite_log_bytes", "Size of its write-ahead log.",
        Reading::Kind::kGauge, static_cast<double>(file.st_size));
  }
  absl::MutexLock lock(&mutex_);
  add("millstream_sqlite_readers_open", "Connections that read.",
      Reading::Kind::kGauge, readers_open_);
  add("millstream_sqlite_readers_busy", "Those of them in use.",
      Reading::Kind::kGauge,
      readers_open_ - static_cast<double>(idle_readers_.size()));
}

absl::Status SqliteDatabase::CommitGroup(
    absl::Span<Committer::Item* const> group) {
  if (sync_failed_) {
    for (Committer::Item* item : group) item->status = SyncFailed();
    return SyncFailed();
  }
  absl::Status status;
  if (!uses_log_) {
    status = writer_->UseLog();
    uses_log_ = status.ok();
  }
  if (status.ok()) status = Run(*writer_, "BEGIN IMMEDIATE");
  bool committing = false;
  if (status.ok()) status = RunBodies(group);
  if (status.ok()) {
    committing = true;
    status = Run(*writer_, "COMMIT");
  }
  if (status.ok()) {
    commits_.fetch_add(1, std::memory_order_relaxed);
    writes_.fetch_add(group.size(), std::memory_order_relaxed);
    return absl::OkStatus();
  }

  for (Committer::Item* item : group) item->status = status;
  absl::Status failure;
  if (writer_->in_transaction()) failure = Run(*writer_, "ROLLBACK");
  if (committing && failure.ok() && LeavesDoubt(status)) failure = status;
  if (failure.ok()) return absl::OkStatus();
  return absl::UnavailableError(
      StrCat("writes are refused until the server is started again, because a "
             "commit failed: ",
             failure.ToString()));
}

}  // namespace millstream::storage::sqlite
