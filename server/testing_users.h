// A store of users for tests of what permissions allow.
#ifndef MILLSTREAM_SERVER_TESTING_USERS_H_
#define MILLSTREAM_SERVER_TESTING_USERS_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/user_store.h"

namespace millstream::server {

// One user, "alice", with the grants that a test gives. Thread-compatible.
class OneUser : public auth::UserStore {
 public:
  OneUser() { table_->users["alice"].name = "alice"; }

  void Give(auth::Grant grant) {
    table_->users["alice"].grants.push_back(std::move(grant));
  }
  void set_password_hash(std::string hash) {
    table_->users["alice"].password_hash = std::move(hash);
  }
  // Grants that another server has made: there once they are asked for.
  std::vector<auth::Grant> made_elsewhere;

  std::shared_ptr<const auth::UserTable> table() override { return table_; }
  void Refresh() override {
    for (auth::Grant& grant : made_elsewhere) Give(std::move(grant));
    made_elsewhere.clear();
  }
  auth::Verdict Verify(std::string_view, std::string_view) override {
    return None();
  }
  bool Holds(const auth::Identity&) override { return true; }
  uint64_t generation() override { return 0; }

  absl::Status CreateUser(std::string_view, std::string_view, bool) override {
    return None();
  }
  absl::Status SetPassword(std::string_view, std::string_view) override {
    return None();
  }
  absl::Status SetAdmin(std::string_view, bool) override { return None(); }
  absl::Status DeleteUser(std::string_view) override { return None(); }
  absl::StatusOr<int64_t> CreateRole(
      std::string_view, std::string_view,
      const std::optional<std::string>&) override {
    return None();
  }
  absl::Status UpdateRole(int64_t, const std::optional<std::string>&,
                          const std::optional<std::string>&) override {
    return None();
  }
  absl::Status DeleteRole(int64_t) override { return None(); }
  absl::StatusOr<int64_t> AddRoleGrant(int64_t, std::string_view,
                                       std::string_view,
                                       std::string_view) override {
    return None();
  }
  absl::Status UpdateRoleGrant(int64_t, std::string_view) override {
    return None();
  }
  absl::Status RemoveRoleGrant(int64_t) override { return None(); }
  absl::StatusOr<int64_t> Assign(std::string_view, int64_t) override {
    return None();
  }
  absl::Status Unassign(std::string_view, int64_t) override { return None(); }
  absl::Status GrantUser(std::string_view, std::string_view, std::string_view,
                         std::string_view, bool) override {
    return None();
  }
  absl::Status RevokeUser(std::string_view, std::string_view,
                          std::string_view) override {
    return None();
  }
  absl::Status DropGrants(std::string_view, std::string_view) override {
    return None();
  }
  absl::Status RenameGrants(std::string_view, std::string_view,
                            std::string_view) override {
    return None();
  }

 private:
  static absl::Status None() { return absl::UnimplementedError("not here"); }

  const std::shared_ptr<auth::UserTable> table_ =
      std::make_shared<auth::UserTable>();
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_TESTING_USERS_H_
