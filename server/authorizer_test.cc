#include "server/authorizer.h"

#include <memory>
#include <string>

#include "auth/user_store.h"
#include "base/error.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "millstream/v1/tracking.pb.h"
#include "server/owner_cache.h"

namespace millstream::server {
namespace {

// What each right allows is tested with whole servers, over every rpc:
// tests/api/test_permissions.py.

// One user, "alice", with the grants that a test gives.
class Users final : public auth::UserStore {
 public:
  Users() {
    table_->users["alice"].name = "alice";
  }
  void Give(auth::Grant grant) {
    table_->users["alice"].grants.push_back(std::move(grant));
  }

  std::shared_ptr<const auth::UserTable> table() override { return table_; }
  auth::Verdict Verify(std::string_view, std::string_view) override {
    return None();
  }
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

const v1::Access& AccessOf(const std::string& rpc) {
  return v1::SearchExperimentsRequest::descriptor()
      ->file()
      ->FindServiceByName("TrackingService")
      ->FindMethodByName(rpc)
      ->options()
      .GetExtension(v1::access);
}

class AuthorizerTest : public testing::Test {
 protected:
  Users users_;
  Authorizer authorizer_{&users_, nullptr, nullptr, auth::Permission::kNone};
};

TEST_F(AuthorizerTest, PagesAreFilledAsLongAsThatIsQuick) {
  users_.Give({"experiment", "999", auth::Permission::kRead});
  int pages = 0;
  const auto endless = [&](const Authorizer::Message&,
                           Authorizer::Message* response) {
    auto* page = static_cast<v1::SearchExperimentsResponse*>(response);
    page->add_experiments()->set_experiment_id(std::to_string(pages));
    page->set_next_page_token(std::to_string(++pages));
    return absl::OkStatus();
  };
  v1::SearchExperimentsRequest request;
  v1::SearchExperimentsResponse response;
  ASSERT_TRUE(authorizer_.Call("alice", AccessOf("SearchExperiments"), request,
                               &response, endless)
                  .ok());
  EXPECT_EQ(pages, 1 + limits::kFilteredPagesMax);
  EXPECT_EQ(response.experiments_size(), 0);
  EXPECT_EQ(response.next_page_token(), std::to_string(pages));
}

TEST_F(AuthorizerTest, StrangersMayNothing) {
  v1::GetExperimentRequest request;
  request.set_experiment_id("1");
  for (const char* user : {"alice", "nobody", ""}) {
    EXPECT_EQ(GetErrorCode(authorizer_.Check(user, AccessOf("GetExperiment"),
                                             request)),
              v1::PERMISSION_DENIED);
  }
  EXPECT_FALSE(
      authorizer_.Check("nobody", AccessOf("SearchRuns"), request).ok());
  users_.Give({"experiment", "1", auth::Permission::kRead});
  EXPECT_TRUE(
      authorizer_.Check("alice", AccessOf("GetExperiment"), request).ok());
}

TEST(OwnerCacheTest, IsBounded) {
  OwnerCache cache;
  for (size_t i = 0; i <= limits::kKnownOwnersMax; ++i) {
    cache.Put(std::to_string(i), "1");
  }
  EXPECT_LE(cache.size(), limits::kKnownOwnersMax);
  EXPECT_EQ(cache.Find(std::to_string(limits::kKnownOwnersMax)), "1");
  EXPECT_EQ(cache.Find("another"), std::nullopt);
}

}  // namespace
}  // namespace millstream::server
