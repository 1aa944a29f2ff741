// What happens when the database goes away and comes back.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "storage/conformance/database_server.h"
#include "storage/sql/outcome.h"
#include "storage/testing/cutting_proxy.h"

namespace millstream::storage {
namespace {

using sql::Connection;
using sql::StatementPtr;
using sql::Transaction;

TEST_P(ServerRestartConformance, CallsAfterItAreServed) {
  ASSERT_TRUE(Insert(1).ok());
  Restart();
  EXPECT_EQ(Count(), 1);
  Restart();
  EXPECT_TRUE(Insert(2).ok());
  server().Stop();
  server().Start();
  EXPECT_EQ(Count(), 2);
}

TEST_P(ServerRestartConformance, CallsDuringItWait) {
  ASSERT_TRUE(Insert(1).ok());
  server().StopAtOnce();
  std::thread reader([&] { EXPECT_GE(Count(), 1); });
  std::thread writer([&] { EXPECT_TRUE(Insert(2).ok()); });
  server().Start();
  reader.join();
  writer.join();
  EXPECT_EQ(Count(), 2);
}

TEST_P(ServerRestartConformance, CallsEndWhenItTakesTooLong) {
  database_ = Open({.reconnect = absl::Milliseconds(50)});
  server().StopAtOnce();
  const absl::Status status = Insert(1);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  database_ = nullptr;
  server().Start();
}

TEST_P(ServerRestartConformance, AWriteThatItInterruptsIsRunAgain) {
  int runs = 0;
  const auto write = [&](Transaction& transaction) -> absl::Status {
    ++runs;
    RETURN_IF_ERROR(
        transaction.Execute("INSERT INTO numbers (id) VALUES (?)", runs));
    if (runs == 1) Restart();
    return transaction.Execute("UPDATE numbers SET value = ?", runs);
  };
  const absl::Status status = database_->Write(write);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(Count(), 1);
  EXPECT_EQ(Number("SELECT id FROM numbers"), 2);
}

TEST_P(ServerRestartConformance, AReadThatHasSeenRowsIsNotRunAgain) {
  int runs = 0;
  const auto read = [&](Connection& connection) -> absl::Status {
    ++runs;
    RETURN_IF_ERROR(Number(connection, "SELECT 1").status());
    Restart();
    return Number(connection, "SELECT 2").status();
  };
  EXPECT_TRUE(absl::IsUnavailable(database_->Read(read)));
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(Count(), 0);
}

TEST_P(ServerRestartConformance, StatementsPreparedBeforeItRunAfterIt) {
  ASSERT_TRUE(Insert(1).ok());
  const auto read = [&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(StatementPtr first,
                     connection.Prepare("SELECT count(*) FROM numbers"));
    ASSIGN_OR_RETURN(StatementPtr second,
                     connection.Prepare("SELECT id FROM numbers"));
    Restart();
    ASSIGN_OR_RETURN(const bool found, first->Step());
    EXPECT_TRUE(found);
    ASSIGN_OR_RETURN(const bool more, second->Step());
    EXPECT_TRUE(more);
    EXPECT_EQ(second->Int64(0), 1);
    return absl::OkStatus();
  };
  const absl::Status status = database_->Read(read);
  EXPECT_TRUE(status.ok()) << status;
}

// A commit whose answer is lost, and one that never arrives.
class LostCommit {
 public:
  LostCommit(DatabaseServer& server, std::string uri,
             testing::CuttingProxy::Cut cut)
      : proxy_(server.socket(), StrCat(server.folder(), "/", server.socket())) {
    uri.replace(uri.find(server.folder()), server.folder().size(),
                proxy_.folder());
    auto database = server.Open(uri);
    EXPECT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    proxy_.CutNext("COMMIT", cut, std::string(server.committed()));
  }
  ~LostCommit() { EXPECT_TRUE(proxy_.has_cut()); }

  sql::Database* database() { return database_.get(); }

 private:
  testing::CuttingProxy proxy_;
  std::unique_ptr<sql::Database> database_;
};

using Cut = testing::CuttingProxy::Cut;

TEST_P(ServerRestartConformance, ACommitOfUnknownOutcomeIsNotRepeated) {
  int64_t id = 0;
  for (const Cut cut : {Cut::kAnswer, Cut::kRequest}) {
    ++id;
    LostCommit lost(server(), uri_, cut);
    int runs = 0;
    const absl::Status status =
        lost.database()->Write([&](Transaction& transaction) {
          ++runs;
          return transaction.Execute("INSERT INTO numbers (id) VALUES (?)", id);
        });
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_TRUE(sql::IsOutcomeUnknown(status));
    EXPECT_EQ(runs, 1);
    EXPECT_EQ(Count(), 1);
  }
}

TEST_P(ServerRestartConformance, SomethingNewIsMadeOnceWhateverIsLost) {
  int64_t id = 0;
  for (const Cut cut : {Cut::kAnswer, Cut::kRequest}) {
    ++id;
    LostCommit lost(server(), uri_, cut);
    int runs = 0;
    const absl::Status status = sql::WriteNew(
        lost.database(),
        [&](Transaction& transaction) {
          return sql::FindsRow(transaction,
                               "SELECT 1 FROM numbers WHERE id = ?", id);
        },
        [&](Transaction& transaction) {
          ++runs;
          return transaction.Execute("INSERT INTO numbers (id) VALUES (?)", id);
        });
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(runs, cut == Cut::kAnswer ? 1 : 2);
    EXPECT_EQ(Count(), id);
  }
}

TEST_P(ServerRestartConformance, AStartWaitsForTheDatabase) {
  database_ = nullptr;
  server().StopAtOnce();
  std::thread opener([&] { database_ = Open(); });
  server().Start();
  opener.join();
  EXPECT_EQ(Count(), 0);
}

TEST_P(ServerRestartConformance, AStartEndsWhenItWaitsTooLong) {
  server().StopAtOnce();
  absl::Status status =
      server().Open(uri_, {.wait_at_start = absl::Milliseconds(50)}).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  const Impatient starter(3);
  status =
      server().Open(uri_, {.wait_at_start = absl::Hours(1)}, starter).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  server().Start();
}

// Writers and a server that dies again and again: what was acknowledged is
// there, once, and nothing else but what had no answer.
TEST_P(ServerRestartConformance, NothingAcknowledgedIsLostOrDoubled) {
  ASSERT_TRUE(Run("CREATE TABLE log (writer BIGINT, n BIGINT)").ok());
  constexpr int kWriters = 6;
  std::atomic<bool> stop{false};
  std::atomic<int> answers{0};
  std::vector<std::vector<int64_t>> kept(kWriters), unknown(kWriters);
  std::vector<std::thread> threads;
  for (int w = 0; w < kWriters; ++w) {
    threads.emplace_back([&, w] {
      for (int64_t n = 0; !stop; ++n) {
        const absl::Status status = Run("INSERT INTO log VALUES (?, ?)", w, n);
        (status.ok() ? kept : unknown)[w].push_back(n);
        ++answers;
      }
    });
  }
  for (int round = 0; round < 3; ++round) {
    const int before = answers;
    while (answers < before + 100) std::this_thread::yield();
    Restart();
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  int64_t acknowledged = 0, doubtful = 0;
  for (int w = 0; w < kWriters; ++w) {
    acknowledged += static_cast<int64_t>(kept[w].size());
    doubtful += static_cast<int64_t>(unknown[w].size());
    for (const int64_t n : kept[w]) {
      ASSERT_EQ(Number(StrCat("SELECT count(*) FROM log WHERE writer = ", w,
                              " AND n = ", n)),
                1);
    }
  }
  const int64_t rows = Number("SELECT count(*) FROM log");
  EXPECT_GE(rows, acknowledged);
  EXPECT_LE(rows, acknowledged + doubtful);
  EXPECT_LE(doubtful, 3 * kWriters);
}

}  // namespace
}  // namespace millstream::storage
