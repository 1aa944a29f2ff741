// What every sql::ServerDatabase must do.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "base/error.h"
#include "storage/conformance/database_server.h"

namespace millstream::storage {
namespace {

using sql::Connection;
using sql::StatementPtr;
using sql::Transaction;

TEST_P(ServerDatabaseConformance, KeepsWhatWasWritten) {
  ASSERT_TRUE(Insert(1).ok());
  EXPECT_EQ(Count(), 1);
  database_ = Open();
  EXPECT_EQ(Count(), 1);
}

TEST_P(ServerDatabaseConformance, KeepsNothingOfABodyThatFails) {
  const absl::Status status =
      database_->Write([](Transaction& transaction) -> absl::Status {
        EXPECT_TRUE(
            transaction.Execute("INSERT INTO numbers (id) VALUES (1)").ok());
        EXPECT_EQ(transaction.changes(), 1);
        return absl::NotFoundError("mine");
      });
  EXPECT_EQ(status, absl::NotFoundError("mine"));
  EXPECT_EQ(Count(), 0);
  EXPECT_TRUE(Insert(1).ok());
}

TEST_P(ServerDatabaseConformance, ReadsOneMoment) {
  ASSERT_TRUE(Insert(1).ok());
  const auto read = [&](Connection& connection) -> absl::Status {
    EXPECT_EQ(*Number(connection, "SELECT count(*) FROM numbers"), 1);
    EXPECT_TRUE(Insert(2).ok());
    EXPECT_EQ(*Number(connection, "SELECT count(*) FROM numbers"), 1);
    return absl::OkStatus();
  };
  ASSERT_TRUE(database_->Read(read).ok());
  EXPECT_EQ(Count(), 2);
}

TEST_P(ServerDatabaseConformance, ReadsBackWhatWasBound) {
  ASSERT_TRUE(Run(StrCat("CREATE TABLE kinds (i BIGINT, s INTEGER, "
                         "r DOUBLE PRECISION, b BOOLEAN, t VARCHAR(100), x ",
                         server().bytes_type(), ", n TEXT)"))
                  .ok());
  std::string bytes;
  for (int c = 0; c < 256; ++c) bytes += static_cast<char>(c);
  const std::string text = "it's a \"?\" \\ $1 \xC3\xA9";
  const double tiny = std::numeric_limits<double>::denorm_min();
  const auto write = [&](Transaction& transaction) -> absl::Status {
    for (int64_t i : {std::numeric_limits<int64_t>::min(),
                      std::numeric_limits<int64_t>::max()}) {
      ASSIGN_OR_RETURN(
          StatementPtr row,
          transaction.Query("INSERT INTO kinds VALUES (?, ?, ?, ?, ?, ?, ?)", i,
                            7, i < 0 ? -tiny : 0.1, i < 0, text));
      row->BindBlob(6, bytes);
      RETURN_IF_ERROR(row->Finish());
    }
    return absl::OkStatus();
  };
  ASSERT_TRUE(database_->Write(write).ok());
  const auto read = [&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(StatementPtr row,
                     connection.Query("SELECT * FROM kinds WHERE b = ? AND "
                                      "s = ? AND t = ? ORDER BY i",
                                      true, 7, text));
    EXPECT_TRUE(*row->Step());
    EXPECT_EQ(row->Int64(0), std::numeric_limits<int64_t>::min());
    EXPECT_EQ(row->Int64(1), 7);
    EXPECT_EQ(row->Double(2), -tiny);
    EXPECT_EQ(row->Int64(3), 1);
    EXPECT_EQ(row->Text(4), text);
    EXPECT_EQ(row->Blob(5), bytes);
    EXPECT_TRUE(row->IsNull(6));
    EXPECT_EQ(row->Text(6), "");
    EXPECT_EQ(row->Int64(6), 0);
    EXPECT_EQ(row->Get(1), sql::Value(int64_t{7}));
    EXPECT_EQ(row->Get(2), sql::Value(-tiny));
    EXPECT_EQ(row->Get(3), sql::Value(int64_t{1}));
    EXPECT_EQ(row->Get(4), sql::Value(text));
    EXPECT_EQ(row->Get(5), sql::Value(bytes));
    EXPECT_EQ(row->Get(6), sql::Value());
    EXPECT_FALSE(*row->Step());
    EXPECT_FALSE(*row->Step());
    return absl::OkStatus();
  };
  const absl::Status status = database_->Read(read);
  EXPECT_TRUE(status.ok()) << status;
}

// A number compares with columns of any width, whatever its own.
TEST_P(ServerDatabaseConformance, ComparesNumbersThatTheColumnCannotHold) {
  ASSERT_TRUE(Run("CREATE TABLE small (i INTEGER)").ok());
  ASSERT_TRUE(Run("INSERT INTO small VALUES (1)").ok());
  const auto read = [&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(
        StatementPtr row,
        connection.Query("SELECT i FROM small WHERE i < ?", int64_t{1} << 60));
    EXPECT_TRUE(*row->Step());
    ASSIGN_OR_RETURN(row,
                     connection.Query("SELECT i FROM small WHERE i < ?", 1.5));
    EXPECT_TRUE(*row->Step());
    ASSIGN_OR_RETURN(
        row, connection.Query("SELECT i FROM small WHERE i < ?", nullptr));
    EXPECT_FALSE(*row->Step());
    return absl::OkStatus();
  };
  const absl::Status status = database_->Read(read);
  EXPECT_TRUE(status.ok()) << status;
}

TEST_P(ServerDatabaseConformance, ReadsSeveralStatementsAtOnce) {
  for (int64_t id = 1; id <= 5; ++id) ASSERT_TRUE(Insert(id).ok());
  const auto read = [&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(StatementPtr outer,
                     connection.Query("SELECT id FROM numbers ORDER BY id"));
    int64_t sum = 0;
    while (*outer->Step()) {
      ASSIGN_OR_RETURN(
          StatementPtr inner,
          connection.Query("SELECT id FROM numbers WHERE id <= ? ORDER BY id",
                           outer->Int64(0)));
      // Not to its end.
      for (int i = 0; i < 2 && *inner->Step(); ++i) {
        sum += outer->Int64(0) * inner->Int64(0);
      }
    }
    EXPECT_EQ(sum, 1 + (2 + 3 + 4 + 5) * 3);
    return absl::OkStatus();
  };
  EXPECT_TRUE(database_->Read(read).ok());
}

TEST_P(ServerDatabaseConformance, StreamsLongResults) {
  for (int64_t id = 0; id < 10; ++id) ASSERT_TRUE(Insert(id).ok());
  constexpr int64_t kRows = 100'000;
  std::vector<bool> seen(kRows);
  const auto read = [&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(
        StatementPtr row,
        connection.Query(
            "SELECT a.id + 10 * b.id + 100 * c.id + 1000 * d.id + 10000 * e.id,"
            " repeat('x', 100) FROM numbers a, numbers b, numbers c, numbers d,"
            " numbers e"));
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row->Step());
      if (!more) return absl::OkStatus();
      const auto at = static_cast<size_t>(row->Int64(0));
      EXPECT_FALSE(seen.at(at));
      seen.at(at) = true;
    }
  };
  EXPECT_TRUE(database_->Read(read).ok());
  EXPECT_EQ(std::count(seen.begin(), seen.end(), true), kRows);
}

TEST_P(ServerDatabaseConformance, PreparesMoreTextsThanItKeeps) {
  for (int round = 0; round < 2; ++round) {
    const auto read = [&](Connection& connection) -> absl::Status {
      for (int i = 0; i < 300; ++i) {
        ASSIGN_OR_RETURN(const int64_t n,
                         Number(connection, StrCat("SELECT ", i)));
        EXPECT_EQ(n, i);
      }
      const std::string long_text =
          StrCat("SELECT 1 + 0", std::string(20'000, ' '), "+ 1");
      EXPECT_EQ(*Number(connection, long_text), 2);
      return absl::OkStatus();
    };
    const absl::Status status = database_->Read(read);
    EXPECT_TRUE(status.ok()) << status;
  }
}

TEST_P(ServerDatabaseConformance, SaysWhatIsWrong) {
  ASSERT_TRUE(Run("CREATE TABLE strict (id INTEGER PRIMARY KEY, "
                  "t VARCHAR(3) NOT NULL, n BIGINT REFERENCES numbers (id), "
                  "CHECK (id < 100))")
                  .ok());
  const auto insert = [&](int64_t id, sql::Value text, sql::Value number) {
    return Run("INSERT INTO strict VALUES (?, ?, ?)", id, text, number);
  };
  ASSERT_TRUE(insert(1, "a", {}).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(insert(1, "a", {})));
  EXPECT_TRUE(absl::IsFailedPrecondition(insert(2, {}, {})));
  EXPECT_TRUE(absl::IsFailedPrecondition(insert(2, "a", int64_t{5})));
  EXPECT_TRUE(absl::IsFailedPrecondition(insert(100, "a", {})));
  for (const absl::Status& status :
       {insert(2, "secret", {}), insert(int64_t{1} << 40, "a", {})}) {
    EXPECT_EQ(GetErrorCode(status), v1::BAD_REQUEST) << status;
    EXPECT_EQ(status.message().find("secret"), absl::string_view::npos);
  }
  EXPECT_TRUE(absl::IsInternal(Run("SELECT nothing FROM nowhere")));
  EXPECT_TRUE(absl::IsInternal(Run("not SQL")));
  EXPECT_TRUE(absl::IsInternal(Run("SELECT 1", 1)));
  EXPECT_EQ(Number("SELECT count(*) FROM strict"), 1);
}

TEST_P(ServerDatabaseConformance, AFailedStatementFailsItsTransaction) {
  ASSERT_TRUE(Insert(1).ok());
  int runs = 0;
  const auto write = [&](Transaction& transaction) -> absl::Status {
    ++runs;
    EXPECT_TRUE(
        transaction.Execute("INSERT INTO numbers (id) VALUES (2)").ok());
    EXPECT_TRUE(absl::IsAlreadyExists(
        transaction.Execute("INSERT INTO numbers (id) VALUES (1)")));
    EXPECT_TRUE(absl::IsAlreadyExists(
        transaction.Execute("INSERT INTO numbers (id) VALUES (3)")));
    // Says that all is well, which it is not.
    return absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsAlreadyExists(database_->Write(write)));
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(Count(), 1);
}

TEST_P(ServerDatabaseConformance, WhatIsDoneLaterFailsWithTheCommit) {
  ASSERT_TRUE(Insert(1).ok());
  const auto later = [&](int64_t first) {
    return database_->Write([&](Transaction& transaction) -> absl::Status {
      for (int64_t id = first; id < first + 10; ++id) {
        RETURN_IF_ERROR(transaction.ExecuteLater(
            "INSERT INTO numbers (id) VALUES (?)", id));
      }
      return absl::OkStatus();
    });
  };
  EXPECT_TRUE(later(2).ok());
  EXPECT_EQ(Count(), 11);
  EXPECT_TRUE(absl::IsAlreadyExists(later(-5)));
  EXPECT_EQ(Count(), 11);
}

TEST_P(ServerDatabaseConformance, InsertsAndTellsTheId) {
  ASSERT_TRUE(Run("CREATE TABLE made (id SERIAL PRIMARY KEY, t TEXT)").ok());
  int64_t first = 0, second = 0;
  const auto write = [&](Transaction& transaction) -> absl::Status {
    constexpr std::string_view kSql = "INSERT INTO made (t) VALUES (?)";
    ASSIGN_OR_RETURN(first, transaction.InsertForId(kSql, "id", "a"));
    ASSIGN_OR_RETURN(second, transaction.InsertForId(kSql, "id", "b"));
    return absl::OkStatus();
  };
  ASSERT_TRUE(database_->Write(write).ok());
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 2);
}

TEST_P(ServerDatabaseConformance, InsertsManyRowsAtOnce) {
  ASSERT_TRUE(Run("CREATE TABLE kinds (t VARCHAR(50) PRIMARY KEY, i INTEGER, "
                  "r DOUBLE PRECISION, b BOOLEAN, n TEXT)")
                  .ok());
  const std::vector<std::string> texts = {
      "", "null", "NULL", "a,b", "{x}", "\"q\"", "\\", "it's", " ", "\xC3\xA9"};
  static constexpr std::string_view kColumns[] = {"t", "i", "r", "b", "n"};
  std::vector<sql::Cell> cells;
  for (size_t i = 0; i < texts.size(); ++i) {
    cells.insert(cells.end(),
                 {std::string_view(texts[i]), static_cast<int64_t>(i),
                  i == 0 ? std::numeric_limits<double>::max() : 0.1 * i,
                  sql::Cell(i % 2 == 1), sql::Cell()});
  }
  int64_t added = 0;
  const auto insert = [&](Transaction& transaction) -> absl::Status {
    ASSIGN_OR_RETURN(added,
                     transaction.InsertRows({.table = "kinds",
                                             .columns = kColumns,
                                             .cells = cells,
                                             .after = sql::OnConflictDoNothing(
                                                 transaction.dialect(), "t")}));
    return transaction.InsertRowsLater(
        {.table = "kinds", .columns = kColumns, .cells = {}});
  };
  absl::Status status = database_->Write(insert);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(added, texts.size());
  ASSERT_TRUE(database_->Write(insert).ok());
  EXPECT_EQ(added, 0);
  const auto read = [&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(StatementPtr row,
                     connection.Query("SELECT t, i, r, b, n FROM kinds "
                                      "ORDER BY i"));
    for (size_t i = 0; i < texts.size(); ++i) {
      EXPECT_TRUE(*row->Step());
      EXPECT_EQ(row->Text(0), texts[i]);
      EXPECT_EQ(row->Int64(1), i);
      EXPECT_EQ(row->Double(2), std::get<double>(cells[i * 5 + 2]));
      EXPECT_EQ(row->Int64(3), i % 2);
      EXPECT_TRUE(row->IsNull(4));
    }
    return absl::OkStatus();
  };
  status = database_->Read(read);
  EXPECT_TRUE(status.ok()) << status;
}

// Each reads, and writes what it has read plus one.
TEST_P(ServerDatabaseConformance, LosesNoUpdateOfTransactionsThatMeet) {
  ASSERT_TRUE(Insert(1).ok());
  constexpr int kThreads = 8;
  constexpr int kRounds = 10;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) {
        const absl::Status status =
            database_->Write([](Transaction& transaction) -> absl::Status {
              ASSIGN_OR_RETURN(
                  const int64_t value,
                  Number(transaction, "SELECT value FROM numbers"));
              return transaction.Execute("UPDATE numbers SET value = ?",
                                         value + 1);
            });
        EXPECT_TRUE(status.ok()) << status;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Number("SELECT value FROM numbers"), kThreads * kRounds);
}

TEST_P(ServerDatabaseConformance, RunsAgainWhatWaitedForEachOther) {
  ASSERT_TRUE(Insert(1).ok());
  ASSERT_TRUE(Insert(2).ok());
  std::barrier both(2);
  std::atomic<int> runs{0};
  std::vector<std::thread> threads;
  for (int64_t first : {1, 2}) {
    threads.emplace_back([&, first] {
      bool met = false;
      const absl::Status status =
          database_->Write([&](Transaction& transaction) -> absl::Status {
            ++runs;
            constexpr std::string_view kSql =
                "UPDATE numbers SET value = value + 1 WHERE id = ?";
            RETURN_IF_ERROR(transaction.Execute(kSql, first));
            if (!std::exchange(met, true)) both.arrive_and_wait();
            return transaction.Execute(kSql, 3 - first);
          });
      EXPECT_TRUE(status.ok()) << status;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(runs, 2);
  EXPECT_EQ(Number("SELECT sum(value) FROM numbers"), 4);
}

// Of two that find no row and insert one, the second finds that of the first.
TEST_P(ServerDatabaseConformance, WhoFindsAKeyTakenSeesTheRow) {
  std::barrier both(2);
  std::atomic<int> found{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      bool met = false;
      const absl::Status status =
          database_->Write([&](Transaction& transaction) -> absl::Status {
            ASSIGN_OR_RETURN(
                const int64_t id,
                Number(transaction, "SELECT id FROM numbers WHERE id = 1"));
            if (id == 1) {
              ++found;
              return absl::OkStatus();
            }
            if (!std::exchange(met, true)) both.arrive_and_wait();
            return transaction.Execute("INSERT INTO numbers (id) VALUES (1)");
          });
      EXPECT_TRUE(status.ok()) << status;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(found, 1);
}

TEST_P(ServerDatabaseConformance, AStatementEndsWithItsCaller) {
  const Impatient caller(5);
  const auto read = [&](Connection& connection) {
    return Number(connection, server().sleep_sql()).status();
  };
  const absl::Time begin = absl::Now();
  const absl::Status status = database_->ReadFor(caller, read);
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
  EXPECT_EQ(Count(), 0);
}

TEST_P(ServerDatabaseConformance, AStatementEndsWithItsTime) {
  database_ = Open({.statement_timeout = absl::Milliseconds(100)});
  const absl::Status status = Run(server().sleep_sql());
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_EQ(Count(), 0);
}

TEST_P(ServerDatabaseConformance, OpensNoMoreConnectionsThanItMay) {
  database_ =
      Open({.pool = sql::PoolOptions{
                .size = 1, .overflow = 1, .wait = absl::Milliseconds(1)}});
  absl::BlockingCounter reading(2);
  absl::Notification go_on;
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
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
  EXPECT_EQ(server().Connections(*database_), 2);
  EXPECT_TRUE(absl::IsUnavailable(
      database_->Read([](Connection&) { return absl::OkStatus(); })));
  const Impatient caller(0);
  EXPECT_TRUE(absl::IsDeadlineExceeded(database_->ReadFor(
      caller, [](Connection&) { return absl::OkStatus(); })));
  go_on.Notify();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Count(), 0);
}

// Rows are counted that an UPDATE has matched, and not those that a conflict
// left as they were.
TEST_P(ServerDatabaseConformance, CountsChangesAsOthersDo) {
  ASSERT_TRUE(Insert(1).ok());
  const auto write = [](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(transaction.Execute("UPDATE numbers SET value = 0"));
    EXPECT_EQ(transaction.changes(), 1);
    RETURN_IF_ERROR(transaction.Execute(
        StrCat("INSERT INTO numbers (id) VALUES (1), (2)",
               sql::OnConflictDoNothing(transaction.dialect(), "id"))));
    EXPECT_EQ(transaction.changes(), 1);
    RETURN_IF_ERROR(transaction.Execute("DELETE FROM numbers"));
    EXPECT_EQ(transaction.changes(), 2);
    return absl::OkStatus();
  };
  EXPECT_TRUE(database_->Write(write).ok());
}

TEST_P(ServerDatabaseConformance, ReadsTextOfAnyLength) {
  ASSERT_TRUE(Run("CREATE TABLE texts (t TEXT)").ok());
  for (size_t size : {0u, 300u, 10u, 60'000u, 256u, 257u}) {
    ASSERT_TRUE(
        Run("INSERT INTO texts VALUES (?)", std::string(size, 'x')).ok());
  }
  std::vector<size_t> sizes;
  const auto read = [&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(StatementPtr row, connection.Query("SELECT t FROM texts"));
    while (*row->Step()) {
      EXPECT_EQ(row->Text(0), std::string(row->Text(0).size(), 'x'));
      sizes.push_back(row->Text(0).size());
    }
    return absl::OkStatus();
  };
  ASSERT_TRUE(database_->Read(read).ok());
  EXPECT_EQ(sizes, (std::vector<size_t>{0, 300, 10, 60'000, 256, 257}));
}

// The result of a prepared statement may change with the table.
TEST_P(ServerDatabaseConformance, GoesOnAfterAChangeOfATable) {
  EXPECT_EQ(Number("SELECT * FROM numbers"), -1);
  ASSERT_TRUE(Run("ALTER TABLE numbers ADD COLUMN more TEXT").ok());
  EXPECT_EQ(Number("SELECT * FROM numbers"), -1);
}

}  // namespace
}  // namespace millstream::storage
