// sql::Database on a PostgreSQL server, or one that speaks like it.
//
// Isolation. Read: REPEATABLE READ READ ONLY, one snapshot for the whole body.
// Write: REPEATABLE READ. What a body has read stays so until it commits, or
// the transaction is refused and run again: of two that read a row and then
// write it, the second sees what the first has made of it. READ COMMITTED would
// lose one of them. SERIALIZABLE would also order transactions that read what
// the other writes elsewhere; nothing here depends on that, and on small tables
// it refuses many that are not in each other's way.
//
// What is run again, and what OK means: storage/sql/server_database.h.
#ifndef MILLSTREAM_STORAGE_POSTGRES_POSTGRES_DATABASE_H_
#define MILLSTREAM_STORAGE_POSTGRES_POSTGRES_DATABASE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "storage/postgres/postgres_connection.h"
#include "storage/postgres/postgres_options.h"
#include "storage/postgres/postgres_session.h"
#include "storage/sql/server_database.h"

namespace millstream::storage::postgres {

struct PostgresEngine {
  using Options = PostgresOptions;
  using Connection = PostgresConnection;
  using Session = PostgresSession;

  static constexpr char kName[] = "PostgreSQL";
  static constexpr char kBeginRead[] =
      "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
  static constexpr char kBeginWrite[] =
      "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE";

  static absl::StatusOr<std::unique_ptr<PostgresConnection>> Connect(
      const PostgresOptions& options);
};

using PostgresDatabase = sql::ServerDatabase<PostgresEngine>;

}  // namespace millstream::storage::postgres

extern template class millstream::storage::sql::ServerDatabase<
    millstream::storage::postgres::PostgresEngine>;

#endif  // MILLSTREAM_STORAGE_POSTGRES_POSTGRES_DATABASE_H_
