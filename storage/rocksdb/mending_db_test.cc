#include "storage/rocksdb/mending_db.h"

#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "storage/rocksdb/failing_file_system.h"
#include "storage/rocksdb/power_cut_file_system.h"

namespace millstream::storage {
namespace {

using rocksdb::IOStatus;
using rocksdb::Status;
using Fault = FailingFileSystem::Fault;
using Of = FailingFileSystem::Of;

constexpr absl::Duration kPatience = absl::Seconds(60);

std::string NewFolder() {
  static std::atomic<int> count = 0;
  std::string folder =
      testing::TempDir() + "mending" + std::to_string(++count);
  std::filesystem::remove_all(folder);
  return folder;
}

// Memory is written into tables, and these are merged, after few writes.
rocksdb::Options SmallOptions() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = 64 << 10;
  options.arena_block_size = 4 << 10;
  options.level0_file_num_compaction_trigger = 2;
  options.max_background_jobs = 2;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.max_manifest_file_size = 4 << 10;
  return options;
}

// A database on a disk that fails and whose power can be cut, and what has been
// written to it: batches of kKeys keys each.
class Life {
 public:
  static constexpr int kKeys = 3;

  Life() {
    rocksdb::Options options = SmallOptions();
    options.env = env_.get();
    EXPECT_TRUE(MendingDb::Open(options, folder_, &db_).ok());
  }
  ~Life() {
    db_.reset();
    std::filesystem::remove_all(folder_);
  }

  FailingFileSystem& disk() { return *disk_; }
  MendingDb& db() { return *db_; }

  Status Write(bool sync) {
    const int number = static_cast<int>(batches_.size());
    rocksdb::WriteBatch batch;
    for (int i = 0; i < kKeys; ++i) batch.Put(Key(number, i), Value(number, i));
    rocksdb::WriteOptions options;
    options.sync = sync;
    const Status status = db_->Write(options, &batch);
    batches_.push_back(status.ok());
    return status;
  }

  // How many keys of a batch are there, as they were written.
  int Present(int number) {
    int present = 0;
    for (int i = 0; i < kKeys; ++i) {
      std::string value;
      const Status status =
          db_->Get(rocksdb::ReadOptions(), Key(number, i), &value);
      EXPECT_TRUE(status.ok() || status.IsNotFound()) << status.ToString();
      if (status.ok() && value == Value(number, i)) ++present;
    }
    return present;
  }

  // What was acknowledged is there, and halves of nothing.
  void Check(const std::string& when) {
    for (size_t i = 0; i < batches_.size(); ++i) {
      const int present = Present(static_cast<int>(i));
      EXPECT_TRUE(present == kKeys || (present == 0 && !batches_[i]))
          << when << ": batch " << i << " of " << batches_.size() << " has "
          << present << " keys; acknowledged: " << batches_[i];
    }
  }

  // Until a write succeeds.
  bool GoesOn() {
    const absl::Time end = absl::Now() + kPatience;
    while (!Write(/*sync=*/true).ok()) {
      if (absl::Now() > end) return false;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return true;
  }

  // The power goes and comes back; after a synced write, so that all reads have
  // shown is to be there.
  void CutPower() {
    std::vector<int> present;
    for (size_t i = 0; i < batches_.size(); ++i) present.push_back(Present(i));
    power_->CutPower();
    db_.reset();
    power_->LoseUnsynced();
    ASSERT_TRUE(MendingDb::Open(SmallOptions(), folder_, &db_).ok());
    for (size_t i = 0; i < batches_.size(); ++i) {
      EXPECT_EQ(Present(i), present[i]) << "batch " << i;
    }
    Check("after a power cut");
  }

 private:
  static std::string Key(int number, int i) {
    // Tables overlap, so that merging them is work.
    return std::to_string(number * 7919 % 1000) + "." + std::to_string(number) +
           "." + std::to_string(i);
  }
  static std::string Value(int number, int i) {
    return std::string(1000, static_cast<char>('a' + (number + i) % 26));
  }

  const std::string folder_ = NewFolder();
  const std::shared_ptr<PowerCutFileSystem> power_ =
      std::make_shared<PowerCutFileSystem>();
  const std::shared_ptr<FailingFileSystem> disk_ =
      std::make_shared<FailingFileSystem>(power_);
  const std::unique_ptr<rocksdb::Env> env_ = rocksdb::NewCompositeEnv(disk_);
  std::unique_ptr<MendingDb> db_;
  // Whether each was acknowledged.
  std::vector<bool> batches_;
};

// Writes until the disk has failed and for a while longer, has it heal, goes
// on, and loses its power.
void Live(const Fault& fault) {
  Life life;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(life.Write(i % 2 == 0).ok());
  life.disk().Break(fault);
  int refused = 0;
  for (int i = 0; i < 150 && refused < 20; ++i) {
    if (!life.Write(i % 3 != 0).ok()) ++refused;
  }
  life.Check("while the disk fails");
  life.disk().Heal();
  ASSERT_TRUE(life.GoesOn()) << "writes are refused for ever";
  life.Check("after the disk has healed");
  for (int i = 0; i < 60; ++i) {
    // What fails in the background need not have come to an end.
    if (life.Write(/*sync=*/false).ok()) continue;
    ASSERT_TRUE(life.GoesOn());
  }
  ASSERT_TRUE(life.GoesOn());
  life.CutPower();
}

// Lives are many, and RocksDB sleeps for a second when it cannot write a table.
void LiveAll(const std::vector<Fault>& faults) {
  std::atomic<size_t> next = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 12; ++i) {
    threads.emplace_back([&] {
      for (size_t n; (n = next++) < faults.size();) {
        SCOPED_TRACE("skip " + std::to_string(faults[n].skip) + ", times " +
                     std::to_string(faults[n].times) +
                     (faults[n].half ? ", half" : ""));
        Live(faults[n]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

std::vector<Fault> EachOfTheFirst(int count, Fault fault) {
  std::vector<Fault> faults;
  for (int i = 0; i < count; ++i) {
    fault.skip = i;
    faults.push_back(fault);
  }
  return faults;
}

TEST(MendingDbTest, ADiskThatIsFullFromAnyMomentOn) {
  LiveAll(EachOfTheFirst(40, {.status = IOStatus::NoSpace("full")}));
}

TEST(MendingDbTest, ADiskThatIsFullAmidAnyWrite) {
  LiveAll(EachOfTheFirst(20, {.status = IOStatus::NoSpace("full"),
                              .half = true}));
}

TEST(MendingDbTest, AnyOperationThatFailsOnce) {
  LiveAll(EachOfTheFirst(60, {.status = IOStatus::IOError("bad"),
                               .times = 1, .half = true}));
}

TEST(MendingDbTest, ADiskThatFailsForAWhile) {
  LiveAll(EachOfTheFirst(30, {.status = IOStatus::IOError("bad")}));
}

TEST(MendingDbTest, SyncsThatFail) {
  LiveAll(EachOfTheFirst(20, {.status = IOStatus::IOError("bad"),
                              .times = 2, .of = Of::kSyncs}));
}

// What RocksDB by itself does not survive: nothing in memory, so resuming keeps
// the log.
TEST(MendingDbTest, ALogThatFailsWithNothingInMemory) {
  for (const bool sync : {false, true}) {
    Life life;
    ASSERT_TRUE(life.Write(true).ok());
    ASSERT_TRUE(life.db().Flush(rocksdb::FlushOptions()).ok());
    life.disk().Break({.status = IOStatus::NoSpace("full"),
                       .half = true,
                       .of = sync ? Of::kSyncs : Of::kLogs});
    const Status status = life.Write(true);
    EXPECT_TRUE(status.IsNoSpace()) << status.ToString();
    EXPECT_EQ(status.severity(), Status::Severity::kHardError);
    EXPECT_TRUE(life.db().Durable().IsNoSpace());
    EXPECT_FALSE(life.db().SyncWAL().ok());
    life.disk().Heal();
    ASSERT_TRUE(life.GoesOn());
    EXPECT_TRUE(life.db().Durable().ok());
    life.CutPower();
  }
}

TEST(MendingDbTest, ASyncOfALogThatHasNothing) {
  Life life;
  ASSERT_TRUE(life.Write(true).ok());
  ASSERT_TRUE(life.db().Flush(rocksdb::FlushOptions()).ok());
  life.disk().Break({.status = IOStatus::IOError("bad"), .of = Of::kSyncs});
  EXPECT_FALSE(life.db().SyncWAL().ok());
  EXPECT_FALSE(life.Write(false).ok());
  life.disk().Heal();
  ASSERT_TRUE(life.GoesOn());
  EXPECT_TRUE(life.db().SyncWAL().ok());
  life.CutPower();
}

// Tables that fail to be written while others are being merged.
TEST(MendingDbTest, ADiskThatFailsAgainAndAgain) {
  Life life;
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 40 + 7 * round; ++i) {
      if (!life.Write(/*sync=*/false).ok()) break;
    }
    const IOStatus status = round % 2 == 0 ? IOStatus::NoSpace("full")
                                           : IOStatus::IOError("bad");
    life.disk().Break({.status = status, .skip = 5 * round});
    while (life.Write(/*sync=*/false).ok()) {
    }
    life.disk().Heal();
    ASSERT_TRUE(life.GoesOn()) << round;
  }
  life.Check("in the end");
  life.CutPower();
}

TEST(MendingDbTest, ClosesWhileTheDiskFails) {
  for (const IOStatus& status :
       {IOStatus::NoSpace("full"), IOStatus::IOError("bad")}) {
    Life life;
    for (int i = 0; i < 15; ++i) ASSERT_TRUE(life.Write(true).ok());
    life.disk().Break({.status = status});
    while (life.Write(true).ok()) {
    }
    life.db().Close().PermitUncheckedError();
  }
}

// It is opened or not; then it may be opened, and written.
TEST(MendingDbTest, OpensOnADiskThatFailsOrSaysWhyNot) {
  for (int skip = 0; skip < 30; ++skip) {
    auto disk =
        std::make_shared<FailingFileSystem>(rocksdb::FileSystem::Default());
    const auto env = rocksdb::NewCompositeEnv(disk);
    rocksdb::Options options = SmallOptions();
    options.env = env.get();
    const std::string folder = NewFolder();
    disk->Break({.status = IOStatus::NoSpace("full"), .skip = skip});
    std::unique_ptr<MendingDb> db;
    const Status status = MendingDb::Open(options, folder, &db);
    EXPECT_TRUE(status.ok() || status.IsNoSpace()) << skip << status.ToString();
    disk->Heal();
    db.reset();
    ASSERT_TRUE(MendingDb::Open(options, folder, &db).ok()) << skip;
    EXPECT_TRUE(db->Put(rocksdb::WriteOptions(), "key", "value").ok());
    db.reset();
    std::filesystem::remove_all(folder);
  }
}

}  // namespace
}  // namespace millstream::storage
