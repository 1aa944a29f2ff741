#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "base/str_cat.h"
#include "gtest/gtest.h"
#include "storage/sqlite/sqlite_connection.h"
#include "storage/sqlite/sqlite_database.h"
#include "storage/sqlite/sqlite_snapshot.h"
#include "storage/testing/temp_dir.h"

namespace millstream::storage::sqlite {
namespace {

constexpr int kPageBytes = 4096;
constexpr int kReservedAt = 20;
constexpr int kRows = 600;
// Row kLong fills pages of its own.
constexpr int kLong = 300;
constexpr int kLongBytes = 5 * kPageBytes;

class PageChecksumsTest : public ::testing::Test {
 protected:
  PageChecksumsTest() : path_(dir_.path() + "/db") {}

  // A file with rows of some 100 bytes, and no log.
  void Fill(sql::Schema schema = sql::Schema::kOwn) {
    auto database = Open({.schema = schema});
    ASSERT_NE(database, nullptr);
    ASSERT_TRUE(database
                    ->ExecuteScript(
                        "CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT);"
                        "CREATE INDEX i ON t (v)")
                    .ok());
    Change(*database, "BEGIN");
    for (int k = 1; k <= kRows; ++k) {
      const int bytes = k == kLong ? kLongBytes : 100;
      ASSERT_TRUE(database
                      ->Execute("INSERT INTO t VALUES (?, ?)", k,
                                ValueOf(k, bytes))
                      .ok());
    }
    Change(*database, "COMMIT");
  }

  static std::string ValueOf(int k, int bytes) {
    std::string value = StrCat("value of ", k, ";");
    return value + std::string(bytes - value.size(), 'v');
  }

  std::unique_ptr<SqliteConnection> Open(
      const SqliteConnection::Options& options) const {
    auto opened = SqliteConnection::Open(path_, options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : nullptr;
  }

  static void Change(SqliteConnection& database, const std::string& script) {
    const absl::Status done = database.ExecuteScript(script);
    ASSERT_TRUE(done.ok()) << done;
  }

  // All that the file holds, the index too; OK only if it is what was written.
  absl::Status ReadAll(const SqliteConnection::Options& options = {
                           .read_only = true}) const {
    auto opened = SqliteConnection::Open(path_, options);
    if (!opened.ok()) return opened.status();
    auto rows = (*opened)->Query("SELECT k, v FROM t");
    if (!rows.ok()) return rows.status();
    int count = 0;
    while (true) {
      const absl::StatusOr<bool> found = (*rows)->Step();
      if (!found.ok()) return found.status();
      if (!*found) break;
      const int64_t k = (*rows)->Int64(0);
      EXPECT_EQ((*rows)->Text(1),
                ValueOf(k, k == kLong ? kLongBytes : 100));
      ++count;
    }
    EXPECT_EQ(count, kRows);
    return (*opened)
        ->QueryInt64("SELECT sum(length(v)) FROM t INDEXED BY i WHERE v > ''")
        .status();
  }

  absl::Status ReadRow(int k) const {
    auto opened = SqliteConnection::Open(path_, {.read_only = true});
    if (!opened.ok()) return opened.status();
    return (*opened)
        ->QueryInt64(StrCat("SELECT length(v) FROM t WHERE k = ", k))
        .status();
  }

  std::vector<int64_t> DamagedPages() const {
    std::vector<int64_t> pages;
    const auto database = Open({.read_only = true});
    const absl::Status read = database->ReadAllPages(
        [] { return absl::OkStatus(); },
        [&](int64_t page) { pages.push_back(page); });
    EXPECT_TRUE(read.ok()) << read;
    return pages;
  }

  std::string Bytes() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void SetBytes(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary) << bytes;
  }

  const testing::TempDir dir_;
  const std::string path_;
};

TEST_F(PageChecksumsTest, EveryByteOfEveryPageIsWatched) {
  Fill();
  ASSERT_TRUE(ReadAll().ok());
  ASSERT_EQ(DamagedPages(), std::vector<int64_t>());
  const std::string whole = Bytes();
  const int pages = static_cast<int>(whole.size()) / kPageBytes;
  ASSERT_GT(pages, 20);
  for (int page = 1; page <= pages; ++page) {
    // The b-tree's header, its cell pointers, cells, the last of them, the
    // checksum.
    for (const int at : {0, 3, 5, 9, 2000, 4087, 4088, 4095}) {
      // Its header is another test's.
      if (page == 1 && at < 100) continue;
      std::string damaged = whole;
      damaged[(page - 1) * kPageBytes + at] ^= 1 << (page % 8);
      SetBytes(damaged);
      const absl::Status read = ReadAll();
      EXPECT_TRUE(absl::IsDataLoss(read)) << page << " " << at << " " << read;
      EXPECT_TRUE(absl::StrContains(
          read.message(), absl::StrCat("page ", page, " is damaged")))
          << read;
    }
    // Without the first one nothing opens.
    if (page > 1) {
      EXPECT_EQ(DamagedPages(), std::vector<int64_t>({page}));
    }
  }
}

TEST_F(PageChecksumsTest, TheFormatIsFixed) {
  Fill();
  const std::string bytes = Bytes();
  for (size_t number = 1; number <= bytes.size() / kPageBytes; ++number) {
    const char* const page = &bytes[(number - 1) * kPageBytes];
    uint64_t checksum = XXH3_64bits_withSeed(page, kPageBytes - 8, number);
    for (int at = kPageBytes - 1; at >= kPageBytes - 8; --at) {
      EXPECT_EQ(static_cast<uint8_t>(page[at]), checksum & 0xff);
      checksum >>= 8;
    }
  }
}

TEST_F(PageChecksumsTest, WhatIsOnOtherPagesIsServed) {
  Fill();
  std::string bytes = Bytes();
  const size_t at = bytes.find("value of 77;");
  ASSERT_NE(at, std::string::npos);
  bytes[at] = 'V';
  SetBytes(bytes);
  EXPECT_TRUE(absl::IsDataLoss(ReadRow(77)));
  EXPECT_TRUE(ReadRow(1).ok());
  EXPECT_TRUE(ReadRow(kRows).ok());
  // Mapped, it would be read around the checksum.
  EXPECT_TRUE(absl::IsDataLoss(ReadAll(
      {.read_only = true, .mmap_bytes = 1 << 30})));
  // Written over, it is whole.
  const auto database = Open({});
  EXPECT_TRUE(absl::IsDataLoss(
      database->Execute("UPDATE t SET v = 'x' WHERE k = 77")));
  Change(*database, "UPDATE t SET v = 'x' WHERE k = 1");
}

TEST_F(PageChecksumsTest, EveryByteOfTheHeaderIsWatched) {
  Fill();
  const std::string whole = Bytes();
  EXPECT_EQ(whole[kReservedAt], 8);
  for (int at = 0; at < 100; ++at) {
    for (const int change : {0x01, 0x08, 0x80}) {
      std::string damaged = whole;
      damaged[at] ^= change;
      SetBytes(damaged);
      EXPECT_TRUE(absl::IsDataLoss(ReadAll())) << at << " " << ReadAll();
    }
  }
}

TEST_F(PageChecksumsTest, AHeaderThatDeniesChecksumsIsNotBelieved) {
  Fill();
  std::string damaged = Bytes();
  damaged[kReservedAt] = 0;
  SetBytes(damaged);
  EXPECT_TRUE(absl::IsDataLoss(ReadAll()));
  // Nor if more of the page is wrong, or another of the first is.
  damaged[200] ^= 1;
  SetBytes(damaged);
  EXPECT_TRUE(absl::IsDataLoss(ReadAll()));
  damaged[kPageBytes + 200] ^= 1;
  SetBytes(damaged);
  EXPECT_TRUE(absl::IsDataLoss(ReadAll()));
}

TEST_F(PageChecksumsTest, APageOfZerosIsDamaged) {
  Fill();
  std::string bytes = Bytes();
  // Of the long value, where SQLite itself has nothing to compare.
  const size_t page = bytes.find(std::string(4000, 'v')) / kPageBytes;
  bytes.replace(page * kPageBytes, kPageBytes, kPageBytes, '\0');
  SetBytes(bytes);
  EXPECT_TRUE(absl::IsDataLoss(ReadAll()));
  EXPECT_TRUE(ReadRow(1).ok());
}

TEST_F(PageChecksumsTest, APageInThePlaceOfAnotherIsDamaged) {
  Fill();
  std::string bytes = Bytes();
  const auto page_of = [&](const char* text) {
    return bytes.begin() + bytes.find(text) / kPageBytes * kPageBytes;
  };
  const auto one = page_of("value of 77;");
  const auto other = page_of("value of 555;");
  ASSERT_NE(one, other);
  std::swap_ranges(one, one + kPageBytes, other);
  SetBytes(bytes);
  EXPECT_TRUE(absl::IsDataLoss(ReadAll()));
  EXPECT_EQ(DamagedPages().size(), 2);
}

TEST_F(PageChecksumsTest, AFileThatWasCutShortIsDamagedAlsoWithALog) {
  Fill();
  const auto database = Open({});
  Change(*database, "UPDATE t SET v = v WHERE k = 1");
  std::filesystem::resize_file(path_,
                               std::filesystem::file_size(path_) / 2);
  EXPECT_TRUE(absl::IsDataLoss(ReadAll()));
}

// What is written is whole: by commits, checkpoints, changes taken back, pages
// that are freed and used anew, and those that the cache has no room for.
TEST_F(PageChecksumsTest, WhatIsWrittenIsWhole) {
  Fill();
  auto database = Open({.cache_kib = 64});
  for (int round = 0; round < 6; ++round) {
    Change(*database, StrCat("DELETE FROM t WHERE k % 7 = ", round));
    Change(*database,
           "BEGIN; CREATE TABLE big (b); "
           "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
           "WHERE i < 2000) INSERT INTO big SELECT zeroblob(900) FROM n;");
    Change(*database, round % 2 == 0 ? "COMMIT; DROP TABLE big" : "ROLLBACK");
    Change(*database, "INSERT INTO t (v) SELECT randomblob(3000) FROM t");
    Change(*database, "DELETE FROM t WHERE length(v) = 3000");
    Change(*database, "PRAGMA wal_checkpoint(TRUNCATE)");
    EXPECT_EQ(DamagedPages(), std::vector<int64_t>());
  }
  Change(*database, "VACUUM");
  Change(*database, "PRAGMA wal_checkpoint(TRUNCATE)");
  database = nullptr;
  EXPECT_EQ(Bytes()[kReservedAt], 8);
  EXPECT_EQ(DamagedPages(), std::vector<int64_t>());
  auto reader = Open({.read_only = true});
  auto row = reader->Query("PRAGMA integrity_check");
  ASSERT_TRUE(*(*row)->Step());
  EXPECT_EQ((*row)->Text(0), "ok");
}

TEST_F(PageChecksumsTest, AFileWithoutThemIsServedAsItIs) {
  Fill(sql::Schema::kMlflow);
  EXPECT_EQ(Bytes()[kReservedAt], 0);
  auto database = Open({});
  EXPECT_FALSE(database->has_checksums());
  Change(*database, "UPDATE t SET v = v WHERE k < 10; CREATE TABLE u (x)");
  database = nullptr;
  EXPECT_TRUE(ReadAll().ok());
  EXPECT_EQ(Bytes()[kReservedAt], 0);
  EXPECT_EQ(DamagedPages(), std::vector<int64_t>());
}

TEST_F(PageChecksumsTest, AFileWithoutThemCanBeMadeAnewWithThem) {
  Fill(sql::Schema::kMlflow);
  ASSERT_TRUE(Open({})->ExecuteScript("PRAGMA user_version = 7").ok());
  const absl::Status added = AddChecksums(path_);
  ASSERT_TRUE(added.ok()) << added;
  // Nothing is left beside it.
  const std::filesystem::directory_iterator names(dir_.path());
  EXPECT_EQ(std::distance(begin(names), end(names)), 1);
  EXPECT_EQ(Bytes()[kReservedAt], 8);
  EXPECT_TRUE(ReadAll().ok());
  EXPECT_EQ(*Open({})->QueryInt64("PRAGMA user_version"), 7);
  EXPECT_TRUE(Open({})->has_checksums());
  EXPECT_EQ(DamagedPages(), std::vector<int64_t>());
}

TEST_F(PageChecksumsTest, ACopyHasThemIfTheFileHas) {
  Fill();
  const std::string copy = dir_.path() + "/copy";
  const auto make = [&] {
    std::filesystem::remove(copy);
    auto snapshot = SqliteSnapshot::Take(path_);
    return snapshot.ok() ? (*snapshot)->CopyTo(
                               copy, [](int64_t) { return absl::OkStatus(); })
                         : snapshot.status();
  };
  {
    // Some pages are in the log alone.
    const auto writer = Open({});
    Change(*writer, "UPDATE t SET v = v || '' WHERE k < 10");
    ASSERT_TRUE(make().ok());
  }
  std::filesystem::rename(copy, path_);
  EXPECT_EQ(Bytes()[kReservedAt], 8);
  EXPECT_TRUE(ReadAll().ok());
  EXPECT_EQ(DamagedPages(), std::vector<int64_t>());

  // Damage does not become part of it.
  std::string bytes = Bytes();
  bytes[bytes.find("value of 77;")] = 'V';
  SetBytes(bytes);
  EXPECT_TRUE(absl::IsDataLoss(make()));
}

TEST_F(PageChecksumsTest, AServersFileHasThem) {
  { ASSERT_TRUE(SqliteDatabase::Open(path_, {}).ok()); }
  EXPECT_EQ(Bytes()[kReservedAt], 8);
  EXPECT_EQ(DamagedPages(), std::vector<int64_t>());
}

TEST_F(PageChecksumsTest, WhoMeetsADamagedPageTakesNobodyAlong) {
  const std::string text(3000, 'z');
  {
    auto database = SqliteDatabase::Open(path_, {});
    ASSERT_TRUE(database.ok()) << database.status();
    ASSERT_TRUE((*database)
                    ->Write([&](sql::Transaction& to) {
                      return to.Execute(
                          "INSERT INTO experiments (experiment_id, name, "
                          "lifecycle_stage, creation_time, last_update_time, "
                          "artifact_location) VALUES (1, 'x', 'active', 0, 0, "
                          "?)", text);
                    })
                    .ok());
  }
  std::string bytes = Bytes();
  bytes[bytes.find(text)] = 'y';
  SetBytes(bytes);

  auto database = SqliteDatabase::Open(path_, {});
  ASSERT_TRUE(database.ok()) << database.status();
  constexpr int kThreads = 8;
  constexpr int kRounds = 20;
  std::barrier start(kThreads);
  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      start.arrive_and_wait();
      for (int i = 0; i < kRounds; ++i) {
        const absl::Status written =
            (*database)->Write([&](sql::Transaction& to) {
              return to.Execute(
                  "INSERT INTO metric_outbox (sequence, run_uuid, points) "
                  "VALUES (?, 'run', 'points')", t * kRounds + i);
            });
        EXPECT_TRUE(written.ok()) << written;
        const absl::Status met = (*database)->Write([](sql::Transaction& to) {
          return to.Execute("UPDATE experiments SET last_update_time = 1");
        });
        if (absl::IsDataLoss(met)) ++refused;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(refused, kThreads * kRounds);
  const absl::Status counted =
      (*database)->Read([&](sql::Connection& connection) -> absl::Status {
        auto row = connection.Query("SELECT count(*) FROM metric_outbox");
        EXPECT_TRUE(*(*row)->Step());
        EXPECT_EQ((*row)->Int64(0), kThreads * kRounds);
        return absl::OkStatus();
      });
  EXPECT_TRUE(counted.ok()) << counted;
}

}  // namespace
}  // namespace millstream::storage::sqlite
