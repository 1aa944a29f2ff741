// MLflow's tables in a database that we share with it: made if there are none,
// otherwise used as they are. Nothing here or elsewhere alters them: that is
// for `mlflow db upgrade`.
//
// All functions are thread-safe.
#ifndef MILLSTREAM_STORAGE_MLFLOW_SCHEMA_MLFLOW_SCHEMA_H_
#define MILLSTREAM_STORAGE_MLFLOW_SCHEMA_MLFLOW_SCHEMA_H_

#include <string_view>

#include "absl/status/status.h"
#include "storage/sql/database.h"

namespace millstream::storage::mlflow {

// Tables whose names begin with this are ours. MLflow and Alembic pass over
// tables that they do not know.
inline constexpr std::string_view kOwnTablePrefix = "millstream_";

// The version of MLflow whose schema this is, and Alembic's name for it.
inline constexpr std::string_view kMlflowVersion = "3.17.2";
std::string_view Revision();

// Makes the schema in an empty database, with its revision in alembic_version,
// so that MLflow finds a database of its own; in one of this revision does
// nothing. Several servers may begin at once: one makes it, the others wait or
// find it.
//
// `shown_uri` is the database's URI without its password, for messages.
// kFailedPrecondition, with a sentence for whoever started the server: an
// older revision (which command upgrades it), a newer or unknown one, tables
// that are not MLflow's. Nothing was changed then. Otherwise statuses of
// sql::Database.
//
// In MySQL, which commits after each such statement, a server that is killed
// meanwhile leaves tables without a revision, and a mark: the next one makes
// all of them anew.
absl::Status PrepareSchema(sql::Database* database, std::string_view shown_uri);

// The same for the tables of MLflow's basic-auth app, its users with what they
// are permitted, whose revision is in alembic_version_auth. They may be in a
// database of their own or beside those of PrepareSchema; either passes over
// the other's tables.
//
// In MySQL the tables are ours to make: MLflow's own migrations fail there. It
// uses them once they are there.
absl::Status PrepareUserSchema(sql::Database* database,
                               std::string_view shown_uri);

}  // namespace millstream::storage::mlflow

#endif  // MILLSTREAM_STORAGE_MLFLOW_SCHEMA_MLFLOW_SCHEMA_H_
