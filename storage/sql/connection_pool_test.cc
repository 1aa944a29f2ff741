#include "storage/sql/connection_pool.h"

#include <gtest/gtest.h>

#include <thread>

#include "storage/sql/backoff.h"

namespace millstream::storage::sql {
namespace {

struct Line {
  absl::Time when = absl::Now();
  absl::Time opened() const { return when; }
};
using Pool = ConnectionPool<Line>;

class Gone final : public Liveness {
 public:
  absl::Status Alive() const override {
    return absl::DeadlineExceededError("gone");
  }
};

std::unique_ptr<Line> TakeOne(Pool& pool) {
  auto line = pool.Take(Liveness::Always());
  EXPECT_TRUE(line.ok()) << line.status();
  return *line == nullptr ? std::make_unique<Line>() : *std::move(line);
}

TEST(ConnectionPoolTest, LendsTheOneUsedLast) {
  Pool pool({.size = 2, .overflow = 0});
  auto a = TakeOne(pool);
  auto b = TakeOne(pool);
  Line* const last = b.get();
  pool.GiveBack(std::move(a));
  pool.GiveBack(std::move(b));
  EXPECT_EQ(TakeOne(pool).get(), last);
}

TEST(ConnectionPoolTest, OpensNoMoreThanItMay) {
  Pool pool({.size = 1, .overflow = 1, .wait = absl::Milliseconds(1)});
  auto a = TakeOne(pool);
  auto b = TakeOne(pool);
  EXPECT_EQ(pool.open(), 2);
  EXPECT_TRUE(absl::IsUnavailable(pool.Take(Liveness::Always()).status()));
  pool.GiveBack(nullptr);
  EXPECT_EQ(pool.open(), 1);
  b = TakeOne(pool);
  EXPECT_EQ(pool.open(), 2);
}

TEST(ConnectionPoolTest, WhoWaitsGetsWhatIsGivenBack) {
  Pool pool({.size = 1, .overflow = 0});
  auto a = TakeOne(pool);
  Line* const only = a.get();
  std::thread waiter([&] { EXPECT_EQ(TakeOne(pool).get(), only); });
  pool.GiveBack(std::move(a));
  waiter.join();
}

TEST(ConnectionPoolTest, WhoWaitsGoesWithItsCaller) {
  Pool pool({.size = 1, .overflow = 0});
  auto a = TakeOne(pool);
  EXPECT_TRUE(absl::IsDeadlineExceeded(pool.Take(Gone()).status()));
}

TEST(ConnectionPoolTest, DoesNotLendOldOnes) {
  Pool pool({.size = 2, .overflow = 0, .recycle = absl::Hours(1)});
  auto a = TakeOne(pool);
  auto b = TakeOne(pool);
  a->when -= absl::Hours(2);
  pool.GiveBack(std::move(b));
  pool.GiveBack(std::move(a));
  EXPECT_EQ(pool.open(), 1);
}

TEST(ConnectionPoolTest, ClosesWhatIsIdleWhenTold) {
  Pool pool({.size = 2, .overflow = 0});
  auto a = TakeOne(pool);
  pool.GiveBack(TakeOne(pool));
  pool.CloseIdle();
  EXPECT_EQ(pool.open(), 1);
  EXPECT_EQ(pool.idle(), 0);
}

TEST(BackoffTest, GrowsToItsLongest) {
  Backoff backoff(absl::Milliseconds(10), absl::Milliseconds(40));
  for (int expected : {10, 20, 40, 40}) {
    const absl::Duration wait = backoff.Next();
    EXPECT_GE(wait, absl::Milliseconds(expected) / 2);
    EXPECT_LE(wait, absl::Milliseconds(expected));
  }
  EXPECT_TRUE(absl::IsDeadlineExceeded(SleepFor(absl::Hours(1), Gone())));
}

}  // namespace
}  // namespace millstream::storage::sql
