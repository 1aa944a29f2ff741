// What a PostgreSQL backend is opened with, from a URI.
#ifndef MILLSTREAM_STORAGE_POSTGRES_POSTGRES_OPTIONS_H_
#define MILLSTREAM_STORAGE_POSTGRES_POSTGRES_OPTIONS_H_

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "storage/sql/connection_pool.h"
#include "storage/sql/database_uri.h"

namespace millstream::storage::postgres {

struct PostgresOptions {
  // libpq's keywords with values.
  std::vector<std::pair<std::string, std::string>> keywords;
  // As DatabaseUri::fresh_password.
  std::function<absl::StatusOr<std::string>()> fresh_password;
  // How the log calls the database: no user, no password.
  std::string name;
  sql::PoolOptions pool;
  // The server ends statements that take longer: no caller waits for more
  // (limits::kHttpCallMsMax). Zero: none is ended.
  absl::Duration statement_timeout = absl::Minutes(5);
  // How long a call goes on trying when the database cannot be reached: it may
  // be restarting.
  absl::Duration reconnect = absl::Seconds(20);
  // How long Open waits for a database that is not there yet.
  absl::Duration wait_at_start = absl::Minutes(2);

  void SetPassword(std::string_view password);
};

// The options for a URI of PostgreSQL; all but the keywords and the name are
// defaults. Keys of the URI's query are those that libpq, and so psycopg2,
// takes, and asyncpg's `ssl`. INVALID_ARGUMENT naming `flag` and a key that is
// none, or whose value libpq refuses whatever server there is. Thread-safe.
absl::StatusOr<PostgresOptions> PostgresOptionsOf(const sql::DatabaseUri& uri,
                                                  std::string_view flag);

}  // namespace millstream::storage::postgres

#endif  // MILLSTREAM_STORAGE_POSTGRES_POSTGRES_OPTIONS_H_
