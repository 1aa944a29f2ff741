// Behind a pooler that gives each transaction any session.
#include <gtest/gtest.h>

#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/postgres/postgres_testing.h"
#include "storage/testing/pgbouncer.h"

namespace millstream::storage::postgres {
namespace {

using sql::Transaction;

constexpr std::string_view kTables[] = {"first", "second", "third", "fourth"};

class PoolerTest : public OwnServerDatabaseTest<SharedPostgres> {
 protected:
  static std::string PooledUri(std::string_view uri) {
    static const auto* const pooler = new testing::Pgbouncer(
        SharedPostgres::Own().server(), /*sessions=*/2);
    const size_t begin = uri.rfind('/', uri.find('?')) + 1;
    return pooler->Uri(uri.substr(begin, uri.find('?') - begin));
  }

  void SetUp() override {
    OwnServerDatabaseTest::SetUp();
    for (std::string_view table : kTables) {
      ASSERT_TRUE(Run(StrCat("CREATE TABLE ", table, " (t TEXT)")).ok());
    }
    uri_ = PooledUri(uri_);
  }

  static std::string InsertInto(std::string_view table) {
    return StrCat("INSERT INTO ", table, " VALUES (?)");
  }
  // Adds the table's name to it, and does `more` before the commit.
  template <typename More>
  static absl::Status Add(sql::Database& database, std::string_view table,
                          More more) {
    return database.Write([&](Transaction& transaction) -> absl::Status {
      RETURN_IF_ERROR(transaction.Execute(InsertInto(table), table));
      return more();
    });
  }
  static absl::Status Add(sql::Database& database, std::string_view table) {
    return Add(database, table, [] { return absl::OkStatus(); });
  }
  void ExpectEachIsInItsTable(int64_t count) {
    for (std::string_view table : kTables) {
      EXPECT_EQ(Number(StrCat("SELECT count(*) FROM ", table,
                              " WHERE t = '", table, "'")),
                count);
      EXPECT_EQ(Number(StrCat("SELECT count(*) FROM ", table)), count);
    }
  }
};

// Two of our connections prepare other statements, each in a session of its
// own, and are then given each other's.
TEST_F(PoolerTest, StatementsThatOthersPreparedAreNotTaken) {
  const auto a = Open();
  const auto b = Open();
  for (size_t i = 0; i < std::size(kTables); i += 2) {
    const auto meet = [&](sql::Database& outer, std::string_view outer_table,
                          sql::Database& inner, std::string_view inner_table) {
      const absl::Status status = Add(
          outer, outer_table, [&] { return Add(inner, inner_table); });
      EXPECT_TRUE(status.ok()) << status;
    };
    meet(*a, kTables[i], *b, kTables[i + 1]);
    meet(*b, kTables[i + 1], *a, kTables[i]);
  }
  ExpectEachIsInItsTable(2);
}

TEST_F(PoolerTest, ManyConnectionsShareFewSessions) {
  constexpr int kRounds = 25;
  const auto pooled = Open();
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRounds; ++i) {
        for (size_t table = 0; table < std::size(kTables); ++table) {
          const absl::Status status =
              Add(*pooled, kTables[(table + t) % std::size(kTables)]);
          EXPECT_TRUE(status.ok()) << status;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ExpectEachIsInItsTable(8 * kRounds);
}

}  // namespace
}  // namespace millstream::storage::postgres
