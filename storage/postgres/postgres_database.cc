#include "storage/postgres/postgres_database.h"

namespace millstream::storage::postgres {

absl::StatusOr<std::unique_ptr<PostgresConnection>> PostgresEngine::Connect(
    const PostgresOptions& options) {
  return PostgresConnection::Connect(
      {.keywords = options.keywords,
       .statement_timeout = options.statement_timeout});
}

}  // namespace millstream::storage::postgres

template class millstream::storage::sql::ServerDatabase<
    millstream::storage::postgres::PostgresEngine>;
