#include "storage/sqlite/log_check.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "base/str_cat.h"
#include "storage/sqlite/sqlite_database.h"
#include "storage/testing/temp_dir.h"

namespace millstream::storage::sqlite {
namespace {

constexpr size_t kHeaderBytes = 32;
constexpr size_t kFrameBytes = 24 + 4096;

class LogCheckTest : public ::testing::Test {
 protected:
  // A log of several commits, as a server that was killed leaves it.
  LogCheckTest() {
    const std::string live = StrCat(temp_.path(), "/live");
    auto database = SqliteDatabase::Open(live, {});
    EXPECT_TRUE(database.ok()) << database.status();
    for (int id = 0; id < 10; ++id) {
      EXPECT_TRUE((*database)
                      ->Write([&](sql::Transaction& transaction) {
                        return transaction.Execute(
                            "INSERT INTO metric_outbox (sequence, run_uuid, "
                            "points) VALUES (?, 'r', 'p')",
                            id);
                      })
                      .ok());
    }
    std::filesystem::copy_file(live, path_);
    std::ifstream file(live + "-wal", std::ios::binary);
    log_.assign(std::istreambuf_iterator<char>(file), {});
    frames_ = (log_.size() - kHeaderBytes) / kFrameBytes;
    EXPECT_GT(frames_, 10u);
  }

  LogCheck Check() {
    std::ofstream(path_ + "-wal", std::ios::binary) << log_;
    auto check = CheckLog(path_);
    EXPECT_TRUE(check.ok()) << check.status();
    return *check;
  }
  void Damage(size_t at) { log_[at] = static_cast<char>(log_[at] ^ 1); }
  // A byte of the page of a frame.
  static size_t InFrame(size_t frame) {
    return kHeaderBytes + frame * kFrameBytes + 24 + 1000;
  }

  testing::TempDir temp_;
  const std::string path_ = StrCat(temp_.path(), "/copy");
  std::string log_;
  size_t frames_ = 0;
};

TEST_F(LogCheckTest, AWholeLogIsWhole) {
  const LogCheck check = Check();
  EXPECT_EQ(static_cast<size_t>(check.frames), frames_);
  EXPECT_FALSE(check.damaged());
  // Nor is one that is not there, or not yet begun.
  EXPECT_FALSE(CheckLog(path_ + "nothing")->damaged());
  log_.clear();
  EXPECT_FALSE(Check().damaged());
}

TEST_F(LogCheckTest, ALogCutShortAnywhereIsNotDamaged) {
  while (log_.size() > 2000) {
    log_.resize(log_.size() - 2000);
    EXPECT_FALSE(Check().damaged());
  }
}

TEST_F(LogCheckTest, AHalfWrittenCommitAtTheEndIsNotDamage) {
  Damage(InFrame(frames_ - 1));
  const LogCheck check = Check();
  EXPECT_EQ(static_cast<size_t>(check.frames), frames_ - 1);
  EXPECT_EQ(check.commits_behind, 1);
  EXPECT_FALSE(check.damaged());
}

TEST_F(LogCheckTest, DamageBeforeOtherCommitsIsFound) {
  const std::string whole = log_;
  const size_t in_frames[] = {InFrame(frames_ / 2), InFrame(0),
                              InFrame(3) - 1020, InFrame(3) - 1014,
                              InFrame(3) - 1001};
  for (const size_t at : in_frames) {
    log_ = whole;
    Damage(at);
    EXPECT_TRUE(Check().damaged()) << at;
    // The server does not start on it, and leaves it as it is.
    const auto database = SqliteDatabase::Open(path_, {});
    EXPECT_TRUE(absl::IsDataLoss(database.status())) << database.status();
    std::ifstream file(path_ + "-wal", std::ios::binary);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), log_);
  }
}

TEST_F(LogCheckTest, ADamagedHeaderIsFound) {
  for (const size_t at : {0u, 10u, 17u, 30u}) {
    Damage(at);
    EXPECT_TRUE(Check().damaged()) << at;
    Damage(at);
  }
}

// Where commits are not forced to the disk one by one, a crash may leave any.
TEST_F(LogCheckTest, AtTheLesserPromiseTheServerStarts) {
  Damage(InFrame(frames_ / 2));
  EXPECT_TRUE(Check().damaged());
  EXPECT_TRUE(
      SqliteDatabase::Open(path_, {.durability = Durability::kProcess}).ok());
}

}  // namespace
}  // namespace millstream::storage::sqlite
