// MLflow's schema in SQLite: made, taken, refused.
#include "storage/mlflow_schema/mlflow_schema.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/sqlite/sqlite_connection.h"
#include "storage/sqlite/sqlite_database.h"
#include "storage/testing/temp_dir.h"

namespace millstream::storage {
namespace {

using ::testing::HasSubstr;

constexpr char kFacts[] = "storage/mlflow_schema/testdata/sqlite.txt";
constexpr char kUri[] = "sqlite:////data/mlflow.db";

// A statement without what does not matter: quotes and white space.
std::string Normal(std::string_view sql) {
  std::string out;
  for (const char c : sql) {
    if (c == '"') continue;
    const bool is_space = c == ' ' || c == '\n' || c == '\t';
    const bool joins = is_space || c == '(' || c == ')' || c == ',';
    if (joins && !out.empty() && out.back() == ' ') out.pop_back();
    const bool after_mark = !out.empty() && (out.back() == '(' ||
                                             out.back() == ')' ||
                                             out.back() == ',');
    if (is_space && after_mark) continue;
    out += is_space ? ' ' : c;
  }
  return out;
}

class MlflowSchemaTest : public ::testing::Test {
 protected:
  std::string path() const { return folder_.path() + "/mlflow.db"; }
  std::unique_ptr<sqlite::SqliteDatabase> Open() {
    auto database = sqlite::SqliteDatabase::Open(
        path(),
        {.durability = Durability::kProcess, .schema = sql::Schema::kMlflow});
    EXPECT_TRUE(database.ok()) << database.status();
    return *std::move(database);
  }
  // As Python's programs do: with a journal that is deleted.
  static std::unique_ptr<sqlite::SqliteConnection> OpenAsOthers(
      const std::string& path) {
    auto connection =
        sqlite::SqliteConnection::Open(path, {.leave_journal = true});
    EXPECT_TRUE(connection.ok()) << connection.status();
    return *std::move(connection);
  }
  static std::string BytesOf(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  static void Run(sql::Database& database, std::string_view sql) {
    const absl::Status status =
        database.Write([&](sql::Transaction& transaction) {
          return transaction.Execute(sql);
        });
    EXPECT_TRUE(status.ok()) << status;
  }
  // What a query of text in its columns returns, a line for each row.
  static std::vector<std::string> Lines(sql::Database& database,
                                        std::string_view sql, int columns) {
    std::vector<std::string> lines;
    const absl::Status status =
        database.Read([&](sql::Connection& connection) -> absl::Status {
          ASSIGN_OR_RETURN(sql::StatementPtr row, connection.Prepare(sql));
          for (;;) {
            ASSIGN_OR_RETURN(const bool more, row->Step());
            if (!more) return absl::OkStatus();
            std::string line;
            for (int i = 0; i < columns; ++i) {
              if (i > 0) line += ' ';
              line += Normal(row->Text(i));
            }
            lines.push_back(std::move(line));
          }
        });
    EXPECT_TRUE(status.ok()) << status;
    std::sort(lines.begin(), lines.end());
    return lines;
  }
  static std::vector<std::string> Schema(sql::Database& database) {
    return Lines(database,
                 "SELECT type, name, tbl_name || CASE type WHEN 'trigger' "
                 "THEN '' ELSE ' ' || sql END FROM sqlite_master "
                 "WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'",
                 3);
  }
  static std::string Refusal(sql::Database& database) {
    const absl::Status status = mlflow::PrepareSchema(&database, kUri);
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    return std::string(status.message());
  }

  const testing::TempDir folder_;
};

TEST_F(MlflowSchemaTest, AnEmptyDatabaseGetsWhatMlflowWouldMake) {
  auto database = Open();
  ASSERT_TRUE(mlflow::PrepareSchema(database.get(), kUri).ok());
  std::ifstream file(kFacts);
  std::stringstream facts;
  facts << file.rdbuf();
  ASSERT_GT(facts.str().size(), 1000u);
  EXPECT_EQ(absl::StrJoin(Schema(*database), "\n") + "\n", facts.str());
  EXPECT_THAT(
      Lines(*database, "SELECT version_num FROM alembic_version", 1),
      ::testing::ElementsAre(mlflow::Revision()));
  EXPECT_THAT(Lines(*database, "SELECT name FROM workspaces", 1),
              ::testing::ElementsAre("default"));
}

TEST_F(MlflowSchemaTest, OneOfItsRevisionIsLeftAsItIs) {
  auto database = Open();
  Run(*database, "CREATE TABLE alembic_version (version_num TEXT)");
  Run(*database, StrCat("INSERT INTO alembic_version VALUES ('",
                        mlflow::Revision(), "')"));
  const std::vector<std::string> before = Schema(*database);
  EXPECT_TRUE(mlflow::PrepareSchema(database.get(), kUri).ok());
  EXPECT_EQ(Schema(*database), before);
}

TEST_F(MlflowSchemaTest, AnOlderOneIsToldHowToUpgrade) {
  auto database = Open();
  Run(*database, "CREATE TABLE alembic_version (version_num TEXT)");
  // MLflow's first.
  Run(*database, "INSERT INTO alembic_version VALUES ('451aebb31d03')");
  EXPECT_THAT(Refusal(*database),
              HasSubstr(StrCat("mlflow db upgrade ", kUri)));
}

TEST_F(MlflowSchemaTest, ANewerOneIsRefused) {
  auto database = Open();
  Run(*database, "CREATE TABLE alembic_version (version_num TEXT)");
  Run(*database, "INSERT INTO alembic_version VALUES ('ffffffffffff')");
  EXPECT_THAT(Refusal(*database), HasSubstr("newer MLflow"));
}

TEST_F(MlflowSchemaTest, TablesOfOthersAreRefused) {
  auto database = Open();
  Run(*database, "CREATE TABLE customers (name TEXT)");
  EXPECT_THAT(Refusal(*database), HasSubstr("not MLflow's"));
  EXPECT_EQ(Schema(*database).size(), 1u);
}

// Somebody may go on using it with a program that wants it as it was.
TEST_F(MlflowSchemaTest, NoByteOfWhatIsRefusedIsAltered) {
  constexpr char kRevision[] =
      "CREATE TABLE alembic_version (version_num TEXT);"
      "INSERT INTO alembic_version VALUES ";
  for (const std::string& script :
       {StrCat(kRevision, "('451aebb31d03')"), StrCat(kRevision, "('newer')"),
        std::string("CREATE TABLE customers (name TEXT)")}) {
    std::filesystem::remove(path());
    ASSERT_TRUE(OpenAsOthers(path())->ExecuteScript(script).ok());
    const std::string before = BytesOf(path());
    Refusal(*Open());
    EXPECT_TRUE(BytesOf(path()) == before) << script;
    EXPECT_FALSE(std::filesystem::exists(path() + "-wal")) << script;
  }
}

TEST_F(MlflowSchemaTest, WhatIsTakenHasALog) {
  const std::string script =
      StrCat("CREATE TABLE alembic_version (version_num TEXT);"
             "INSERT INTO alembic_version VALUES ('", mlflow::Revision(), "')");
  ASSERT_TRUE(OpenAsOthers(path())->ExecuteScript(script).ok());
  auto database = Open();
  ASSERT_TRUE(mlflow::PrepareSchema(database.get(), kUri).ok());
  // Versions of the file's format: 2 has a log.
  EXPECT_EQ(BytesOf(path()).substr(18, 2), "\2\2");
}

TEST_F(MlflowSchemaTest, WhatAnotherLeftUnfinishedIsTakenBack) {
  const std::string script =
      StrCat("CREATE TABLE alembic_version (version_num TEXT);"
             "INSERT INTO alembic_version VALUES ('", mlflow::Revision(), "')");
  ASSERT_TRUE(OpenAsOthers(path())->ExecuteScript(script).ok());
  const pid_t child = fork();
  if (child == 0) {
    // Dies with pages of its transaction in the file.
    const absl::Status begun = OpenAsOthers(path()).release()->ExecuteScript(
        "PRAGMA cache_size = 1; BEGIN IMMEDIATE;"
        "UPDATE alembic_version SET version_num = 'unfinished';"
        "CREATE TABLE large (t TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION "
        "ALL SELECT i + 1 FROM n WHERE i < 2000) "
        "INSERT INTO large SELECT hex(randomblob(500)) FROM n");
    _exit(begun.ok() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  ASSERT_TRUE(std::filesystem::exists(path() + "-journal"));
  auto database = Open();
  EXPECT_TRUE(mlflow::PrepareSchema(database.get(), kUri).ok());
}

TEST_F(MlflowSchemaTest, TablesOfOurOwnDoNotMatter) {
  auto database = Open();
  Run(*database, "CREATE TABLE millstream_writer_frames (run_uuid TEXT)");
  EXPECT_TRUE(mlflow::PrepareSchema(database.get(), kUri).ok());
}

TEST_F(MlflowSchemaTest, ServersThatBeginAtOnceFindOneSchema) {
  constexpr int kServers = 4;
  std::vector<std::thread> servers;
  for (int i = 0; i < kServers; ++i) {
    servers.emplace_back([this] {
      auto database = Open();
      const absl::Status status = mlflow::PrepareSchema(database.get(), kUri);
      EXPECT_TRUE(status.ok()) << status;
    });
  }
  for (std::thread& server : servers) server.join();
  auto database = Open();
  EXPECT_EQ(
      Lines(*database, "SELECT version_num FROM alembic_version", 1).size(),
      1u);
}

}  // namespace
}  // namespace millstream::storage
