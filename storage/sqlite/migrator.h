// Brings a database file to the schema that this program knows.
//
// The file tells its version (PRAGMA user_version: the number of steps taken)
// and that it is ours (PRAGMA application_id). Each step is one transaction: a
// crash leaves the file at one version or the next.
#ifndef MILLSTREAM_STORAGE_SQLITE_MIGRATOR_H_
#define MILLSTREAM_STORAGE_SQLITE_MIGRATOR_H_

#include "absl/status/status.h"
#include "storage/sqlite/sqlite_connection.h"

namespace millstream::storage::sqlite {

// "MStr". On disk: do not change.
inline constexpr int kApplicationId = 0x4d537472;

// The version that Migrate leads to: the number of steps embedded.
int LatestVersion();

// kFailedPrecondition, with a sentence for whoever started the server: the file
// is newer than this program, or another program's. OK for one of ours, and an
// empty one. Only reads.
absl::Status CheckIsOurs(SqliteConnection& connection);

// Takes the steps that are missing, up to `version`; none if the file has them.
// As CheckIsOurs; nothing was changed then.
absl::Status Migrate(SqliteConnection& connection, int version);

}  // namespace millstream::storage::sqlite

#endif  // MILLSTREAM_STORAGE_SQLITE_MIGRATOR_H_
