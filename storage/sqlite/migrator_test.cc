#include "storage/sqlite/migrator.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/str_cat.h"
#include "storage/sqlite/migrations.h"
#include "storage/testing/temp_dir.h"

namespace millstream::storage::sqlite {
namespace {

class MigratorTest : public ::testing::Test {
 protected:
  std::unique_ptr<SqliteConnection> Open(std::string_view name) {
    auto connection =
        SqliteConnection::Open(StrCat(temp_.path(), "/", name), {});
    EXPECT_TRUE(connection.ok()) << connection.status();
    return *std::move(connection);
  }
  // Everything that the file's schema consists of.
  static std::vector<std::string> Schema(SqliteConnection& connection) {
    std::vector<std::string> texts;
    auto row = connection.Query(
        "SELECT type, name, sql FROM sqlite_master ORDER BY type, name");
    while (*(*row)->Step()) {
      texts.push_back(StrCat((*row)->Text(0), " ", (*row)->Text(1), " ",
                             (*row)->Text(2)));
    }
    return texts;
  }
  static int64_t Version(SqliteConnection& connection) {
    return *connection.QueryInt64("PRAGMA user_version");
  }

  testing::TempDir temp_;
};

TEST_F(MigratorTest, LeadsFromEveryVersionToTheLatest) {
  auto fresh = Open("fresh");
  ASSERT_TRUE(Migrate(*fresh, LatestVersion()).ok());
  EXPECT_EQ(Version(*fresh), LatestVersion());
  for (int from = 0; from <= LatestVersion(); ++from) {
    auto connection = Open(StrCat("from", from));
    ASSERT_TRUE(Migrate(*connection, from).ok());
    EXPECT_EQ(Version(*connection), from);
    if (from > 0) {
      ASSERT_TRUE(connection
                      ->Execute("INSERT INTO experiments VALUES (7, 'kept', "
                                "'default', 'l', 'active', 1, 2)")
                      .ok());
    }
    ASSERT_TRUE(Migrate(*connection, LatestVersion()).ok());
    EXPECT_EQ(Schema(*connection), Schema(*fresh)) << "from " << from;
    if (from > 0) {
      EXPECT_EQ(*connection->QueryInt64("SELECT count(*) FROM experiments "
                                        "WHERE experiment_id = 7"),
                1);
    }
  }
}

TEST_F(MigratorTest, SearchTakesOverTheValuesOfRuns) {
  auto connection = Open("db");
  ASSERT_TRUE(Migrate(*connection, 1).ok());
  const absl::Status filled = connection->ExecuteScript(
      "INSERT INTO experiments VALUES (7, 'e', 'default', 'l', 'active', 1, 2);"
      "INSERT INTO runs (run_uuid, name, status, start_time, lifecycle_stage, "
      "experiment_id) VALUES ('r', 'n', 'RUNNING', 17, 'active', 7), "
      "('s', 'n', 'RUNNING', NULL, 'deleted', 7);"
      "INSERT INTO tags VALUES ('r', 'mlflow.runName', 'n'), ('r', 't', NULL);"
      "INSERT INTO params VALUES ('r', 'p', 'v'), ('s', 'p', 'w');"
      "INSERT INTO latest_metrics VALUES ('r', 'm', 0.5, 1, 2, 0), "
      "('s', 'm', 0, 3, 4, 1);");
  ASSERT_TRUE(filled.ok()) << filled;
  ASSERT_TRUE(Migrate(*connection, 2).ok());
  auto row = connection->Query(
      "SELECT run_uuid, \"key\", value, experiment_id, start_time FROM tags "
      "UNION ALL SELECT run_uuid, \"key\", value, experiment_id, start_time "
      "FROM params UNION ALL SELECT run_uuid, \"key\", value || ' ' || "
      "\"timestamp\" || ' ' || step || ' ' || is_nan, experiment_id, "
      "start_time FROM latest_metrics");
  ASSERT_TRUE(row.ok()) << row.status();
  std::vector<std::string> rows;
  while (*(*row)->Step()) {
    rows.push_back(StrCat((*row)->Text(0), " ", (*row)->Text(1), " ",
                          (*row)->Text(2), " in ", (*row)->Int64(3), " at ",
                          (*row)->Text(4)));
  }
  EXPECT_EQ(rows, (std::vector<std::string>{
                      "r mlflow.runName n in 7 at 17", "r t  in 7 at 17",
                      "r p v in 7 at 17", "s p w in 7 at ",
                      "r m 0.5 1 2 0 in 7 at 17", "s m 0.0 3 4 1 in 7 at "}));
}

TEST_F(MigratorTest, AgainChangesNothing) {
  auto connection = Open("db");
  ASSERT_TRUE(Migrate(*connection, LatestVersion()).ok());
  const std::vector<std::string> before = Schema(*connection);
  ASSERT_TRUE(Migrate(*connection, LatestVersion()).ok());
  EXPECT_EQ(Schema(*connection), before);
}

TEST_F(MigratorTest, StepsAreNumberedInOrder) {
  for (int i = 0; i < kMigrationCount; ++i) {
    const std::string number = StrCat(10001 + i).substr(1);
    EXPECT_EQ(std::string(kMigrations[i].name).substr(0, 5), number + "_");
  }
}

TEST_F(MigratorTest, RefusesANewerFileAndSaysWhatToDo) {
  auto connection = Open("db");
  ASSERT_TRUE(Migrate(*connection, LatestVersion()).ok());
  ASSERT_TRUE(connection
                  ->ExecuteScript(StrCat("PRAGMA user_version = ",
                                         LatestVersion() + 1))
                  .ok());
  const absl::Status status = Migrate(*connection, LatestVersion());
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("newer millstream"),
            absl::string_view::npos)
      << status;
}

TEST_F(MigratorTest, RefusesAnotherProgramsFileAndLeavesItAlone) {
  auto connection = Open("db");
  ASSERT_TRUE(connection->ExecuteScript("CREATE TABLE theirs (a)").ok());
  const std::vector<std::string> before = Schema(*connection);
  EXPECT_EQ(Migrate(*connection, LatestVersion()).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Schema(*connection), before);
}

}  // namespace
}  // namespace millstream::storage::sqlite
