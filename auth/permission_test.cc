#include "auth/permission.h"

#include "gtest/gtest.h"

namespace millstream::auth {
namespace {

using Grants = std::vector<Grant>;
constexpr Subject kOne = {kExperimentType, "1"};

TEST(PermissionTest, LevelsAllowWhatTheReferenceLetsThem) {
  const auto allowed = [](Permission permission) {
    std::string text;
    for (Action action : {Action::kRead, Action::kUse, Action::kUpdate,
                          Action::kDelete, Action::kManage,
                          Action::kNotDenied}) {
      text += Allows(permission, action) ? '+' : '-';
    }
    return text;
  };
  EXPECT_EQ(allowed(Permission::kDeny), "------");
  EXPECT_EQ(allowed(Permission::kNone), "-----+");
  EXPECT_EQ(allowed(Permission::kRead), "+----+");
  EXPECT_EQ(allowed(Permission::kUse), "++---+");
  EXPECT_EQ(allowed(Permission::kEdit), "+++--+");
  EXPECT_EQ(allowed(Permission::kManage), "++++++");
}

TEST(PermissionTest, NamesGoBothWays) {
  for (const char* name :
       {"READ", "USE", "EDIT", "MANAGE", "DENY", "NO_PERMISSIONS"}) {
    EXPECT_EQ(NameOf(*ParsePermission(name)), name);
  }
  EXPECT_FALSE(ParsePermission("read").has_value());
}

TEST(PermissionTest, TheHighestGrantCountsUnlessOneDenies) {
  Grants grants = {{"experiment", "1", Permission::kRead},
                   {"experiment", "*", Permission::kEdit},
                   {"experiment", "2", Permission::kManage},
                   {"prompt", "1", Permission::kManage}};
  EXPECT_EQ(Fold(grants, kOne), Permission::kEdit);
  EXPECT_EQ(Fold(grants, {kModelType, "1"}), std::nullopt);
  grants.push_back({"experiment", "*", Permission::kDeny});
  EXPECT_EQ(Fold(grants, kOne), Permission::kDeny);
}

TEST(PermissionTest, PartsAreGrantedAltogether) {
  EXPECT_EQ(Fold(Grants{{"run", "abc", Permission::kManage}},
                 {kRunType, "abc"}),
            std::nullopt);
  EXPECT_EQ(Fold(Grants{{"run", "*", Permission::kRead}}, {kRunType, "abc"}),
            Permission::kRead);
}

TEST(PermissionTest, TheNearestGrantDecides) {
  const Requirement update_run = {{kRunType, "*"}, Action::kUpdate, kOne};
  const Grant edit = {"experiment", "1", Permission::kEdit};
  EXPECT_TRUE(IsMet({edit}, Permission::kNone, update_run));
  EXPECT_FALSE(IsMet({}, Permission::kRead, update_run));
  EXPECT_TRUE(IsMet({}, Permission::kEdit, update_run));
  // A narrower grant overrides, up and down; no wider one rescues it.
  const Grant read_runs = {"run", "*", Permission::kRead};
  EXPECT_FALSE(IsMet({edit, read_runs}, Permission::kNone, update_run));
  const Grant deny_runs = {"run", "*", Permission::kDeny};
  EXPECT_FALSE(IsMet({edit, deny_runs}, Permission::kManage, update_run));
}

TEST(PermissionTest, TheDefaultIsAFloorForAllButDenials) {
  const Requirement read = {kOne, Action::kRead, {}};
  EXPECT_EQ(Governing(Grants{{"experiment", "1", Permission::kRead}},
                      Permission::kEdit, read),
            Permission::kEdit);
  EXPECT_EQ(Governing(Grants{{"experiment", "1", Permission::kDeny}},
                      Permission::kEdit, read),
            Permission::kDeny);
}

TEST(PermissionTest, WhoManagesTheWorkspaceMayDoAll) {
  const Grants grants = {{"workspace", "*", Permission::kManage},
                         {"experiment", "*", Permission::kDeny}};
  EXPECT_TRUE(IsMet(grants, Permission::kNone, {kOne, Action::kManage, {}}));
  EXPECT_FALSE(ManagesWorkspace(Grants{{"workspace", "*", Permission::kUse}}));
}

TEST(PermissionTest, GrantsThatWouldHaveNoEffectAreRefused) {
  EXPECT_TRUE(CheckPattern("experiment", "1").ok());
  EXPECT_TRUE(CheckPattern("run", "*").ok());
  EXPECT_FALSE(CheckPattern("run", "abc").ok());
  EXPECT_FALSE(CheckPattern("experiment", "").ok());
  EXPECT_FALSE(CheckPattern("nothing", "*").ok());
  EXPECT_TRUE(CheckGrantable("experiment", "DENY").ok());
  EXPECT_FALSE(CheckGrantable("experiment", "NO_PERMISSIONS").ok());
  EXPECT_FALSE(CheckGrantable("experiment", "ALL").ok());
  EXPECT_FALSE(CheckGrantable("workspace", "READ").ok());
  EXPECT_TRUE(CheckGrantable("workspace", "USE").ok());
}

}  // namespace
}  // namespace millstream::auth
