// What happens when the database goes away and comes back.
#include <gtest/gtest.h>

#include "storage/postgres/postgres_testing.h"

namespace millstream::storage {

INSTANTIATE_TEST_SUITE_P(Postgres, ServerRestartConformance,
                         ::testing::Values(&postgres::SharedPostgres::Shared));

}  // namespace millstream::storage
