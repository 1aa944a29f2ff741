// Users who may send a token instead of a name and password.
#ifndef MILLSTREAM_AUTH_TOKEN_USERS_H_
#define MILLSTREAM_AUTH_TOKEN_USERS_H_

#include <memory>
#include <utility>

#include "auth/credentials.h"
#include "auth/token_file.h"
#include "auth/user_source.h"

namespace millstream::auth {

// Thread-safe. The gate asks for a token as for the password of a user without
// a name, whom nobody can be.
class TokenUsers final : public UserSource {
 public:
  // `passwords` may be null: tokens alone are taken then.
  TokenUsers(std::unique_ptr<TokenFile> tokens,
             std::shared_ptr<UserSource> passwords)
      : tokens_(std::move(tokens)), passwords_(std::move(passwords)) {}

  Verdict Verify(std::string_view user, std::string_view secret) override {
    if (user.empty()) return tokens_->Find(secret);
    if (passwords_ == nullptr) return WrongCredentials();
    return passwords_->Verify(user, secret);
  }

  // No password's hash is the digest of a token.
  bool Holds(const Identity& identity) override {
    return tokens_->Holds(identity) ||
           (passwords_ != nullptr && passwords_->Holds(identity));
  }

  // Both only grow.
  uint64_t generation() override {
    return tokens_->generation() +
           (passwords_ == nullptr ? 0 : passwords_->generation());
  }

 private:
  const std::unique_ptr<TokenFile> tokens_;
  const std::shared_ptr<UserSource> passwords_;
};

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_TOKEN_USERS_H_
