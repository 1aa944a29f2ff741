#include "auth/gate.h"

#include <atomic>
#include <future>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/synchronization/notification.h"
#include "base/error.h"
#include "base/limits.h"
#include "gtest/gtest.h"

namespace millstream::auth {
namespace {

class SetClock final : public Clock {
 public:
  int64_t NowMs() const override { return now_ms; }
  std::atomic<int64_t> now_ms{1'000'000};
};

// Everybody's password is "right". Counts, and waits if it is told to.
class Counting final : public UserSource {
 public:
  Verdict Verify(std::string_view user, std::string_view password) override {
    ++checks;
    ++under_way;
    if (hold) release.WaitForNotification();
    if (under_way > under_way_max) under_way_max = under_way.load();
    --under_way;
    if (broken) return absl::InternalError("disk of /home/me");
    if (user.empty() || password != "right") return WrongCredentials();
    return std::make_shared<Identity>(Identity{std::string(user)});
  }
  bool Holds(const Identity&) override { return !broken; }
  uint64_t generation() override { return changes; }

  std::atomic<int> checks = 0, under_way = 0, under_way_max = 0, changes = 0;
  std::atomic<bool> hold = false, broken = false;
  absl::Notification release;
};

std::string Basic(std::string_view user, std::string_view password) {
  return "Basic " +
         absl::Base64Escape(std::string(user) + ":" + std::string(password));
}

class GateTest : public testing::Test {
 protected:
  // As the doors ask.
  std::future<Verdict> Ask(const std::string& header,
                           const std::string& peer = "1.2.3.4:5") {
    auto said = std::make_shared<std::promise<Verdict>>();
    if (std::optional<Verdict> known = gate_.Recall(header)) {
      said->set_value(*known);
    } else {
      gate_.Check(header, peer, [said](Verdict v) { said->set_value(v); });
    }
    return said->get_future();
  }
  v1::ErrorCode Code(const std::string& header,
                     const std::string& peer = "1.2.3.4:5") {
    const Verdict verdict = Ask(header, peer).get();
    return verdict.ok() ? v1::ERROR_CODE_UNSPECIFIED
                        : GetErrorCode(verdict.status());
  }

  SetClock clock_;
  Counting* const users_ = new Counting;
  Gate gate_{std::unique_ptr<UserSource>(users_), &clock_};
};

constexpr v1::ErrorCode kOk = v1::ERROR_CODE_UNSPECIFIED;

TEST_F(GateTest, SaysWhoItIs) {
  const Verdict verdict = Ask(Basic("alice", "right")).get();
  ASSERT_TRUE(verdict.ok());
  EXPECT_EQ((*verdict)->user, "alice");
}

TEST_F(GateTest, RefusesWhatIsWrongOrNothing) {
  EXPECT_EQ(Code(""), v1::UNAUTHENTICATED);
  EXPECT_EQ(Code("Basic ?"), v1::UNAUTHENTICATED);
  EXPECT_EQ(Code("Bearer right"), v1::UNAUTHENTICATED);
  EXPECT_EQ(Code(Basic("alice", "wrong")), v1::UNAUTHENTICATED);
}

TEST_F(GateTest, ChecksAPasswordAgainAfterAMinuteWithoutCalls) {
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Code(Basic("alice", "right")), kOk);
  EXPECT_EQ(users_->checks, 1);
  clock_.now_ms += limits::kKnownCredentialsMsMax;
  EXPECT_EQ(Code(Basic("alice", "right")), kOk);
  EXPECT_EQ(users_->checks, 2);
}

TEST_F(GateTest, WhoGoesOnCallingIsCheckedOnce) {
  EXPECT_EQ(Code(Basic("alice", "right")), kOk);
  for (int i = 0; i < 10; ++i) {
    clock_.now_ms += limits::kKnownCredentialsMsMax * 2 / 3;
    EXPECT_EQ(Code(Basic("alice", "right")), kOk);
  }
  EXPECT_EQ(users_->checks, 1);
  ++users_->changes;
  EXPECT_EQ(Code(Basic("alice", "right")), kOk);
  EXPECT_EQ(users_->checks, 2);
}

TEST_F(GateTest, ForgetsWhenUsersChange) {
  EXPECT_EQ(Code(Basic("alice", "right")), kOk);
  ++users_->changes;
  EXPECT_EQ(Code(Basic("alice", "right")), kOk);
  EXPECT_EQ(users_->checks, 2);
}

TEST_F(GateTest, WrongPasswordsAreNotRemembered) {
  EXPECT_EQ(Code(Basic("alice", "wrong")), v1::UNAUTHENTICATED);
  EXPECT_EQ(Code(Basic("alice", "wrong")), v1::UNAUTHENTICATED);
  EXPECT_EQ(users_->checks, 2);
}

TEST_F(GateTest, GuessersWaitAndOthersDoNot) {
  EXPECT_EQ(Code(Basic("bob", "right")), kOk);
  for (int i = 0; i < limits::kGuessesOfPairMax; ++i) {
    EXPECT_EQ(Code(Basic("alice", "wrong" + std::to_string(i))),
              v1::UNAUTHENTICATED);
  }
  EXPECT_EQ(Code(Basic("alice", "wrong")), v1::RESOURCE_EXHAUSTED);
  EXPECT_EQ(users_->checks, 1 + limits::kGuessesOfPairMax);
  EXPECT_EQ(Code(Basic("bob", "right")), kOk);
  EXPECT_EQ(Code(Basic("alice", "right"), "9.9.9.9:1"), kOk);
  clock_.now_ms += 2 * limits::kGuessOfPairMsMin;
  EXPECT_EQ(Code(Basic("alice", "wrong")), v1::UNAUTHENTICATED);
}

TEST_F(GateTest, ThoseWhoAskTheSameShareACheck) {
  users_->hold = true;
  std::vector<std::future<Verdict>> asked;
  for (int i = 0; i < 100; ++i) asked.push_back(Ask(Basic("alice", "right")));
  users_->release.Notify();
  for (auto& each : asked) EXPECT_TRUE(each.get().ok());
  EXPECT_EQ(users_->checks, 1);
}

TEST_F(GateTest, FewChecksRunAtOnceAndNotTooManyWait) {
  users_->hold = true;
  std::vector<std::future<Verdict>> asked;
  const size_t all =
      limits::kPasswordChecksMax + limits::kPasswordChecksWaitingMax;
  for (size_t i = 0; i < all + 50; ++i) {
    const std::string n = std::to_string(i);
    asked.push_back(Ask(Basic(n, "right"), n + ":1"));
  }
  users_->release.Notify();
  size_t refused = 0;
  for (auto& each : asked) {
    const Verdict verdict = each.get();
    if (verdict.ok()) continue;
    EXPECT_EQ(GetErrorCode(verdict.status()), v1::TEMPORARILY_UNAVAILABLE);
    ++refused;
  }
  EXPECT_GE(refused, 50u);
  EXPECT_LE(refused, 50u + limits::kPasswordChecksMax);
  EXPECT_LE(users_->under_way_max,
            static_cast<int>(limits::kPasswordChecksMax));
}

TEST_F(GateTest, RemembersNoMoreThanItsLimit) {
  const size_t all = limits::kKnownCredentialsMax + 1;
  for (size_t i = 0; i < all; ++i) {
    const std::string n = std::to_string(i);
    ASSERT_EQ(Code(Basic(n, "right"), n + ":1"), kOk);
  }
  EXPECT_FALSE(gate_.Recall(Basic("0", "right")).has_value());
  EXPECT_TRUE(gate_.Recall(Basic("1", "right")).has_value());
}

TEST_F(GateTest, FaultsOfUsersAreNotTold) {
  users_->broken = true;
  const Verdict verdict = Ask(Basic("alice", "right")).get();
  EXPECT_EQ(GetErrorCode(verdict.status()), v1::TEMPORARILY_UNAVAILABLE);
  EXPECT_EQ(verdict.status().message().find("/home"),
            absl::string_view::npos);
}

TEST_F(GateTest, GuessesOfWhoIsInAlreadyAreSlowedDownToo) {
  ASSERT_EQ(Code(Basic("alice", "right")), kOk);
  const auto ask = [&](std::string_view password) {
    const absl::Status status = gate_.AskAgain("alice", password, "1.2.3.4:6");
    return status.ok() ? kOk : GetErrorCode(status);
  };
  for (int i = 0; i < limits::kGuessesOfPairMax; ++i) {
    EXPECT_EQ(ask("wrong"), v1::UNAUTHENTICATED);
  }
  const int before = users_->checks;
  EXPECT_EQ(ask("right"), v1::RESOURCE_EXHAUSTED);
  EXPECT_EQ(users_->checks, before);
  clock_.now_ms += limits::kGuessOfPairMsMin;
  EXPECT_EQ(ask("right"), kOk);
}

}  // namespace
}  // namespace millstream::auth
