#include "storage/mysql/mysql_database.h"

#include <gtest/gtest.h>

#include "storage/mlflow_schema/key_collation.h"
#include "storage/mysql/mysql_testing.h"

namespace millstream::storage {

INSTANTIATE_TEST_SUITE_P(Mysql, ServerDatabaseConformance,
                         ::testing::Values(&mysql::SharedMariadb::Shared));
INSTANTIATE_TEST_SUITE_P(Mysql, ServerChartsConformance,
                         ::testing::Values(&mysql::SharedMariadb::Shared));

namespace mysql {
namespace {

using MysqlDatabaseTest = OwnServerDatabaseTest<SharedMariadb>;

// Where the server has no room for more prepared statements, one at a time.
TEST_F(MysqlDatabaseTest, GoesOnWhereNothingStaysPrepared) {
  ASSERT_TRUE(Insert(1).ok());
  testing::MariadbServer& mariadb = SharedMariadb::Own().server();
  mariadb.Run("", "SET GLOBAL max_prepared_stmt_count = 3");
  for (int64_t id = 2; id < 6; ++id) {
    ASSERT_TRUE(Insert(id).ok());
    EXPECT_EQ(
        Number(StrCat("SELECT count(*) + ", id, " - ", id, " FROM numbers")),
        id);
  }
  mariadb.Run("", "SET GLOBAL max_prepared_stmt_count = 16382");
}

TEST_F(MysqlDatabaseTest, SaysWhetherKeysThatDifferInCaseAreOne) {
  constexpr std::string_view kTable =
      "CREATE TABLE params (\"key\" VARCHAR(250))";
  ASSERT_TRUE(Run(kTable).ok());
  EXPECT_EQ(*mlflow::LooseKeyCollation(database_.get()), "");
  uri_ = SharedMariadb::Own().server().MakeDatabase("loose");
  database_ = Open();
  ASSERT_TRUE(Run(kTable).ok());
  EXPECT_EQ(*mlflow::LooseKeyCollation(database_.get()), "utf8mb4_general_ci");
}

}  // namespace
}  // namespace mysql
}  // namespace millstream::storage
