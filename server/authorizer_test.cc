#include "server/authorizer.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

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
  for (size_t i = 0; i <= limits::kKnownOwnersMax; ++i) {
    cache.Put(std::to_string(i), "1");
  }
  EXPECT_LE(cache.size(), limits::kKnownOwnersMax);
  EXPECT_EQ(cache.Find(std::to_string(limits::kKnownOwnersMax)), "1");
  EXPECT_EQ(cache.Find("another"), std::nullopt);
}

}  // namespace
}  // namespace millstream::server
