#include "server/slow_requests.h"

#include <string>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "gtest/gtest.h"

namespace millstream::server {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr absl::Duration kSlow = SlowRequests::kSlow;
// Long; what does not end fails its test.
constexpr absl::Duration kLong = absl::Seconds(60);

class Waiting final : public SlowRequests::Request {
 public:
  explicit Waiting(std::string owner = "address a")
      : owner_(std::move(owner)) {}

  absl::Notification refused;
  absl::Status refusal;
  bool busy = false;

 private:
  std::string Owner() const override { return owner_; }
  bool Refuse(const absl::Status& status) override {
    if (busy) return false;
    refusal = status;
    refused.Notify();
    return true;
  }

  const std::string owner_;
};

// The checks of the thread find nothing: these are years away from its clock.
class SlowRequestsTest : public testing::Test {
 protected:
  SlowRequests requests_{2, 1, kPatience};
  const absl::Time begin_ = absl::Now() + absl::Hours(100'000);
};

TEST_F(SlowRequestsTest, WhatComesIsNotRefused) {
  Waiting a, b, c;
  for (Waiting* each : {&a, &b, &c}) requests_.Add(each, begin_);
  requests_.Check(begin_ + kSlow / 2);
  // Of the middle, the front and the end of the line.
  for (Waiting* each : {&b, &a, &c}) EXPECT_TRUE(requests_.Remove(each));
  requests_.Add(&a, begin_);
  EXPECT_TRUE(requests_.Remove(&a));
  EXPECT_FALSE(requests_.Remove(&a));
  requests_.Check(begin_ + kLong);
  EXPECT_FALSE(a.refused.HasBeenNotified());
}

TEST_F(SlowRequestsTest, WhatTakesTooLongIsRefused) {
  Waiting early, late;
  requests_.Add(&early, begin_);
  requests_.Add(&late, begin_ + kPatience - kSlow / 2);
  requests_.Check(begin_ + kPatience - kSlow / 4);
  EXPECT_FALSE(early.refused.HasBeenNotified());
  requests_.Check(begin_ + kPatience);
  EXPECT_EQ(GetErrorCode(early.refusal), v1::DEADLINE_EXCEEDED);
  EXPECT_FALSE(requests_.Remove(&early));
  EXPECT_TRUE(requests_.Remove(&late));
}

TEST_F(SlowRequestsTest, SlowOnesAreCounted) {
  Waiting a("user a"), b("user b"), c("user c");
  for (Waiting* each : {&a, &b, &c}) requests_.Add(each, begin_);
  requests_.Check(begin_ + kSlow);
  EXPECT_EQ(GetErrorCode(c.refusal), v1::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(requests_.Remove(&a));
  EXPECT_TRUE(requests_.Remove(&b));
}

TEST_F(SlowRequestsTest, NobodyHasAll) {
  Waiting a("user a"), again("user a"), b("user b");
  for (Waiting* each : {&a, &again, &b}) requests_.Add(each, begin_);
  requests_.Check(begin_ + kSlow);
  EXPECT_EQ(GetErrorCode(again.refusal), v1::RESOURCE_EXHAUSTED);
  EXPECT_NE(again.refusal.message().find("of this user or address"),
            absl::string_view::npos);
  EXPECT_TRUE(requests_.Remove(&a));
  EXPECT_TRUE(requests_.Remove(&b));
}

TEST_F(SlowRequestsTest, WhoCannotBeRefusedIsToldAgain) {
  Waiting late;
  late.busy = true;
  requests_.Add(&late, begin_);
  requests_.Check(begin_ + kPatience);
  late.busy = false;
  requests_.Check(begin_ + kPatience);
  EXPECT_TRUE(late.refused.HasBeenNotified());
  EXPECT_FALSE(requests_.Remove(&late));
}

TEST_F(SlowRequestsTest, AThreadLooksAfterThem) {
  for (int i = 0; i < 2; ++i) {
    Waiting late;
    requests_.Add(&late, absl::Now() - kPatience);
    EXPECT_TRUE(late.refused.WaitForNotificationWithTimeout(kLong));
    EXPECT_FALSE(requests_.Remove(&late));
  }
}

}  // namespace
}  // namespace millstream::server
