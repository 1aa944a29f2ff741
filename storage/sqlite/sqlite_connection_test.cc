#include "storage/sqlite/sqlite_connection.h"

#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "base/str_cat.h"
#include "storage/testing/temp_dir.h"

namespace millstream::storage::sqlite {
namespace {

class SqliteConnectionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto connection = SqliteConnection::Open(path(), {});
    ASSERT_TRUE(connection.ok()) << connection.status();
    connection_ = *std::move(connection);
    ASSERT_TRUE(connection_
                    ->ExecuteScript(
                        "CREATE TABLE t (k INTEGER PRIMARY KEY, v ANY UNIQUE, "
                        "n TEXT NOT NULL DEFAULT '')")
                    .ok());
  }
  std::string path() const { return temp_.path() + "/db"; }

  testing::TempDir temp_;
  std::unique_ptr<SqliteConnection> connection_;
};

TEST_F(SqliteConnectionTest, BindsAndReadsEveryType) {
  const std::string text("ü\0x", 4);
  auto row = connection_->Query(
      "SELECT ?, ?, ?, ?, ?, ?", std::numeric_limits<int64_t>::min(), 0.1,
      text, nullptr, std::optional<int64_t>(), "");
  ASSERT_TRUE(row.ok()) << row.status();
  ASSERT_TRUE(*(*row)->Step());
  EXPECT_EQ((*row)->Int64(0), std::numeric_limits<int64_t>::min());
  EXPECT_EQ((*row)->Double(1), 0.1);
  EXPECT_EQ((*row)->Text(2), text);
  EXPECT_TRUE((*row)->IsNull(3));
  EXPECT_TRUE((*row)->IsNull(4));
  EXPECT_FALSE((*row)->IsNull(5));
  EXPECT_EQ((*row)->Text(5), "");
  EXPECT_EQ((*row)->Get(1), sql::Value(0.1));
  EXPECT_EQ((*row)->Get(3), sql::Value());
  EXPECT_FALSE(*(*row)->Step());
}

TEST_F(SqliteConnectionTest, BindsAnEmptyViewAsEmptyTextNotNull) {
  auto row = connection_->Query("SELECT ?", std::string_view());
  ASSERT_TRUE(*(*row)->Step());
  EXPECT_FALSE((*row)->IsNull(0));
}

TEST_F(SqliteConnectionTest, PreparesATextOnce) {
  const sql::Statement* first = connection_->Prepare("SELECT 1")->get();
  EXPECT_EQ(connection_->Prepare("SELECT 1")->get(), first);
}

TEST_F(SqliteConnectionTest, LetsATextBeUsedWhileItIsUsed) {
  ASSERT_TRUE(connection_->Execute("INSERT INTO t (k) VALUES (1), (2)").ok());
  auto outer = connection_->Query("SELECT k FROM t ORDER BY k");
  ASSERT_TRUE(*(*outer)->Step());
  {
    auto inner = connection_->Query("SELECT k FROM t ORDER BY k");
    ASSERT_TRUE(*(*inner)->Step());
    EXPECT_EQ((*inner)->Int64(0), 1);
  }
  ASSERT_TRUE(*(*outer)->Step());
  EXPECT_EQ((*outer)->Int64(0), 2);
}

TEST_F(SqliteConnectionTest, ForgetsOldTextsAndKeepsThoseInUse) {
  auto used = connection_->Query("SELECT 'used'");
  for (size_t i = 0; i < 2 * SqliteConnection::kCachedStatementsMax; ++i) {
    ASSERT_TRUE(connection_->Prepare(StrCat("SELECT ", i)).ok());
  }
  ASSERT_TRUE(*(*used)->Step());
  EXPECT_EQ((*used)->Text(0), "used");
  EXPECT_LE(connection_->cached_statements(),
            SqliteConnection::kCachedStatementsMax + 1);
}

TEST_F(SqliteConnectionTest, DoesNotKeepLongTexts) {
  const size_t before = connection_->cached_statements();
  const std::string text =
      "SELECT 1" + std::string(SqliteConnection::kCachedTextBytesMax, ' ');
  ASSERT_TRUE(connection_->Prepare(text).ok());
  EXPECT_EQ(connection_->cached_statements(), before);
}

TEST_F(SqliteConnectionTest, TellsAKeyThatIsTakenFromOtherConstraints) {
  ASSERT_TRUE(connection_->Execute("INSERT INTO t (k, v) VALUES (1, 1)").ok());
  EXPECT_TRUE(absl::IsAlreadyExists(
      connection_->Execute("INSERT INTO t (k) VALUES (1)")));
  EXPECT_TRUE(absl::IsAlreadyExists(
      connection_->Execute("INSERT INTO t (v) VALUES (1)")));
  EXPECT_TRUE(absl::IsFailedPrecondition(
      connection_->Execute("INSERT INTO t (n) VALUES (NULL)")));
}

TEST_F(SqliteConnectionTest, SaysWhatItDoesNotUnderstand) {
  EXPECT_TRUE(absl::IsInternal(connection_->Prepare("SELEC 1").status()));
  EXPECT_TRUE(absl::IsInternal(connection_->Prepare("").status()));
  // Double quotes never make a string.
  EXPECT_TRUE(
      absl::IsInternal(connection_->Prepare("SELECT \"nothing\"").status()));
}

TEST_F(SqliteConnectionTest, FailsTheStepForAParameterThatIsNotThere) {
  auto row = connection_->Query("SELECT ?", 1, 2);
  ASSERT_TRUE(row.ok());
  EXPECT_FALSE((*row)->Step().ok());
}

TEST_F(SqliteConnectionTest, ReportsChangesAndIds) {
  ASSERT_TRUE(connection_->Execute("INSERT INTO t (k) VALUES (41)").ok());
  ASSERT_TRUE(connection_->Execute("INSERT INTO t (v) VALUES (1)").ok());
  EXPECT_EQ(connection_->last_insert_id(), 42);
  ASSERT_TRUE(connection_->Execute("DELETE FROM t").ok());
  EXPECT_EQ(connection_->changes(), 2);
  ASSERT_TRUE(connection_->Execute("DELETE FROM t").ok());
  EXPECT_EQ(connection_->changes(), 0);
}

TEST_F(SqliteConnectionTest, ReadsOnlyIfToldSo) {
  auto reader = SqliteConnection::Open(path(), {.read_only = true});
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_FALSE((*reader)->Execute("INSERT INTO t (k) VALUES (1)").ok());
  EXPECT_FALSE(
      SqliteConnection::Open(temp_.path() + "/none", {.read_only = true})
          .ok());
}

// What statements save for a savepoint is temporary data. In memory, SQLite
// walks all of it whenever a statement under the savepoint ends, so a large
// body in a group took minutes.
TEST_F(SqliteConnectionTest, KeepsTemporaryDataInFiles) {
  constexpr int kDefault = 0;
  EXPECT_EQ(*connection_->QueryInt64("PRAGMA temp_store"), kDefault);
}

TEST_F(SqliteConnectionTest, RefusesAFileThatIsNoDatabase) {
  const std::string path = temp_.path() + "/text";
  std::ofstream(path) << std::string(8192, 'x');
  EXPECT_TRUE(
      absl::IsDataLoss(SqliteConnection::Open(path, {}).status()));
}

}  // namespace
}  // namespace millstream::storage::sqlite
