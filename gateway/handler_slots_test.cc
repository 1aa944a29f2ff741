#include "gateway/handler_slots.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace millstream::gateway {
namespace {

class HandlerSlotsTest : public testing::Test {
 protected:
  HandlerSlots::Waiter Named(std::string name) {
    return [this, name](bool taken) {
      told_.push_back(name + (taken ? " in" : " out"));
    };
  }
  std::vector<std::string> told_;
};

using Told = std::vector<std::string>;

TEST_F(HandlerSlotsTest, AsManyAsThereAre) {
  HandlerSlots slots(2);
  EXPECT_TRUE(slots.TryTake());
  EXPECT_TRUE(slots.TryTake());
  EXPECT_FALSE(slots.TryTake());
  slots.Give();
  EXPECT_TRUE(slots.TryTake());
}

TEST_F(HandlerSlotsTest, TheFirstInLineIsNext) {
  HandlerSlots slots(1);
  ASSERT_TRUE(slots.TryTake());
  slots.Wait(100, Named("a"));
  slots.Wait(100, Named("b"));
  EXPECT_TRUE(told_.empty());
  slots.Give();
  EXPECT_EQ(told_, Told({"a in"}));
  EXPECT_FALSE(slots.TryTake());
  slots.Give();
  EXPECT_EQ(told_, Told({"a in", "b in"}));
}

TEST_F(HandlerSlotsTest, AFreeSlotIsGivenAtOnce) {
  HandlerSlots slots(1);
  slots.Wait(100, Named("a"));
  EXPECT_EQ(told_, Told({"a in"}));
}

TEST_F(HandlerSlotsTest, WhoWaitsTooLongIsSentAway) {
  HandlerSlots slots(1);
  ASSERT_TRUE(slots.TryTake());
  slots.Wait(100, Named("a"));
  slots.Wait(200, Named("b"));
  slots.ExpireBefore(100);
  EXPECT_TRUE(told_.empty());
  slots.ExpireBefore(101);
  EXPECT_EQ(told_, Told({"a out"}));
  slots.Give();
  EXPECT_EQ(told_, Told({"a out", "b in"}));
}

TEST_F(HandlerSlotsTest, WhoWaitsLongerDoesNotKeepOthersInLine) {
  HandlerSlots slots(1);
  ASSERT_TRUE(slots.TryTake());
  slots.Wait(300, Named("a"));
  slots.Wait(100, Named("b"));
  slots.Wait(200, Named("c"));
  slots.Wait(100, Named("d"));
  slots.ExpireBefore(150);
  EXPECT_EQ(told_, Told({"b out", "d out"}));
  slots.Give();
  slots.Give();
  EXPECT_EQ(told_, Told({"b out", "d out", "a in", "c in"}));
}

}  // namespace
}  // namespace millstream::gateway
