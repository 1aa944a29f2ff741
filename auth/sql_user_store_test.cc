#include "auth/sql_user_store.h"

#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "gtest/gtest.h"
#include "storage/conformance/schema_facts.h"
#include "storage/mlflow_schema/mlflow_schema.h"
#include "storage/testing/any_database.h"

namespace millstream::auth {
namespace {

namespace sql = storage::sql;

constexpr char kPassword[] = "a long password";

class SqlUserStoreTest : public testing::TestWithParam<sql::Dialect> {
 protected:
  void SetUp() override {
    store_ = Open();
    EXPECT_TRUE(store_->CreateUser("alice", kPassword, false).ok());
  }

  std::shared_ptr<UserStore> Open() {
    auto store = OpenSqlUserStore(database_.Open(), "the database");
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

  storage::testing::AnyDatabase database_{GetParam()};
  std::shared_ptr<UserStore> store_;
};

TEST_P(SqlUserStoreTest, KnowsUsersByTheirPasswords) {
  EXPECT_TRUE(store_->Verify("alice", kPassword).ok());
  EXPECT_FALSE(store_->Verify("alice", "another one").ok());
  EXPECT_FALSE(store_->Verify("bob", kPassword).ok());
  EXPECT_FALSE(store_->Verify("bob", "nobody's").ok());
}

TEST_P(SqlUserStoreTest, GenerationsTellOfUsersAndNotOfGrants) {
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

TEST_P(SqlUserStoreTest, RefusesWhatMlflowRefuses) {
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

TEST_P(SqlUserStoreTest, UsersHaveGrantsOfTheirOwn) {
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

TEST_P(SqlUserStoreTest, RolesGiveTheirGrantsToWhoHasThem) {
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

TEST_P(SqlUserStoreTest, DeletedUsersLeaveNothing) {
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

TEST_P(SqlUserStoreTest, ChangesOfOthersShow) {
  const std::shared_ptr<UserStore> other = Open();
  const uint64_t before = store_->generation();
  ASSERT_TRUE(other->CreateUser("bob", kPassword, false).ok());
  // At once, for who asks for them.
  store_->Refresh();
  EXPECT_NE(store_->table()->Find("bob"), nullptr);
  EXPECT_NE(store_->generation(), before);
  // Soon, for all.
  ASSERT_TRUE(other->DeleteUser("bob").ok());
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (store_->table()->Find("bob") != nullptr && absl::Now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_EQ(store_->table()->Find("bob"), nullptr);
}

TEST_P(SqlUserStoreTest, WhoWasMadeElsewhereIsLetInAtOnce) {
  const std::shared_ptr<UserStore> other = Open();
  ASSERT_TRUE(other->CreateUser("bob", kPassword, false).ok());
  EXPECT_TRUE(store_->Verify("bob", kPassword).ok());
  ASSERT_TRUE(other->SetPassword("bob", "another password").ok());
  EXPECT_TRUE(store_->Verify("bob", "another password").ok());
  EXPECT_FALSE(store_->Verify("bob", kPassword).ok());
}

TEST_P(SqlUserStoreTest, IdentitiesHoldUntilThePasswordIsAnother) {
  const Verdict alice = store_->Verify("alice", kPassword);
  ASSERT_TRUE(alice.ok());
  EXPECT_TRUE(store_->Holds(**alice));
  ASSERT_TRUE(
      store_->GrantUser("alice", "experiment", "1", "READ", false).ok());
  EXPECT_TRUE(store_->Holds(**alice));
  ASSERT_TRUE(store_->SetPassword("alice", "another password").ok());
  EXPECT_FALSE(store_->Holds(**alice));
  ASSERT_TRUE(store_->DeleteUser("alice").ok());
  EXPECT_FALSE(store_->Holds(**alice));
}

TEST_P(SqlUserStoreTest, ServersThatBeginAtOnceMakeOneAdministrator) {
  std::vector<std::thread> servers;
  for (int i = 0; i < 4; ++i) {
    servers.emplace_back([this] {
      const std::shared_ptr<UserStore> store = Open();
      const absl::Status made = EnsureAdmin(store.get(), "admin", kPassword);
      EXPECT_TRUE(made.ok()) << made;
    });
  }
  for (std::thread& server : servers) server.join();
  store_->Refresh();
  EXPECT_EQ(store_->table()->users.size(), 2u);
}

TEST_P(SqlUserStoreTest, WritersFromTwoServersLoseNothing) {
  constexpr int kGrants = 10;
  const std::shared_ptr<UserStore> other = Open();
  const auto grant = [](UserStore* store, const char* type) {
    for (int i = 0; i < kGrants; ++i) {
      const absl::Status granted = store->GrantUser(
          "alice", type, std::to_string(i), "READ", /*replace=*/true);
      EXPECT_TRUE(granted.ok()) << granted;
    }
  };
  std::thread theirs([&] { grant(other.get(), "registered_model"); });
  grant(store_.get(), "experiment");
  theirs.join();
  store_->Refresh();
  EXPECT_EQ(store_->table()->Find("alice")->grants.size(), 2u * kGrants);
}

// Grants on a name that was given up are not those of who takes it next.
TEST_P(SqlUserStoreTest, ANewNameHasNoOlderGrants) {
  ASSERT_TRUE(store_->CreateUser("bob", kPassword, false).ok());
  ASSERT_TRUE(
      store_->GrantUser("alice", "registered_model", "m", "EDIT", false).ok());
  ASSERT_TRUE(
      store_->GrantUser("bob", "registered_model", "n", "MANAGE", false).ok());
  ASSERT_TRUE(store_->RenameGrants("registered_model", "m", "n").ok());
  EXPECT_EQ(GrantsOf("alice"), "registered_model n EDIT; ");
  EXPECT_EQ(GrantsOf("bob"), "");
  ASSERT_TRUE(store_->RenameGrants("registered_model", "n", "n").ok());
  EXPECT_EQ(GrantsOf("alice"), "registered_model n EDIT; ");
}

TEST_P(SqlUserStoreTest, NamesInOtherLettersAreNobodys) {
  EXPECT_FALSE(store_->Verify("ALICE", kPassword).ok());
  EXPECT_EQ(GetErrorCode(store_->SetPassword("ALICE", kPassword)),
            v1::RESOURCE_DOES_NOT_EXIST);
  EXPECT_EQ(GetErrorCode(store_->DeleteUser("Alice")),
            v1::RESOURCE_DOES_NOT_EXIST);
  EXPECT_TRUE(store_->Verify("alice", kPassword).ok());
}

TEST_P(SqlUserStoreTest, OlderAndNewerTablesAreRefused) {
  const auto refusal = [this](std::string_view revision) {
    const absl::Status changed =
        database_.Open()->Write([&](sql::Transaction& t) {
          return t.Execute("UPDATE alembic_version_auth SET version_num = ?",
                           revision);
        });
    EXPECT_TRUE(changed.ok()) << changed;
    return std::string(
        OpenSqlUserStore(database_.Open(), "sqlite:///x").status().message());
  };
  EXPECT_NE(refusal("e5f6a7b8c9d0").find(
                "python -m mlflow.server.auth db upgrade --url sqlite:///x"),
            std::string::npos);
  EXPECT_NE(refusal("ffffffffffff").find("newer MLflow"), std::string::npos);
}

// Whichever were made first.
TEST_P(SqlUserStoreTest, TablesOfUsersAndOfRunsShareADatabase) {
  const auto database = database_.Open();
  const absl::Status made =
      storage::mlflow::PrepareSchema(database.get(), "test");
  EXPECT_TRUE(made.ok()) << made;
  EXPECT_TRUE(Open()->Verify("alice", kPassword).ok());
}

TEST(UserSchemaTest, InPostgresItIsWhatMlflowMakes) {
  const storage::testing::AnyDatabase place(sql::Dialect::kPostgres);
  const auto database = place.Open();
  ASSERT_TRUE(
      storage::mlflow::PrepareUserSchema(database.get(), "test").ok());
  std::vector<std::string> facts;
  const absl::Status read =
      database->Read([&](sql::Connection& connection) -> absl::Status {
        ASSIGN_OR_RETURN(facts, storage::ReadSchemaFacts(connection));
        return absl::OkStatus();
      });
  ASSERT_TRUE(read.ok()) << read;
  EXPECT_EQ(facts, storage::RecordedSchemaFacts("users_postgresql"));
}

TEST_P(SqlUserStoreTest, NoAdministratorHasAKnownPassword) {
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

INSTANTIATE_TEST_SUITE_P(
    All, SqlUserStoreTest,
    testing::Values(sql::Dialect::kSqlite, sql::Dialect::kPostgres,
                    sql::Dialect::kMysql),
    [](const auto& info) { return storage::testing::NameOf(info.param); });

}  // namespace
}  // namespace millstream::auth
