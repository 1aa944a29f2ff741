// What happens when the database goes away and comes back.
#include <gtest/gtest.h>

#include <thread>

#include "storage/postgres/postgres_testing.h"

namespace millstream::storage {

INSTANTIATE_TEST_SUITE_P(Postgres, ServerRestartConformance,
                         ::testing::Values(&postgres::SharedPostgres::Shared));

namespace postgres {
namespace {

using sql::Transaction;

using PostgresRestartTest = OwnServerDatabaseTest<SharedPostgres>;

// The commit is under way, and waits, when the server dies.
TEST_F(PostgresRestartTest, ACommitOfUnknownOutcomeIsNotRepeated) {
  ASSERT_TRUE(
      Run("CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ "
          "BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$")
          .ok());
  ASSERT_TRUE(Run("CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON numbers "
                  "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
                  "EXECUTE FUNCTION wait()")
                  .ok());
  const auto committing = Open();
  int runs = 0;
  absl::Status status;
  std::thread writer([&] {
    status = committing->Write([&](Transaction& transaction) {
      ++runs;
      return transaction.Execute("INSERT INTO numbers (id) VALUES (1)");
    });
  });
  while (Number("SELECT count(*) FROM pg_stat_activity "
                "WHERE wait_event = 'PgSleep'") == 0) {
    std::this_thread::yield();
  }
  server().StopAtOnce();
  writer.join();
  server().Start();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(Count(), 0);
}

}  // namespace
}  // namespace postgres
}  // namespace millstream::storage
