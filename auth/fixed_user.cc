#include "auth/fixed_user.h"

#include <string>

#include "auth/credentials.h"
#include "auth/password_hash.h"
#include "base/limits.h"
#include "base/str_cat.h"

namespace millstream::auth {
namespace {

class FixedUser final : public UserSource {
 public:
  FixedUser(std::string_view user, std::string_view password)
      : identity_(std::make_shared<Identity>(Identity{std::string(user)})),
        hash_(HashPassword(password)) {}

  Verdict Verify(std::string_view user, std::string_view password) override {
    const bool right = Matches(password, hash_);
    if (SameBytes(user, identity_->user) && right) return identity_;
    return WrongCredentials();
  }

  bool Holds(const Identity& identity) override {
    return identity.user == identity_->user;
  }

  uint64_t generation() override { return 0; }

 private:
  const IdentityPtr identity_;
  const std::string hash_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<UserSource>> MakeFixedUser(
    std::string_view user, std::string_view password) {
  if (user.empty() || user.size() > limits::kUserNameBytesMax ||
      user.find(':') != std::string_view::npos) {
    return absl::InvalidArgumentError(
        StrCat("--auth-user (or MLFLOW_TRACKING_USERNAME) must have 1 to ",
               limits::kUserNameBytesMax, " bytes and no colon."));
  }
  if (password.empty() || password.size() > limits::kPasswordBytesMax) {
    return absl::InvalidArgumentError(
        StrCat("--auth-password (or MLFLOW_TRACKING_PASSWORD) must have 1 to ",
               limits::kPasswordBytesMax, " bytes."));
  }
  return std::make_unique<FixedUser>(user, password);
}

}  // namespace millstream::auth
