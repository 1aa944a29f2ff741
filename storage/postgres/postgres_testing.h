// The PostgreSQL server that tests of this folder share.
#ifndef MILLSTREAM_STORAGE_POSTGRES_POSTGRES_TESTING_H_
#define MILLSTREAM_STORAGE_POSTGRES_POSTGRES_TESTING_H_

#include <string>
#include <string_view>

#include "storage/conformance/database_server.h"
#include "storage/postgres/postgres_database.h"
#include "storage/testing/postgres_server.h"

namespace millstream::storage::postgres {

struct PostgresServerTraits {
  using Server = testing::PostgresServer;
  using Database = PostgresDatabase;
  static constexpr auto* kOptionsOf = &PostgresOptionsOf;
  static constexpr std::string_view kSleep = "SELECT 1 FROM pg_sleep(60)";
  static constexpr std::string_view kBytesType = "BYTEA";
  static constexpr std::string_view kSocket = ".s.PGSQL.5432";
  static constexpr std::string_view kCommitted = "COMMIT";

  static std::string MakeDatabase(Server& server, const std::string& name) {
    return server.MakeDatabase(name);
  }
};

using SharedPostgres = DatabaseServerOf<PostgresServerTraits>;

}  // namespace millstream::storage::postgres

#endif  // MILLSTREAM_STORAGE_POSTGRES_POSTGRES_TESTING_H_
