#include "storage/sqlite/migrator.h"

#include <cstdint>
#include <string>

#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/sqlite/migrations.h"

namespace millstream::storage::sqlite {
namespace {

absl::Status TakeStep(SqliteConnection& connection, int version) {
  // The pragmas are part of the transaction.
  const std::string script = StrCat(
      "BEGIN IMMEDIATE;\n", kMigrations[version - 1].sql,
      "\nPRAGMA application_id = ", kApplicationId,
      ";PRAGMA user_version = ", version, ";COMMIT;");
  absl::Status status = connection.ExecuteScript(script);
  if (!status.ok() && connection.in_transaction()) {
    RETURN_IF_ERROR(connection.ExecuteScript("ROLLBACK"));
  }
  return status;
}

}  // namespace

int LatestVersion() { return kMigrationCount; }

absl::Status CheckIsOurs(SqliteConnection& connection) {
  ASSIGN_OR_RETURN(const int64_t version,
                   connection.QueryInt64("PRAGMA user_version"));
  ASSIGN_OR_RETURN(const int64_t application,
                   connection.QueryInt64("PRAGMA application_id"));
  ASSIGN_OR_RETURN(const int64_t tables,
                   connection.QueryInt64("SELECT count(*) FROM sqlite_master"));
  const bool empty = version == 0 && application == 0 && tables == 0;
  if (!empty && application != kApplicationId) {
    return absl::FailedPreconditionError(
        "The database file was not made by millstream. Give the server a data "
        "folder of its own.");
  }
  if (version > LatestVersion()) {
    return absl::FailedPreconditionError(StrCat(
        "The database has schema version ", version,
        ", and this program knows versions up to ", LatestVersion(),
        ". Start the newer millstream that wrote it, or restore a copy of the "
        "data folder from before the upgrade."));
  }
  return absl::OkStatus();
}

absl::Status Migrate(SqliteConnection& connection, int version) {
  RETURN_IF_ERROR(CheckIsOurs(connection));
  ASSIGN_OR_RETURN(const int64_t present,
                   connection.QueryInt64("PRAGMA user_version"));
  for (int next = static_cast<int>(present) + 1; next <= version; ++next) {
    RETURN_IF_ERROR(TakeStep(connection, next));
  }
  return absl::OkStatus();
}

}  // namespace millstream::storage::sqlite
