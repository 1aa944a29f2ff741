#include "storage/sqlite/sqlite_snapshot.h"

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "storage/sqlite/sqlite_connection.h"
#include "storage/testing/temp_dir.h"

namespace millstream::storage::sqlite {
namespace {

class SqliteSnapshotTest : public ::testing::Test {
 protected:
  SqliteSnapshotTest()
      : path_(dir_.path() + "/a.db"), copy_(dir_.path() + "/copy.db") {
    auto opened = SqliteConnection::Open(path_, {});
    EXPECT_TRUE(opened.ok()) << opened.status();
    writer_ = *std::move(opened);
    EXPECT_TRUE(writer_->ExecuteScript("CREATE TABLE t (x)").ok());
  }

  void AddRows(int count) {
    ASSERT_TRUE(writer_
                    ->Execute("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL "
                              "SELECT i + 1 FROM n WHERE i < ?) "
                              "INSERT INTO t SELECT randomblob(500) FROM n",
                              count)
                    .ok());
  }

  static int64_t Rows(const std::string& path) {
    auto reader = SqliteConnection::Open(path, {.read_only = true});
    EXPECT_TRUE(reader.ok()) << reader.status();
    auto rows = (*reader)->QueryInt64("SELECT count(*) FROM t");
    EXPECT_TRUE(rows.ok()) << rows.status();
    return rows.value_or(-1);
  }

  const testing::TempDir dir_;
  const std::string path_;
  const std::string copy_;
  std::unique_ptr<SqliteConnection> writer_;
};

TEST_F(SqliteSnapshotTest, CopiesItsMomentWhileWritersGoOn) {
  AddRows(10'000);
  auto snapshot = SqliteSnapshot::Take(path_);
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  AddRows(100);
  int64_t told = 0;
  const absl::Status copied = (*snapshot)->CopyTo(copy_, [&](int64_t bytes) {
    AddRows(10);
    told += bytes;
    return absl::OkStatus();
  });
  ASSERT_TRUE(copied.ok()) << copied;
  EXPECT_EQ(Rows(copy_), 10'000);
  EXPECT_GT(Rows(path_), 10'100);
  EXPECT_GT(told, 0);
  auto size = (*snapshot)->Size();
  ASSERT_TRUE(size.ok()) << size.status();
  EXPECT_EQ(*size,
            static_cast<int64_t>(std::filesystem::file_size(copy_)));
  struct stat file;
  ASSERT_EQ(stat(copy_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600);
}

TEST_F(SqliteSnapshotTest, HasWhatOnlyTheLogHasOfAFileNobodyHasOpen) {
  AddRows(10);
  // As a crash leaves it: the log was not copied into the file.
  const std::string crashed = dir_.path() + "/crashed.db";
  std::filesystem::copy_file(path_, crashed);
  std::filesystem::copy_file(path_ + "-wal", crashed + "-wal");
  auto snapshot = SqliteSnapshot::Take(crashed);
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  ASSERT_TRUE((*snapshot)
                  ->CopyTo(copy_, [](int64_t) { return absl::OkStatus(); })
                  .ok());
  EXPECT_EQ(Rows(copy_), 10);
}

TEST_F(SqliteSnapshotTest, EndsWhenItIsToldTo) {
  AddRows(10'000);
  auto snapshot = SqliteSnapshot::Take(path_);
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_TRUE(absl::IsCancelled((*snapshot)->CopyTo(copy_, [](int64_t) {
    return absl::CancelledError("asked to stop");
  })));
}

TEST_F(SqliteSnapshotTest, RefusesWhatIsNoDatabase) {
  const std::string path = dir_.path() + "/text";
  std::ofstream(path) << std::string(8192, 'x');
  EXPECT_TRUE(absl::IsDataLoss(SqliteSnapshot::Take(path).status()));
  EXPECT_FALSE(SqliteSnapshot::Take(dir_.path() + "/none").ok());
}

}  // namespace
}  // namespace millstream::storage::sqlite
