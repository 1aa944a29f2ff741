#include "server/ingest_budget.h"

#include "base/limits.h"
#include "gtest/gtest.h"

namespace millstream::server {
namespace {

TEST(IngestBudgetTest, TheServersBudgetIsTheNamedOne) {
  IngestBudget budget;
  ASSERT_TRUE(budget.TryTake(limits::kIngestStreamBytesMax - 1));
  EXPECT_TRUE(budget.MayRead([] {}));
  budget.Take(1);
  EXPECT_FALSE(budget.MayRead([] {}));
  ASSERT_TRUE(budget.TryTake(limits::kIngestBytesMax -
                             limits::kIngestStreamBytesMax));
  EXPECT_FALSE(budget.TryTake(1));
  EXPECT_EQ(budget.used(), limits::kIngestBytesMax);
}

TEST(IngestBudgetTest, WhatComesAloneIsTaken) {
  IngestBudget budget(100, 50);
  EXPECT_TRUE(budget.TryTake(1000));
  EXPECT_FALSE(budget.TryTake(1));
  budget.Give(1000);
  EXPECT_TRUE(budget.TryTake(100));
}

TEST(IngestBudgetTest, WhoWaitsIsCalledOnceThereIsRoom) {
  IngestBudget budget(100, 50);
  int calls = 0;
  budget.Take(70);
  EXPECT_FALSE(budget.MayRead([&] { ++calls; }));
  EXPECT_FALSE(budget.MayRead([&] { ++calls; }));
  budget.Give(20);
  EXPECT_EQ(calls, 0) << "not before half of it is free";
  budget.Give(25);
  EXPECT_EQ(calls, 2);
  budget.Give(25);
  EXPECT_EQ(calls, 2);
  EXPECT_TRUE(budget.MayRead([] {}));
}

}  // namespace
}  // namespace millstream::server
