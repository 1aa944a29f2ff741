#include "app/backup/backup.h"

#include <stdio.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "app/backup/data_files.h"
#include "app/backup/door.h"
#include "app/backup/files.h"
#include "app/backup/manifest.h"
#include "app/backup/new_folder.h"
#include "app/version.h"
#include "base/status_macros.h"
#include "storage/data_directory.h"
#include "storage/sqlite/sqlite_snapshot.h"

namespace millstream::app {
namespace {

namespace fs = std::filesystem;
using storage::sqlite::SqliteSnapshot;

// Of RocksDB's folder; the rest of it is no data.
constexpr char kRocksDbLock[] = "LOCK";
constexpr char kRocksDbLog[] = "LOG";
constexpr char kTableSuffix[] = ".sst";

// storage/artifact/staging.h: uploads under way. Of them only the parts of
// multipart uploads are something that a client was told is kept.
constexpr char kStaging[] = "artifacts/.artifact.uploading.staging/";
constexpr char kParts[] = "artifacts/.artifact.uploading.staging/mpu-";

struct Database {
  std::string name;
  std::unique_ptr<SqliteSnapshot> snapshot;
  int64_t bytes = 0;
};

// A file to be copied.
struct Source {
  std::string from;
  // In the copy.
  std::string path;
  uint64_t bytes = 0;
  // Never written again.
  bool may_link = false;
  // Whoever deletes it meanwhile means it.
  bool may_vanish = false;
};

class Backup {
 public:
  Backup(const std::string& data_dir, const std::string& to,
         const Liveness& caller)
      : data_dir_(data_dir), to_(to), caller_(caller) {}

  absl::Status Make();

 private:
  // Gets the moment: the snapshots, and where RocksDB's files of it are.
  absl::Status TakeMoment();
  absl::Status TakeSnapshots();
  absl::Status ListMetrics();
  // Of a folder, and those in it; its path in the data folder.
  absl::Status ListArtifacts(const std::string& folder);
  absl::Status NeedRoom();
  absl::Status CopyAll();
  absl::Status CopyDatabase(Database& database, Progress* progress);
  absl::Status CopySource(const Source& source, Progress* progress);
  void SayWhatIsThere() const;
  // Whether the copy is to be in what is copied.
  bool IsInDataFolder() const;

  const std::string data_dir_;
  const std::string to_;
  const Liveness& caller_;
  const absl::Time begun_ = absl::Now();

  std::unique_ptr<NewFolder> folder_;
  // Without a server: ours until the end.
  std::unique_ptr<storage::DataDirectory> lock_;
  // With one.
  std::unique_ptr<DoorVisit> visit_;
  std::string metrics_dir_;
  std::vector<std::string> names_;
  std::vector<Database> databases_;
  std::vector<Source> sources_;
  uint64_t bytes_ = 0;
  uint64_t linked_bytes_ = 0;
  // Paths that were not copied, being links.
  std::vector<std::string> links_;
  Manifest manifest_;
};

absl::Status Backup::TakeSnapshots() {
  databases_.clear();
  for (const std::string& name : names_) {
    Database& database = databases_.emplace_back();
    database.name = name;
    auto snapshot = SqliteSnapshot::Take(absl::StrCat(data_dir_, "/", name));
    if (!snapshot.ok()) {
      return absl::Status(snapshot.status().code(),
                          absl::StrCat("Cannot read '", name, "': ",
                                       snapshot.status().message(),
                                       ". `millstream check` says more."));
    }
    database.snapshot = *std::move(snapshot);
  }
  return absl::OkStatus();
}

absl::Status Backup::TakeMoment() {
  names_ = DatabaseNames(data_dir_);
  metrics_dir_ = absl::StrCat(data_dir_, "/", kMetricsFolder);
  auto lock = storage::DataDirectory::Open(data_dir_);
  if (lock.ok()) {
    lock_ = *std::move(lock);
    return TakeSnapshots();
  }
  if (!absl::IsUnavailable(lock.status())) return lock.status();
  ASSIGN_OR_RETURN(
      visit_, DoorVisit::Begin(data_dir_, caller_,
                               [this] { return TakeSnapshots(); }));
  metrics_dir_ = absl::StrCat(data_dir_, "/", kCutName, "/", kMetricsName);
  return absl::OkStatus();
}

absl::Status Backup::ListMetrics() {
  std::error_code error;
  fs::directory_iterator entry(metrics_dir_, error);
  for (const fs::directory_iterator end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name == kRocksDbLock || absl::StartsWith(name, kRocksDbLog)) continue;
    std::error_code gone;
    const uint64_t bytes = entry->file_size(gone);
    if (!entry->is_regular_file(gone)) continue;
    sources_.push_back({.from = entry->path().string(),
                        .path = absl::StrCat(kMetricsFolder, "/", name),
                        .bytes = bytes,
                        .may_link = absl::EndsWith(name, kTableSuffix)});
  }
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("Cannot read '", metrics_dir_,
                                             "': ", error.message(), "."));
}

absl::Status Backup::ListArtifacts(const std::string& folder) {
  RETURN_IF_ERROR(caller_.Alive());
  const std::string root = absl::StrCat(data_dir_, "/", folder);
  std::error_code error;
  fs::directory_iterator entry(root, error);
  for (const fs::directory_iterator end; !error && entry != end;
       entry.increment(error)) {
    const std::string path =
        absl::StrCat(folder, "/", entry->path().filename().string());
    // What is gone when it is looked at again was deleted.
    std::error_code gone;
    const uint64_t bytes = entry->file_size(gone);
    if (entry->is_symlink(gone)) {
      links_.push_back(path);
    } else if (entry->is_directory(gone)) {
      RETURN_IF_ERROR(ListArtifacts(path));
    } else if (entry->is_regular_file(gone) &&
               (!absl::StartsWith(path, kStaging) ||
                absl::StartsWith(path, kParts))) {
      sources_.push_back({.from = entry->path().string(),
                          .path = path,
                          .bytes = bytes,
                          .may_vanish = true});
    }
  }
  if (!error || error == std::errc::no_such_file_or_directory) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(
      absl::StrCat("Cannot read '", root, "': ", error.message(), "."));
}

absl::Status Backup::NeedRoom() {
  const bool links = folder_->IsOnFileSystemOf(metrics_dir_);
  uint64_t needed = 0;
  for (Database& database : databases_) {
    ASSIGN_OR_RETURN(database.bytes, database.snapshot->Size());
    bytes_ += static_cast<uint64_t>(database.bytes);
    needed += static_cast<uint64_t>(database.bytes);
  }
  for (const Source& source : sources_) {
    bytes_ += source.bytes;
    if (!(source.may_link && links)) needed += source.bytes;
  }
  return folder_->NeedRoom(needed);
}

absl::Status Backup::CopyDatabase(Database& database, Progress* progress) {
  const std::string to = folder_->PathOf(database.name);
  RETURN_IF_ERROR(database.snapshot->CopyTo(to, [&](int64_t bytes) {
    return progress->Add(static_cast<uint64_t>(bytes));
  }));
  // Writers' log can be cut back from here on.
  database.snapshot.reset();
  Progress unseen("", 0, caller_);
  ManifestFile& file = manifest_.files.emplace_back();
  file.path = database.name;
  ASSIGN_OR_RETURN(file.file, HashFile(to, &unseen));
  return absl::OkStatus();
}

absl::Status Backup::CopySource(const Source& source, Progress* progress) {
  const std::string to = folder_->PathOf(source.path);
  bool linked = false;
  absl::StatusOr<HashedFile> copied =
      source.may_link
          ? LinkOrCopyFile(source.from, to, progress, &linked)
          : CopyFile(source.from, to, progress);
  if (absl::IsNotFound(copied.status())) {
    if (source.may_vanish) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat(
        "The server was started again, and has removed '", source.from,
        "'. Run this again."));
  }
  if (!copied.ok()) return copied.status();
  if (linked) linked_bytes_ += copied->bytes;
  manifest_.files.push_back({source.path, *std::move(copied)});
  return absl::OkStatus();
}

absl::Status Backup::CopyAll() {
  manifest_.version = kVersion;
  manifest_.time = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", begun_,
                                    absl::UTCTimeZone());
  Progress progress("Copied", bytes_, caller_);
  for (Database& database : databases_) {
    absl::Status copied = CopyDatabase(database, &progress);
    if (absl::IsResourceExhausted(copied)) {
      return FileError("write", folder_->PathOf(database.name), ENOSPC);
    }
    RETURN_IF_ERROR(copied);
  }
  for (const Source& source : sources_) {
    RETURN_IF_ERROR(CopySource(source, &progress));
  }
  return WriteManifest(folder_->PathOf(kManifestName), manifest_);
}

void Backup::SayWhatIsThere() const {
  printf("Backed up '%s' to '%s' in %s: %zu files, %s", data_dir_.c_str(),
         to_.c_str(),
         absl::FormatDuration(absl::Floor(absl::Now() - begun_,
                                          absl::Milliseconds(1)))
             .c_str(),
         manifest_.files.size(), BytesInWords(manifest_.Bytes()).c_str());
  if (linked_bytes_ > 0) {
    printf(", %s of them links to tables of the data folder",
           BytesInWords(linked_bytes_).c_str());
  }
  printf(".\n");
  if (visit_ != nullptr) {
    printf("The server went on serving; writers waited for %s.\n",
           absl::FormatDuration(visit_->held()).c_str());
  }
  std::error_code error;
  if (visit_ != nullptr && !visit_->artifacts().empty()) {
    printf("Not in it: artifacts, which are in '%s'. Copy them as well.\n",
           visit_->artifacts().c_str());
  } else if (!fs::exists(fs::path(data_dir_) / kArtifactsFolder, error)) {
    printf("Not in it: artifacts, if they are kept outside of the data folder "
           "(--artifacts-destination). Copy them as well.\n");
  }
  const std::vector<std::string> foreign = ForeignNames(data_dir_);
  if (!foreign.empty()) {
    printf("Not in it, for no server has put it there: %s.\n",
           absl::StrJoin(foreign, ", ").c_str());
  }
  if (!links_.empty()) {
    printf("Not in it: what %zu links among the artifacts lead to, such as "
           "'%s'.\n",
           links_.size(), links_.front().c_str());
  }
}

bool Backup::IsInDataFolder() const {
  std::error_code error;
  const auto real = [&error](const std::string& path) {
    return fs::weakly_canonical(path, error).string();
  };
  return absl::StartsWith(absl::StrCat(real(to_), "/"),
                          absl::StrCat(real(data_dir_), "/"));
}

absl::Status Backup::Make() {
  RETURN_IF_ERROR(NeedDataFolder(data_dir_));
  if (IsInDataFolder()) {
    return absl::InvalidArgumentError(
        "--to is in the data folder itself. Name a place that outlives it.");
  }
  ASSIGN_OR_RETURN(folder_, NewFolder::Begin(to_));
  RETURN_IF_ERROR(TakeMoment());
  RETURN_IF_ERROR(ListMetrics());
  RETURN_IF_ERROR(ListArtifacts(kArtifactsFolder));
  RETURN_IF_ERROR(NeedRoom());
  RETURN_IF_ERROR(CopyAll());
  RETURN_IF_ERROR(folder_->Finish(data_dir_));
  SayWhatIsThere();
  return absl::OkStatus();
}

}  // namespace

absl::Status MakeBackup(const std::string& data_dir, const std::string& to,
                        const Liveness& caller) {
  return Backup(data_dir, to, caller).Make();
}

}  // namespace millstream::app
