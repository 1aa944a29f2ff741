// The names in a data folder (docs/storage_format.md), and what has them.
//
// All functions are thread-safe.
#ifndef MILLSTREAM_APP_BACKUP_DATA_FILES_H_
#define MILLSTREAM_APP_BACKUP_DATA_FILES_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace millstream::app {

inline constexpr char kDatabaseName[] = "millstream.db";
inline constexpr char kMetricsFolder[] = "metrics";
inline constexpr char kArtifactsFolder[] = "artifacts";
// Of a backup (manifest.h).
inline constexpr char kManifestName[] = "manifest";

// What a file system keeps in its root itself.
inline constexpr char kLostAndFound[] = "lost+found";

// kFailedPrecondition, with what to do: no server has ever kept data there, or
// it is half a copy.
absl::Status NeedDataFolder(const std::string& data_dir);

// Names of the SQLite files: kDatabaseName first, then others by name, such as
// that of users.
// REQUIRES: this process has none of them open; SQLite's locks would go.
std::vector<std::string> DatabaseNames(const std::string& data_dir);

// Whether a backup, or what was restored of one, has files of that name; a
// server adds others, first of all the lock of storage/data_directory.h.
bool IsOfACopy(std::string_view name);

// What else there is, and no copy has: names that are not the server's.
std::vector<std::string> ForeignNames(const std::string& data_dir);

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_BACKUP_DATA_FILES_H_
