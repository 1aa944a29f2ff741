#include "auth/sqlite_user_store.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>

#include "base/error.h"
#include "gtest/gtest.h"

namespace millstream::auth {
namespace {

class SetClock final : public Clock {
 public:
  int64_t NowMs() const override { return now_ms; }
  std::atomic<int64_t> now_ms{1'000'000};
};

constexpr char kPassword[] = "a long password";

class SqliteUserStoreTest : public testing::Test {
 protected:
  SqliteUserStoreTest()
      : folder_(testing::TempDir() + "/users-" + std::to_string(getpid()) +
                testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::create_directories(folder_);
    store_ = Open();
    EXPECT_TRUE(store_->CreateUser("alice", kPassword, false).ok());
  }
  ~SqliteUserStoreTest() override { std::filesystem::remove_all(folder_); }

  std::shared_ptr<UserStore> Open() {
    auto store = OpenSqliteUserStore(folder_ + "/users.db", &clock_);
    EXPECT_TRUE(store.ok()) << store.status();
    return *store;
  }
  std::string GrantsOf(std::string_view user) {
    std::string text;
    for (const Grant& grant : store_->table()->Find(user)->grants) {
      text += grant.type + " " + grant.pattern + " " +
              std::string(NameOf(grant.permission)) + "; ";
    }
    return text;
  }

  const std::string folder_;
  SetClock clock_;
  std::shared_ptr<UserStore> store_;
};

TEST_F(SqliteUserStoreTest, KnowsUsersByTheirPasswords) {
  EXPECT_TRUE(store_->Verify("alice", kPassword).ok());
  EXPECT_FALSE(store_->Verify("alice", "another one").ok());
  EXPECT_FALSE(store_->Verify("bob", kPassword).ok());
  EXPECT_FALSE(store_->Verify("bob", "nobody's").ok());
}

TEST_F(SqliteUserStoreTest, GenerationsTellOfUsersAndNotOfGrants) {
  uint64_t before = store_->generation();
  ASSERT_TRUE(
      store_->GrantUser("alice", "experiment", "1", "READ", false).ok());
  EXPECT_EQ(store_->generation(), before);
  ASSERT_TRUE(store_->SetPassword("alice", "another password").ok());
  EXPECT_NE(store_->generation(), before);
  EXPECT_FALSE(store_->Verify("alice", kPassword).ok());
  before = store_->generation();
  ASSERT_TRUE(store_->DeleteUser("alice").ok());
  EXPECT_NE(store_->generation(), before);
}

TEST_F(SqliteUserStoreTest, RefusesWhatMlflowRefuses) {
  EXPECT_EQ(GetErrorCode(store_->CreateUser("alice", kPassword, false)),
            v1::RESOURCE_ALREADY_EXISTS);
  EXPECT_EQ(GetErrorCode(store_->CreateUser("bob", "elevenchars", false)),
            v1::INVALID_PARAMETER_VALUE);
  EXPECT_TRUE(store_->CreateUser("bob", "twelve chars", false).ok());
  EXPECT_EQ(GetErrorCode(store_->CreateUser("", kPassword, false)),
            v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(GetErrorCode(store_->SetPassword("carol", kPassword)),
            v1::RESOURCE_DOES_NOT_EXIST);
  EXPECT_EQ(GetErrorCode(store_->DeleteUser("carol")),
            v1::RESOURCE_DOES_NOT_EXIST);
  EXPECT_EQ(GetErrorCode(store_->CreateRole("__user_1__", "default", {})
                             .status()),
            v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(GetErrorCode(store_->AddRoleGrant(99, "run", "*", "READ").status()),
            v1::RESOURCE_DOES_NOT_EXIST);
}

TEST_F(SqliteUserStoreTest, UsersHaveGrantsOfTheirOwn) {
  ASSERT_TRUE(
      store_->GrantUser("alice", "registered_model", "m", "READ", false).ok());
  EXPECT_EQ(GetErrorCode(store_->GrantUser("alice", "registered_model", "m",
                                           "EDIT", false)),
            v1::RESOURCE_ALREADY_EXISTS);
  ASSERT_TRUE(
      store_->GrantUser("alice", "registered_model", "m", "EDIT", true).ok());
  EXPECT_EQ(GrantsOf("alice"), "registered_model m EDIT; ");
  ASSERT_TRUE(store_->RenameGrants("registered_model", "m", "n").ok());
  EXPECT_EQ(GrantsOf("alice"), "registered_model n EDIT; ");
  EXPECT_EQ(GetErrorCode(store_->RevokeUser("alice", "registered_model", "m")),
            v1::RESOURCE_DOES_NOT_EXIST);
  ASSERT_TRUE(store_->DropGrants("registered_model", "n").ok());
  EXPECT_EQ(GrantsOf("alice"), "");
}

TEST_F(SqliteUserStoreTest, RolesGiveTheirGrantsToWhoHasThem) {
  const auto role = store_->CreateRole("team", "default", "all of us");
  ASSERT_TRUE(role.ok());
  EXPECT_EQ(GetErrorCode(store_->CreateRole("team", "default", {}).status()),
            v1::RESOURCE_ALREADY_EXISTS);
  const auto grant = store_->AddRoleGrant(*role, "experiment", "*", "EDIT");
  ASSERT_TRUE(grant.ok());
  EXPECT_EQ(GrantsOf("alice"), "");
  ASSERT_TRUE(store_->Assign("alice", *role).ok());
  EXPECT_EQ(GrantsOf("alice"), "experiment * EDIT; ");
  EXPECT_EQ(GetErrorCode(store_->Assign("alice", *role).status()),
            v1::RESOURCE_ALREADY_EXISTS);
  ASSERT_TRUE(store_->UpdateRoleGrant(*grant, "DENY").ok());
  EXPECT_EQ(GrantsOf("alice"), "experiment * DENY; ");
  // What is on a role is no user's own.
  ASSERT_TRUE(store_->DropGrants("experiment", "*").ok());
  EXPECT_EQ(GrantsOf("alice"), "experiment * DENY; ");
  ASSERT_TRUE(store_->UpdateRole(*role, "crew", {}).ok());
  EXPECT_EQ(store_->table()->roles.at(*role).name, "crew");
  EXPECT_EQ(store_->table()->roles.at(*role).description, "all of us");
  ASSERT_TRUE(store_->Unassign("alice", *role).ok());
  EXPECT_EQ(GrantsOf("alice"), "");
  ASSERT_TRUE(store_->DeleteRole(*role).ok());
  EXPECT_TRUE(store_->table()->roles.empty());
}

TEST_F(SqliteUserStoreTest, DeletedUsersLeaveNothing) {
  ASSERT_TRUE(
      store_->GrantUser("alice", "experiment", "1", "READ", false).ok());
  ASSERT_TRUE(store_->DeleteUser("alice").ok());
  EXPECT_TRUE(store_->table()->users.empty());
  EXPECT_TRUE(store_->table()->roles.empty());
  EXPECT_TRUE(store_->table()->assignments.empty());
  // Nobody inherits them, not even with the id.
  ASSERT_TRUE(store_->CreateUser("bob", kPassword, false).ok());
  EXPECT_EQ(GrantsOf("bob"), "");
}

TEST_F(SqliteUserStoreTest, ChangesOfOthersShowWithinASecond) {
  const std::shared_ptr<UserStore> other = Open();
  EXPECT_EQ(store_->table()->Find("bob"), nullptr);
  ASSERT_TRUE(other->CreateUser("bob", kPassword, false).ok());
  EXPECT_EQ(store_->table()->Find("bob"), nullptr);
  clock_.now_ms += 1000;
  EXPECT_NE(store_->table()->Find("bob"), nullptr);
}

TEST_F(SqliteUserStoreTest, NoAdministratorHasAKnownPassword) {
  EXPECT_FALSE(EnsureAdmin(store_.get(), "admin", "").ok());
  EXPECT_FALSE(EnsureAdmin(store_.get(), "admin", "password1234").ok());
  EXPECT_FALSE(EnsureAdmin(store_.get(), "admin", "short").ok());
  EXPECT_FALSE(EnsureAdmin(store_.get(), "", kPassword).ok());
  ASSERT_TRUE(EnsureAdmin(store_.get(), "admin", kPassword).ok());
  EXPECT_TRUE(store_->table()->Find("admin")->is_admin);
  // Who is there already is not touched.
  ASSERT_TRUE(EnsureAdmin(store_.get(), "admin", "").ok());
  // One of an old version: the password that everybody knows is not taken.
  ASSERT_TRUE(store_->CreateUser("old", "password1234", true).ok());
  EXPECT_FALSE(store_->Verify("old", "password1234").ok());
}

}  // namespace
}  // namespace millstream::auth
