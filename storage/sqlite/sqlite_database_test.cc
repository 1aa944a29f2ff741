#include "storage/sqlite/sqlite_database.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "base/liveness.h"
#include "base/str_cat.h"
#include "storage/sqlite/failing_wal.h"
#include "storage/sqlite/sqlite_connection.h"
#include "storage/testing/temp_dir.h"

namespace millstream::storage::sqlite {
namespace {

using sql::Connection;
using sql::StatementPtr;
using sql::Transaction;

class SqliteDatabaseTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(); }

  void Open(Durability durability = Durability::kMachine) {
    database_.reset();
    auto database = SqliteDatabase::Open(path(), {.durability = durability});
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
  }
  std::string path() const { return temp_.path() + "/db"; }

  static absl::Status Insert(Transaction& transaction, int64_t id) {
    return transaction.Execute(
        "INSERT INTO metric_outbox (sequence, run_uuid, points) "
        "VALUES (?, 'r', 'p')",
        id);
  }
  absl::Status Insert(int64_t id) {
    return database_->Write(
        [id](Transaction& transaction) { return Insert(transaction, id); });
  }
  static int64_t Count(Connection& connection) {
    auto row = connection.Query("SELECT count(*) FROM metric_outbox");
    EXPECT_TRUE(row.ok() && *(*row)->Step());
    return (*row)->Int64(0);
  }
  int64_t Count() {
    int64_t count = -1;
    EXPECT_TRUE(database_
                    ->Read([&](Connection& connection) {
                      count = Count(connection);
                      return absl::OkStatus();
                    })
                    .ok());
    return count;
  }

  testing::TempDir temp_;
  std::unique_ptr<SqliteDatabase> database_;
};

TEST_F(SqliteDatabaseTest, KeepsWhatWasWritten) {
  ASSERT_TRUE(Insert(1).ok());
  EXPECT_EQ(Count(), 1);
  Open();
  EXPECT_EQ(Count(), 1);
}

TEST_F(SqliteDatabaseTest, KeepsNothingOfABodyThatFails) {
  const absl::Status status =
      database_->Write([](Transaction& transaction) -> absl::Status {
        EXPECT_TRUE(Insert(transaction, 1).ok());
        return absl::NotFoundError("mine");
      });
  EXPECT_EQ(status, absl::NotFoundError("mine"));
  EXPECT_EQ(Count(), 0);
  EXPECT_TRUE(Insert(1).ok());
}

TEST_F(SqliteDatabaseTest, ReadsOneMoment) {
  ASSERT_TRUE(Insert(1).ok());
  ASSERT_TRUE(database_
                  ->Read([&](Connection& connection) {
                    EXPECT_EQ(Count(connection), 1);
                    // Another connection: the writer does not wait for us.
                    EXPECT_TRUE(Insert(2).ok());
                    EXPECT_EQ(Count(connection), 1);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(Count(), 2);
}

TEST_F(SqliteDatabaseTest, GroupsWritersAndFailsOnlyThoseThatFail) {
  constexpr int kThreads = 16;
  constexpr int kRounds = 50;
  std::barrier start(kThreads);
  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      start.arrive_and_wait();
      for (int i = 0; i < kRounds; ++i) {
        const int64_t id = t * kRounds + i;
        EXPECT_TRUE(Insert(id).ok());
        // Twice the same key: fails, and takes nobody along.
        if (absl::IsAlreadyExists(Insert(id))) ++refused;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Count(), kThreads * kRounds);
  EXPECT_EQ(refused, kThreads * kRounds);
}

TEST_F(SqliteDatabaseTest, ShowsEachWriterItsOwnWriteAtOnce) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 30; ++i) {
        const int64_t id = t * 100 + i;
        ASSERT_TRUE(Insert(id).ok());
        bool found = false;
        ASSERT_TRUE(database_
                        ->Read([&](Connection& connection) -> absl::Status {
                          auto row = connection.Query(
                              "SELECT 1 FROM metric_outbox WHERE sequence = ?",
                              id);
                          found = *(*row)->Step();
                          return absl::OkStatus();
                        })
                        .ok());
        EXPECT_TRUE(found);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(SqliteDatabaseTest, LetsMoreReadThanThereAreConnections) {
  ASSERT_TRUE(Insert(1).ok());
  std::vector<std::thread> threads;
  for (int t = 0; t < 3 * SqliteDatabase::kReadersMax; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) EXPECT_EQ(Count(), 1);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Waits until it was asked so often.
class Impatient final : public Liveness {
 public:
  explicit Impatient(int questions) : left_(questions) {}
  absl::Status Alive() const override {
    return --left_ >= 0 ? absl::OkStatus() : absl::DeadlineExceededError("");
  }

 private:
  mutable std::atomic<int> left_;
};

TEST_F(SqliteDatabaseTest, AStatementEndsWithItsCaller) {
  const Impatient caller(5);
  const absl::Status status =
      database_->ReadFor(caller, [](Connection& connection) -> absl::Status {
        auto row = connection.Query(
            "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
            "SELECT max(x) FROM n");
        return (*row)->Step().status();
      });
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  // The connection serves others.
  EXPECT_EQ(Count(), 0);
}

TEST_F(SqliteDatabaseTest, WhoWaitsForAConnectionGoesWithItsCaller) {
  absl::BlockingCounter reading(SqliteDatabase::kReadersMax);
  absl::Notification go_on;
  std::vector<std::thread> threads;
  for (int t = 0; t < SqliteDatabase::kReadersMax; ++t) {
    threads.emplace_back([&] {
      EXPECT_TRUE(database_
                      ->Read([&](Connection&) {
                        reading.DecrementCount();
                        go_on.WaitForNotification();
                        return absl::OkStatus();
                      })
                      .ok());
    });
  }
  reading.Wait();
  const Impatient caller(1);
  EXPECT_TRUE(absl::IsDeadlineExceeded(database_->ReadFor(
      caller, [](Connection&) { return absl::OkStatus(); })));
  go_on.Notify();
  for (std::thread& thread : threads) thread.join();
}

// A child writes until it is killed and tells each acknowledgement through a
// pipe: what it told must be there.
TEST_F(SqliteDatabaseTest, KeepsWhatWasAcknowledgedWhenTheProcessIsKilled) {
  for (Durability durability : {Durability::kMachine, Durability::kProcess}) {
    database_.reset();
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const int64_t first = durability == Durability::kMachine ? 0 : 1'000'000;
    const pid_t child = fork();
    if (child == 0) {
      auto database = SqliteDatabase::Open(path(), {.durability = durability});
      if (!database.ok()) _exit(1);
      for (int64_t id = first;; ++id) {
        if (!(*database)
                 ->Write([id](Transaction& transaction) {
                   return Insert(transaction, id);
                 })
                 .ok() ||
            write(pipe_ends[1], &id, sizeof(id)) != sizeof(id)) {
          _exit(1);
        }
      }
    }
    close(pipe_ends[1]);
    int64_t last = -1;
    while (last < first + 200 &&
           read(pipe_ends[0], &last, sizeof(last)) == sizeof(last)) {
    }
    kill(child, SIGKILL);
    while (read(pipe_ends[0], &last, sizeof(last)) == sizeof(last)) {
    }
    waitpid(child, nullptr, 0);
    close(pipe_ends[0]);
    ASSERT_GE(last, first + 200);
    Open(durability);
    ASSERT_TRUE(database_
                    ->Read([&](Connection& connection) -> absl::Status {
                      auto row = connection.Query(
                          "SELECT count(*) FROM metric_outbox "
                          "WHERE sequence BETWEEN ? AND ?",
                          first, last);
                      EXPECT_TRUE(*(*row)->Step());
                      EXPECT_EQ((*row)->Int64(0), last - first + 1);
                      return absl::OkStatus();
                    })
                    .ok());
  }
}

// A child whose files may not grow: its writes fail as on a full disk, and
// those before them are there.
TEST_F(SqliteDatabaseTest, RefusesWhatAFullDiskCannotTake) {
  database_.reset();
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    auto database = SqliteDatabase::Open(path(), {});
    const rlimit small = {1 << 20, 1 << 20};
    if (!database.ok() || setrlimit(RLIMIT_FSIZE, &small) != 0) _exit(1);
    const std::string points(100'000, 'x');
    for (int id = 0; id < 100; ++id) {
      const absl::Status status =
          (*database)->Write([&](Transaction& transaction) {
            return transaction.Execute(
                "INSERT INTO metric_outbox (sequence, run_uuid, points) "
                "VALUES (?, 'r', ?)",
                id, points);
          });
      // The number of writes that were acknowledged.
      if (!status.ok()) _exit(100 + id);
    }
    _exit(2);
  }
  int result = 0;
  waitpid(child, &result, 0);
  ASSERT_TRUE(WIFEXITED(result));
  ASSERT_GT(WEXITSTATUS(result), 100);
  Open();
  EXPECT_EQ(Count(), WEXITSTATUS(result) - 100);
}

// After a failed sync nobody knows what is on the disk, and the next one would
// report success.
TEST_F(SqliteDatabaseTest, WritesNoMoreAfterAnIoErrorUntilOpenedAgain) {
  FailingWal wal;
  int64_t id = 0;
  for (std::atomic<bool>* fault : {&wal.fail_syncs, &wal.fail_writes}) {
    Open();
    const int64_t kept = Count();
    ASSERT_TRUE(Insert(++id).ok());
    *fault = true;
    EXPECT_TRUE(absl::IsUnavailable(Insert(++id)));
    *fault = false;
    EXPECT_TRUE(absl::IsUnavailable(Insert(++id)));
    EXPECT_EQ(Count(), kept + 1);
    Open();
    EXPECT_TRUE(Insert(++id).ok());
    EXPECT_EQ(Count(), kept + 2);
  }
  database_.reset();
}

// The same when the log is forced to the disk by itself.
TEST_F(SqliteDatabaseTest, ASyncThatFailedIsNotForgotten) {
  Open(Durability::kProcess);
  ASSERT_TRUE(Insert(1).ok());
  ASSERT_TRUE(database_->Sync().ok());
  // A log that cannot be synced.
  const std::string log = path() + "-wal", aside = path() + "-aside";
  ASSERT_EQ(rename(log.c_str(), aside.c_str()), 0);
  ASSERT_EQ(symlink("/dev/null", log.c_str()), 0);
  EXPECT_TRUE(absl::IsUnavailable(database_->Sync()));
  ASSERT_EQ(rename(aside.c_str(), log.c_str()), 0);
  EXPECT_TRUE(absl::IsUnavailable(database_->Sync()));
  EXPECT_TRUE(absl::IsUnavailable(Insert(2)));
  EXPECT_EQ(Count(), 1);
  Open(Durability::kProcess);
  EXPECT_TRUE(Insert(2).ok());
  EXPECT_TRUE(database_->Sync().ok());
}

// Before the commit there is no doubt: nothing of the group counts.
TEST_F(SqliteDatabaseTest, WritesOnAfterABodyMetAnIoError) {
  FailingWal wal;
  Open();
  ASSERT_TRUE(Insert(1).ok());
  // More than the cache holds goes to the log before the commit.
  const absl::Status status = database_->Write([&](Transaction& transaction) {
    wal.fail_writes = true;
    const std::string points(1 << 20, 'x');
    absl::Status inserted;
    for (int id = 100; inserted.ok() && id < 120; ++id) {
      inserted = transaction.Execute(
          "INSERT INTO metric_outbox (sequence, run_uuid, points) "
          "VALUES (?, 'r', ?)",
          id, points);
    }
    return inserted;
  });
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  wal.fail_writes = false;
  EXPECT_TRUE(Insert(2).ok());
  EXPECT_EQ(Count(), 2);
  database_.reset();
}

TEST_F(SqliteDatabaseTest, NoByteOfAnothersFileIsAltered) {
  const std::string path = temp_.path() + "/theirs";
  {
    auto theirs = SqliteConnection::Open(path, {.leave_journal = true});
    ASSERT_TRUE(theirs.ok()) << theirs.status();
    ASSERT_TRUE((*theirs)->ExecuteScript("CREATE TABLE t (n TEXT)").ok());
  }
  const auto bytes = [&] {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string before = bytes();
  EXPECT_TRUE(absl::IsFailedPrecondition(
      SqliteDatabase::Open(path, {}).status()));
  EXPECT_TRUE(bytes() == before);
}

}  // namespace
}  // namespace millstream::storage::sqlite
