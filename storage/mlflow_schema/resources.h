// Texts of this folder, embedded when built.
#ifndef MILLSTREAM_STORAGE_MLFLOW_SCHEMA_RESOURCES_H_
#define MILLSTREAM_STORAGE_MLFLOW_SCHEMA_RESOURCES_H_

namespace millstream::storage::mlflow {

// Statements, each ended by an empty line.
extern const char kSqlite[];
extern const char kPostgresql[];
extern const char kMysql[];
// Alembic's revisions, a line each, oldest first; the last is ours.
extern const char kRevisions[];
// The same of the basic-auth app.
extern const char kUsersSqlite[];
extern const char kUsersPostgresql[];
extern const char kUsersMysql[];
extern const char kUsersRevisions[];

}  // namespace millstream::storage::mlflow

#endif  // MILLSTREAM_STORAGE_MLFLOW_SCHEMA_RESOURCES_H_
