#include "storage/postgres/postgres_database.h"

#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <string>

#include "base/error.h"
#include "storage/postgres/postgres_testing.h"

namespace millstream::storage {

INSTANTIATE_TEST_SUITE_P(Postgres, ServerDatabaseConformance,
                         ::testing::Values(&postgres::SharedPostgres::Shared));
INSTANTIATE_TEST_SUITE_P(Postgres, ServerChartsConformance,
                         ::testing::Values(&postgres::SharedPostgres::Shared));

namespace postgres {
namespace {

using PostgresDatabaseTest = OwnServerDatabaseTest<SharedPostgres>;

TEST_F(PostgresDatabaseTest, RefusesTextThatItCannotKeep) {
  ASSERT_TRUE(Run("CREATE TABLE texts (t TEXT)").ok());
  EXPECT_EQ(
      GetErrorCode(Run("INSERT INTO texts VALUES (?)", std::string("a\0b", 3))),
      v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(Number("SELECT count(*) FROM texts"), 0);
}

TEST_F(PostgresDatabaseTest, KeepsInfinities) {
  ASSERT_TRUE(Run("CREATE TABLE reals (r DOUBLE PRECISION)").ok());
  static constexpr std::string_view kColumns[] = {"r"};
  const sql::Cell cells[] = {std::numeric_limits<double>::infinity(),
                             -std::numeric_limits<double>::infinity()};
  const auto write = [&](sql::Transaction& transaction) {
    return transaction.InsertRowsLater(
        {.table = "reals", .columns = kColumns, .cells = cells});
  };
  ASSERT_TRUE(database_->Write(write).ok());
  EXPECT_EQ(Number("SELECT count(*) FROM reals WHERE r IN ('Infinity', "
                   "'-Infinity')"),
            2);
}

// Connections that are open live on; the next is refused by the old one.
TEST_F(PostgresDatabaseTest, AsksForAPasswordThatHasChanged) {
  ASSERT_TRUE(Run("CREATE ROLE rotated LOGIN PASSWORD 'old'").ok());
  const std::string& folder = SharedPostgres::Own().server().folder();
  std::ofstream(StrCat(folder, "/data/pg_hba.conf"))
      << "local all rotated scram-sha-256\nlocal all all trust\n";
  server().Stop();
  server().Start();
  std::string text = uri_;
  text.replace(text.find("postgres@"), 9, "rotated:old@");
  auto uri = sql::ParseDatabaseUri(text, "--uri");
  ASSERT_TRUE(uri.ok()) << uri.status();
  int asked = 0;
  uri->fresh_password = [&] {
    ++asked;
    return std::string("new");
  };
  auto database = PostgresDatabase::Open(*PostgresOptionsOf(*uri, "--uri"));
  ASSERT_TRUE(database.ok()) << database.status();
  const auto look = [](sql::Connection& connection) {
    return Number(connection, "SELECT 1").status();
  };
  EXPECT_TRUE((*database)->Read(look).ok());
  EXPECT_EQ(asked, 0);
  ASSERT_TRUE(Run("ALTER ROLE rotated PASSWORD 'new'").ok());
  const absl::Status status =
      (*database)->Read([&](sql::Connection& connection) {
        EXPECT_TRUE((*database)->Read(look).ok());
        return look(connection);
      });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(asked, 1);
}

// As behind a pooler that hands transactions to any session.
TEST_F(PostgresDatabaseTest, GoesOnWhereNothingStaysPrepared) {
  ASSERT_TRUE(Insert(1).ok());
  EXPECT_EQ(Count(), 1);
  ASSERT_TRUE(Run("DEALLOCATE ALL").ok());
  ASSERT_TRUE(Insert(2).ok());
  EXPECT_EQ(Count(), 2);
}

}  // namespace
}  // namespace postgres
}  // namespace millstream::storage
