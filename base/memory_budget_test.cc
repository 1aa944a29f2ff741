#include "base/memory_budget.h"

#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace millstream {
namespace {

TEST(MemoryBudget, SharesAreGivenBack) {
  MemoryBudget budget(100);
  {
    MemoryBudget::Share share(&budget);
    EXPECT_TRUE(share.Resize(40));
    EXPECT_TRUE(share.Resize(10));
    EXPECT_EQ(budget.held(), 10u);
    EXPECT_TRUE(share.Resize(30));
    EXPECT_EQ(budget.held(), 30u);
  }
  EXPECT_EQ(budget.held(), 0u);
}

TEST(MemoryBudget, NothingChangesWhenAShareIsRefused) {
  MemoryBudget budget(100);
  MemoryBudget::Share share(&budget);
  EXPECT_TRUE(share.Resize(20));
  EXPECT_FALSE(share.Resize(1000));
  EXPECT_FALSE(share.Resize(static_cast<size_t>(-1)));
  EXPECT_EQ(budget.held(), 20u);
  EXPECT_TRUE(share.Resize(0));
  EXPECT_EQ(budget.held(), 0u);
}

TEST(MemoryBudget, TheSmallAreServedWhenTheLargeNoLongerAre) {
  MemoryBudget budget(100);
  std::vector<std::unique_ptr<MemoryBudget::Share>> large;
  for (;;) {
    auto share = std::make_unique<MemoryBudget::Share>(&budget);
    if (!share->Resize(20)) break;
    large.push_back(std::move(share));
  }
  EXPECT_EQ(large.size(), 4u);
  MemoryBudget::Share small(&budget);
  EXPECT_TRUE(small.Resize(5));
}

TEST(MemoryBudget, ManyThreadsNeverHoldMoreThanThereIs) {
  MemoryBudget budget(1000);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&budget] {
      for (size_t bytes = 0; bytes < 2000; ++bytes) {
        MemoryBudget::Share share(&budget);
        share.Resize(bytes % 400);
        EXPECT_LE(budget.held(), 1000u);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(budget.held(), 0u);
}

}  // namespace
}  // namespace millstream
