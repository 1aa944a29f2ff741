// What happens when the database goes away and comes back.
#include <gtest/gtest.h>

#include "storage/mysql/mysql_testing.h"

namespace millstream::storage {

INSTANTIATE_TEST_SUITE_P(Mysql, ServerRestartConformance,
                         ::testing::Values(&mysql::SharedMariadb::Shared));

}  // namespace millstream::storage
