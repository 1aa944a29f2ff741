#include "server/authorizer.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "millstream/v1/tracking.pb.h"
#include "server/owner_cache.h"
#include "server/testing_users.h"

namespace millstream::server {
namespace {

// What each right allows is tested with whole servers, over every rpc:
// tests/api/test_permissions.py.

const v1::Access& AccessOf(const std::string& rpc) {
  return v1::SearchExperimentsRequest::descriptor()
      ->file()
      ->FindServiceByName("TrackingService")
      ->FindMethodByName(rpc)
      ->options()
      .GetExtension(v1::access);
}

std::optional<std::string> NowhereOurs(std::string_view) {
  return std::nullopt;
}

class AuthorizerTest : public testing::Test {
 protected:
  OneUser users_;
  Authorizer authorizer_{&users_, nullptr, nullptr, auth::Permission::kNone,
                         &NowhereOurs};
};

// Searches through a list without end: one experiment on a page, and its token
// names that.
class AuthorizerPagesTest : public AuthorizerTest {
 protected:
  absl::Status Search(const v1::SearchExperimentsRequest& request,
                      v1::SearchExperimentsResponse* response) {
    return authorizer_.Call(
        "alice", AccessOf("SearchExperiments"), request, response,
        [&](const Authorizer::Message& asked, Authorizer::Message* answer) {
          tokens_.push_back(
              static_cast<const v1::SearchExperimentsRequest&>(asked)
                  .page_token());
          auto* page = static_cast<v1::SearchExperimentsResponse*>(answer);
          const std::string id = std::to_string(tokens_.size());
          page->add_experiments()->set_experiment_id(id);
          page->set_next_page_token("after " + id);
          return absl::OkStatus();
        });
  }

  // As the handler got them.
  std::vector<std::string> tokens_;
};

TEST_F(AuthorizerPagesTest, PagesAreFilledAsLongAsThatIsQuick) {
  users_.Give({"experiment", "999", auth::Permission::kRead});
  v1::SearchExperimentsResponse response;
  ASSERT_TRUE(Search({}, &response).ok());
  EXPECT_EQ(tokens_.size(), 1 + limits::kFilteredPagesMax);
  EXPECT_EQ(response.experiments_size(), 0);
  EXPECT_FALSE(response.next_page_token().empty());
}

TEST_F(AuthorizerPagesTest, TokensTellNothingOfRowsThatAreNotShown) {
  users_.Give({"experiment", "3", auth::Permission::kRead});
  v1::SearchExperimentsRequest request;
  v1::SearchExperimentsResponse first, second;
  ASSERT_TRUE(Search(request, &first).ok());
  ASSERT_EQ(first.experiments_size(), 1);
  EXPECT_EQ(tokens_,
            (std::vector<std::string>{"", "after 1", "after 2"}));
  std::string bytes;
  ASSERT_TRUE(
      absl::WebSafeBase64Unescape(first.next_page_token(), &bytes));
  EXPECT_EQ(bytes.find("after"), std::string::npos);
  // It leads on from there.
  request.set_page_token(first.next_page_token());
  ASSERT_TRUE(Search(request, &second).ok());
  EXPECT_EQ(tokens_[3], "after 3");
}

TEST_F(AuthorizerPagesTest, TokensAreForTheirOwnUser) {
  users_.Give({"experiment", "1", auth::Permission::kRead});
  v1::SearchExperimentsRequest request;
  v1::SearchExperimentsResponse response;
  ASSERT_TRUE(Search(request, &response).ok());
  request.set_page_token(response.next_page_token());
  users_.set_password_hash("another");
  EXPECT_EQ(GetErrorCode(Search(request, &response)),
            v1::INVALID_PARAMETER_VALUE);
  // Nor one that he made up.
  request.set_page_token("after 1");
  EXPECT_EQ(GetErrorCode(Search(request, &response)),
            v1::INVALID_PARAMETER_VALUE);
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

// A stream goes on when its user is removed: nothing is left to him, whatever
// everybody has.
TEST_F(AuthorizerTest, WhoIsGoneMayNothingThatHeMightBefore) {
  Authorizer open{&users_, nullptr, nullptr, auth::Permission::kManage,
                  &NowhereOurs};
  const Needs named = {
      {"experiment", "1", auth::Action::kRead, "", ""}};
  EXPECT_TRUE(open.CheckAgain("alice", named).ok());
  for (const Needs& needs : {named, Needs()}) {
    EXPECT_EQ(GetErrorCode(open.CheckAgain("removed", needs)),
              v1::PERMISSION_DENIED);
  }
  EXPECT_EQ(open.RightsOf("alice").On("experiment", "1"),
            auth::Permission::kManage);
  EXPECT_EQ(open.RightsOf("removed").On("experiment", "1"),
            auth::Permission::kNone);
}

TEST_F(AuthorizerTest, WhatWasGrantedElsewhereJustNowHolds) {
  v1::GetExperimentRequest request;
  request.set_experiment_id("1");
  users_.made_elsewhere = {{"experiment", "1", auth::Permission::kRead}};
  EXPECT_TRUE(
      authorizer_.Check("alice", AccessOf("GetExperiment"), request).ok());
}

TEST_F(AuthorizerTest, IdsOfExperimentsHaveOneForm) {
  Authorizer open{&users_, nullptr, nullptr, auth::Permission::kManage,
                  &NowhereOurs};
  users_.Give({"experiment", "1", auth::Permission::kDeny});
  const auto code = [&](std::string_view rpc, auto request) {
    return GetErrorCode(open.Check("alice", AccessOf(std::string(rpc)),
                                   request));
  };
  for (const char* id : {"1", " 1", "1 ", "01", "+1", "\t0001"}) {
    v1::GetExperimentRequest get;
    get.set_experiment_id(id);
    EXPECT_EQ(code("GetExperiment", get), v1::PERMISSION_DENIED) << id;
    v1::DeleteExperimentRequest gone;
    gone.set_experiment_id(id);
    EXPECT_EQ(code("DeleteExperiment", gone), v1::PERMISSION_DENIED) << id;
    v1::CreateRunRequest run;
    run.set_experiment_id(id);
    EXPECT_EQ(code("CreateRun", run), v1::PERMISSION_DENIED) << id;
    v1::CreateLoggedModelRequest model;
    model.set_experiment_id(id);
    EXPECT_EQ(code("CreateLoggedModel", model), v1::PERMISSION_DENIED) << id;
    v1::SearchRunsRequest search;
    search.add_experiment_ids(id);
    v1::SearchRunsResponse response;
    bool searched = false;
    const auto handler = [&](const Authorizer::Message&,
                             Authorizer::Message*) {
      searched = true;
      return absl::OkStatus();
    };
    EXPECT_TRUE(open.Call("alice", AccessOf("SearchRuns"), search, &response,
                          handler).ok());
    EXPECT_FALSE(searched) << id;
  }
}

TEST(OwnerCacheTest, IsBounded) {
  OwnerCache cache;
  const absl::Time now = absl::UnixEpoch();
  for (size_t i = 0; i <= limits::kKnownOwnersMax; ++i) {
    cache.Put(std::to_string(i), "1", now);
  }
  EXPECT_LE(cache.size(), limits::kKnownOwnersMax);
  EXPECT_EQ(cache.Find(std::to_string(limits::kKnownOwnersMax), now), "1");
  EXPECT_EQ(cache.Find("another", now), std::nullopt);
}

// An id may be made again in another experiment, at any server, once it was
// deleted for good.
TEST(OwnerCacheTest, ForgetsOwnersSoon) {
  OwnerCache cache;
  const absl::Time now = absl::UnixEpoch();
  const absl::Duration age = absl::Milliseconds(limits::kKnownOwnerMsMax);
  cache.Put("run", "1", now);
  EXPECT_EQ(cache.Find("run", now + age - absl::Milliseconds(1)), "1");
  EXPECT_EQ(cache.Find("run", now + age), std::nullopt);
  cache.Put("run", "2", now + age);
  EXPECT_EQ(cache.Find("run", now + age), "2");
}

}  // namespace
}  // namespace millstream::server
