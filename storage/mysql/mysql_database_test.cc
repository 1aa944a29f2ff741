#include "storage/mysql/mysql_database.h"

#include <gtest/gtest.h>

#include "storage/mysql/mysql_testing.h"

namespace millstream::storage {

INSTANTIATE_TEST_SUITE_P(Mysql, ServerDatabaseConformance,
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

}  // namespace
}  // namespace mysql
}  // namespace millstream::storage
