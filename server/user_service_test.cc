#include "server/user_service.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "auth/gate.h"
#include "auth/identity.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "server/authorizer.h"
#include "server/testing_users.h"

namespace millstream::server {
namespace {

// What each rpc answers is tested with whole servers: tests/api.

// The password is "right", whatever it is changed to.
class Changing final : public OneUser {
 public:
  auth::Verdict Verify(std::string_view user,
                       std::string_view password) override {
    ++checks;
    if (password != "right") return auth::WrongCredentials();
    return std::make_shared<auth::Identity>(
        auth::Identity{std::string(user)});
  }
  absl::Status SetPassword(std::string_view, std::string_view) override {
    ++changes;
    if (meanwhile != nullptr) meanwhile();
    return absl::OkStatus();
  }

  int checks = 0, changes = 0;
  std::function<void()> meanwhile;
};

class StoppedClock final : public Clock {
 public:
  int64_t NowMs() const override { return 1'000'000; }
};

class UserServiceTest : public testing::Test {
 protected:
  v1::ErrorCode Change(const std::string& current,
                       const std::string& user = "alice") {
    CallContext context(Door::kRest);
    context.set_peer("1.2.3.4:5");
    context.set_identity(
        std::make_shared<auth::Identity>(auth::Identity{"alice"}));
    v1::UpdateUserPasswordRequest request;
    request.set_username(user);
    request.set_current_password(current);
    request.set_password("another");
    v1::UpdateUserPasswordResponse response;
    const absl::Status status =
        service_.UpdateUserPassword(context, request, &response);
    return status.ok() ? kOk : GetErrorCode(status);
  }

  static constexpr v1::ErrorCode kOk = v1::ERROR_CODE_UNSPECIFIED;
  const std::shared_ptr<Changing> users_ = std::make_shared<Changing>();
  StoppedClock clock_;
  auth::Gate gate_{users_, &clock_};
  Authorizer authorizer_{
      users_.get(), nullptr, nullptr, auth::Permission::kNone,
      [](std::string_view) { return std::optional<std::string>(); }};
  UserService service_{users_.get(), &authorizer_, &gate_};
};

TEST_F(UserServiceTest, ASessionIsNoPlaceToGuessItsPasswordAt) {
  EXPECT_EQ(Change(""), v1::INVALID_PARAMETER_VALUE);
  for (int i = 0; i < limits::kGuessesOfPairMax; ++i) {
    EXPECT_EQ(Change("wrong"), v1::INVALID_PARAMETER_VALUE);
  }
  EXPECT_EQ(Change("right"), v1::RESOURCE_EXHAUSTED);
  EXPECT_EQ(users_->checks, limits::kGuessesOfPairMax);
  EXPECT_EQ(users_->changes, 0);
}

TEST_F(UserServiceTest, FewChangeTheirPasswordsAtATime) {
  v1::ErrorCode refused = kOk;
  users_->meanwhile = [&] {
    const v1::ErrorCode code = Change("right");
    if (code != kOk) refused = code;
  };
  EXPECT_EQ(Change("right"), kOk);
  EXPECT_EQ(refused, v1::TEMPORARILY_UNAVAILABLE);
  EXPECT_EQ(users_->changes, limits::kOwnPasswordChangesMax);
  // Then there is room again.
  users_->meanwhile = nullptr;
  EXPECT_EQ(Change("right"), kOk);
}

TEST_F(UserServiceTest, AdministratorsNeedNoPasswordOfOthers) {
  EXPECT_EQ(Change("", "bob"), kOk);
  EXPECT_EQ(users_->checks, 0);
}

}  // namespace
}  // namespace millstream::server
