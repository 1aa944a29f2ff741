#include "app/backup/restore.h"

#include <stdio.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "app/backup/data_files.h"
#include "app/backup/files.h"
#include "app/backup/manifest.h"
#include "app/backup/new_folder.h"
#include "base/status_macros.h"
#include "storage/rocksdb/metric_check.h"
#include "storage/sqlite/migrator.h"
#include "storage/sqlite/sqlite_connection.h"
#include "storage/sqlite/sqlite_snapshot.h"

namespace millstream::app {
namespace {

absl::Status Damaged(const std::string& path, const std::string& how) {
  return absl::DataLossError(
      absl::StrCat("The backup is damaged: '", path, "' ", how,
                   ". Nothing was restored. Use another backup."));
}

absl::Status RestoreFile(const std::string& from, const ManifestFile& wanted,
                         const NewFolder& folder, Progress* progress) {
  absl::StatusOr<HashedFile> copied =
      CopyFile(absl::StrCat(from, "/", wanted.path),
               folder.PathOf(wanted.path), progress);
  if (absl::IsNotFound(copied.status())) {
    return Damaged(wanted.path, "is not there");
  }
  if (!copied.ok()) return copied.status();
  const std::string difference = Difference(*copied, wanted.file);
  return difference.empty() ? absl::OkStatus()
                            : Damaged(wanted.path, difference);
}

// A database of before there were checksums gets them.
absl::Status AddMissingChecksums(const NewFolder& folder) {
  const std::string path = folder.PathOf(kDatabaseName);
  {
    auto database = storage::sqlite::SqliteConnection::Open(
        path, {.leave_journal = true});
    // TryStores explains.
    if (!database.ok() || (*database)->has_checksums()) return absl::OkStatus();
  }
  printf("Adding checksums to the pages of %s ...\n", kDatabaseName);
  fflush(stdout);
  const absl::Status added = storage::sqlite::AddChecksums(path);
  if (added.ok()) return added;
  return absl::Status(
      added.code(), absl::StrCat("Checksums cannot be added to ", kDatabaseName,
                                 ": ", added.message(),
                                 ". Nothing was restored."));
}

// The stores of the folder that was made of it open.
absl::Status TryStores(const NewFolder& folder) {
  const auto explain = [](const char* name, const absl::Status& status) {
    return absl::Status(
        status.code(),
        absl::StrCat("What was restored does not open: ", name, ": ",
                     status.message(),
                     ". Nothing was restored. Use the millstream that made the "
                     "backup, or another backup."));
  };
  {
    auto database = storage::sqlite::SqliteConnection::Open(
        folder.PathOf(kDatabaseName), {});
    absl::Status status = database.status();
    if (status.ok()) {
      const absl::StatusOr<int64_t> version =
          (*database)->QueryInt64("PRAGMA user_version");
      status = version.status();
      if (version.ok() && *version > storage::sqlite::LatestVersion()) {
        status = absl::FailedPreconditionError("of a newer version");
      } else if (version.ok() && *version == 0) {
        status = absl::DataLossError("it has no tables");
      }
    }
    if (!status.ok()) return explain(kDatabaseName, status);
  }
  absl::Status status =
      storage::MetricStoreCheck::Open(folder.PathOf(kMetricsFolder)).status();
  return status.ok() ? status : explain(kMetricsFolder, status);
}

}  // namespace

absl::Status RestoreBackup(const std::string& from, const std::string& data_dir,
                           const Liveness& caller) {
  const absl::Time begun = absl::Now();
  ASSIGN_OR_RETURN(const Manifest manifest, ReadManifest(from));
  ASSIGN_OR_RETURN(const std::unique_ptr<NewFolder> folder,
                   NewFolder::Begin(data_dir));
  RETURN_IF_ERROR(folder->NeedRoom(manifest.Bytes()));
  Progress progress("Restored", manifest.Bytes(), caller);
  for (const ManifestFile& file : manifest.files) {
    RETURN_IF_ERROR(RestoreFile(from, file, *folder, &progress));
  }
  RETURN_IF_ERROR(AddMissingChecksums(*folder));
  RETURN_IF_ERROR(TryStores(*folder));
  RETURN_IF_ERROR(folder->Finish(from));
  printf("Restored '%s', of %s by millstream %s, to '%s' in %s: %zu files, "
         "%s, all as they were when it was made.\n",
         from.c_str(), manifest.time.c_str(), manifest.version.c_str(),
         data_dir.c_str(),
         absl::FormatDuration(
             absl::Floor(absl::Now() - begun, absl::Milliseconds(1)))
             .c_str(),
         manifest.files.size(), BytesInWords(manifest.Bytes()).c_str());
  return absl::OkStatus();
}

}  // namespace millstream::app
