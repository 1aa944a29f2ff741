#include "storage/testing/any_database.h"

#include <gtest/gtest.h>

#include <utility>

#include "base/str_cat.h"
#include "storage/mysql/mysql_database.h"
#include "storage/mysql/mysql_options.h"
#include "storage/postgres/postgres_database.h"
#include "storage/postgres/postgres_options.h"
#include "storage/sql/database_uri.h"
#include "storage/sqlite/sqlite_database.h"
#include "storage/testing/mariadb_server.h"
#include "storage/testing/postgres_server.h"

namespace millstream::storage::testing {
namespace {

class Servers final : public ::testing::Environment {
 public:
  void TearDown() override {
    postgres.reset();
    mariadb.reset();
  }

  inline static std::unique_ptr<PostgresServer> postgres;
  inline static std::unique_ptr<MariadbServer> mariadb;
};

const auto* const kServers = ::testing::AddGlobalTestEnvironment(new Servers);

template <typename Server>
Server& Started(std::unique_ptr<Server>& server) {
  if (server == nullptr) server = std::make_unique<Server>();
  return *server;
}

template <typename Database>
std::unique_ptr<sql::Database> OpenWith(
    const absl::StatusOr<typename Database::Options>& options) {
  EXPECT_TRUE(options.ok()) << options.status();
  auto database = Database::Open(*options);
  EXPECT_TRUE(database.ok()) << database.status();
  return *std::move(database);
}

}  // namespace

AnyDatabase::AnyDatabase(sql::Dialect dialect) : dialect_(dialect) {
  static int number = 0;
  const std::string name = StrCat("any", ++number);
  switch (dialect) {
    case sql::Dialect::kSqlite:
      uri_ = StrCat("sqlite:///", folder_.path(), "/", name, ".db");
      break;
    case sql::Dialect::kPostgres:
      uri_ = Started(Servers::postgres).MakeDatabase(name);
      break;
    case sql::Dialect::kMysql:
      uri_ = Started(Servers::mariadb).MakeDatabase(name);
      break;
  }
}

std::unique_ptr<sql::Database> AnyDatabase::Open() const {
  const auto uri = sql::ParseDatabaseUri(uri_, "--uri");
  EXPECT_TRUE(uri.ok()) << uri.status();
  switch (dialect_) {
    case sql::Dialect::kSqlite: {
      auto database = sqlite::SqliteDatabase::Open(
          uri->database, {.durability = Durability::kProcess,
                          .schema = sql::Schema::kMlflow});
      EXPECT_TRUE(database.ok()) << database.status();
      return *std::move(database);
    }
    case sql::Dialect::kPostgres:
      return OpenWith<postgres::PostgresDatabase>(
          postgres::PostgresOptionsOf(*uri, "--uri"));
    case sql::Dialect::kMysql:
      return OpenWith<mysql::MysqlDatabase>(
          mysql::MysqlOptionsOf(*uri, "--uri"));
  }
  return nullptr;
}

std::string NameOf(sql::Dialect dialect) {
  switch (dialect) {
    case sql::Dialect::kSqlite:
      return "Sqlite";
    case sql::Dialect::kPostgres:
      return "Postgres";
    case sql::Dialect::kMysql:
      return "Mysql";
  }
  return "";
}

}  // namespace millstream::storage::testing
