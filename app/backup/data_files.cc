#include "app/backup/data_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "storage/data_directory.h"

namespace millstream::app {
namespace {

namespace fs = std::filesystem;

// How every SQLite file begins.
constexpr std::string_view kSqliteMagic("SQLite format 3\0", 16);

bool IsDatabase(const fs::directory_entry& entry) {
  std::error_code error;
  if (entry.path().extension() != ".db" || !entry.is_regular_file(error)) {
    return false;
  }
  std::string begin(kSqliteMagic.size(), '\0');
  std::ifstream file(entry.path(), std::ios::binary);
  return file.read(begin.data(), static_cast<std::streamsize>(begin.size())) &&
         begin == kSqliteMagic;
}

bool IsDatabaseLog(absl::string_view name) {
  return absl::EndsWith(name, ".db-wal") || absl::EndsWith(name, ".db-shm") ||
         absl::EndsWith(name, ".db-journal");
}

std::vector<fs::directory_entry> EntriesOf(const std::string& folder) {
  std::vector<fs::directory_entry> entries;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (const fs::directory_iterator end; !error && entry != end;
       entry.increment(error)) {
    entries.push_back(*entry);
  }
  return entries;
}

}  // namespace

absl::Status NeedDataFolder(const std::string& data_dir) {
  RETURN_IF_ERROR(storage::NeedFinished(data_dir));
  std::error_code error;
  if (fs::exists(fs::path(data_dir) / kDatabaseName, error)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "There is no '", kDatabaseName, "' in '", data_dir, "': no server has "
      "kept data there. Name the server's own --data-dir. Of one that keeps "
      "its data in a database (--backend-store-uri), use the database's own "
      "tools."));
}

std::vector<std::string> DatabaseNames(const std::string& data_dir) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : EntriesOf(data_dir)) {
    const std::string name = entry.path().filename().string();
    if (name != kDatabaseName && IsDatabase(entry)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  names.insert(names.begin(), kDatabaseName);
  return names;
}

bool IsOfACopy(std::string_view name) {
  const absl::string_view text(name.data(), name.size());
  return name == kMetricsFolder || name == kArtifactsFolder ||
         name == kManifestName || absl::EndsWith(text, ".db") ||
         IsDatabaseLog(text);
}

std::vector<std::string> ForeignNames(const std::string& data_dir) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : EntriesOf(data_dir)) {
    const std::string name = entry.path().filename().string();
    if (name != kDatabaseName && name != kMetricsFolder &&
        name != kArtifactsFolder && name != "LOCK" && name != kManifestName &&
        name != "backup.sock" && name != ".backup" && name != kLostAndFound &&
        !IsDatabaseLog(name) && !IsDatabase(entry)) {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace millstream::app
