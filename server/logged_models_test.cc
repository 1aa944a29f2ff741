// Logged models: what the service makes of a request. What is kept is in
// storage/conformance/logged_model_conformance.cc.
#include <string>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "base/str_cat.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/call_context.h"
#include "server/tracking_service.h"
#include "storage/testing/sqlite_stores.h"

namespace millstream::server {
namespace {

using ::testing::MatchesRegex;

class LoggedModelsTest : public ::testing::Test {
 protected:
  v1::CreateLoggedModelRequest Request(const std::string& name) {
    v1::CreateLoggedModelRequest request;
    request.set_experiment_id("0");
    if (!name.empty()) request.set_name(name);
    return request;
  }

  absl::Status Create(const v1::CreateLoggedModelRequest& request) {
    v1::CreateLoggedModelResponse response;
    absl::Status status =
        service_.CreateLoggedModel(context_, request, &response);
    created_ = response.model();
    return status;
  }

  // How many models a page of this size has; -1 if it is refused.
  int PageSize(std::optional<int32_t> max_results) {
    v1::SearchLoggedModelsRequest request;
    request.add_experiment_ids("0");
    if (max_results.has_value()) request.set_max_results(*max_results);
    v1::SearchLoggedModelsResponse response;
    const absl::Status status =
        service_.SearchLoggedModels(context_, request, &response);
    if (!status.ok()) return -1;
    has_next_page_ = response.has_next_page_token();
    return response.models_size();
  }

  storage::testing::SqliteStores stores_;
  TestClock clock_{1234};
  // Logs no metrics.
  TrackingService service_{stores_.tracking(), nullptr, nullptr, &clock_, {}};
  CallContext context_{Door::kGrpc};
  v1::LoggedModel created_;
  bool has_next_page_ = false;
};

TEST_F(LoggedModelsTest, NewModelsArePending) {
  ASSERT_TRUE(Create(Request("net")).ok());
  const v1::LoggedModelInfo& info = created_.info();
  EXPECT_THAT(info.model_id(), MatchesRegex("m-[0-9a-f]{32}"));
  EXPECT_EQ(info.status(), v1::LOGGED_MODEL_PENDING);
  EXPECT_EQ(info.creation_timestamp_ms(), 1234);
  // Shown though they are empty.
  EXPECT_TRUE(info.has_model_type());
  EXPECT_TRUE(info.has_source_run_id());
  EXPECT_TRUE(created_.has_data());
}

TEST_F(LoggedModelsTest, WithoutANameOneIsMadeUp) {
  ASSERT_TRUE(Create(Request("")).ok());
  EXPECT_FALSE(created_.info().name().empty());
}

TEST_F(LoggedModelsTest, NamesArePartsOfUris) {
  for (const char* name : {"a/b", "a:b", "a.b", "a%b", "a\"b", "a'b"}) {
    EXPECT_EQ(CodeOf(Create(Request(name))), v1::INVALID_PARAMETER_VALUE)
        << name;
  }
}

TEST_F(LoggedModelsTest, ParamsAndTagsHaveLimits) {
  v1::CreateLoggedModelRequest request = Request("net");
  for (int i = 0; i < limits::kLoggedModelPairsMax; ++i) {
    request.add_tags()->set_key(StrCat(i));
  }
  EXPECT_TRUE(Create(request).ok());
  request.add_tags()->set_key("one more");
  EXPECT_EQ(CodeOf(Create(request)), v1::INVALID_PARAMETER_VALUE);

  request = Request("net");
  const std::string longest(limits::kRegistryTextLengthMax, 'x');
  request.add_params()->set_value(longest);
  EXPECT_TRUE(Create(request).ok());
  request.mutable_params(0)->set_value(longest + "x");
  EXPECT_EQ(CodeOf(Create(request)), v1::INVALID_PARAMETER_VALUE);
}

TEST_F(LoggedModelsTest, AStatusThatIsNoneIsUnspecified) {
  ASSERT_TRUE(Create(Request("net")).ok());
  v1::FinalizeLoggedModelRequest request;
  request.set_model_id(created_.info().model_id());
  v1::FinalizeLoggedModelResponse response;
  ASSERT_TRUE(service_.FinalizeLoggedModel(context_, request, &response).ok());
  EXPECT_EQ(response.model().info().status(),
            v1::LOGGED_MODEL_STATUS_UNSPECIFIED);
  EXPECT_TRUE(response.model().info().has_status());
}

TEST_F(LoggedModelsTest, PagesHaveTheSizeThatMlflowGivesThem) {
  for (int i = 0; i < limits::kSearchLoggedModelsResultsOfZero + 1; ++i) {
    ASSERT_TRUE(Create(Request("net")).ok());
  }
  EXPECT_EQ(PageSize(std::nullopt), limits::kSearchLoggedModelsResultsDefault);
  EXPECT_EQ(PageSize(0), limits::kSearchLoggedModelsResultsOfZero);
  EXPECT_EQ(PageSize(7), 7);
  EXPECT_EQ(PageSize(-1), 0);
  EXPECT_TRUE(has_next_page_);
  EXPECT_EQ(PageSize(limits::kSearchResultsMax),
            limits::kSearchLoggedModelsResultsOfZero + 1);
  EXPECT_FALSE(has_next_page_);
  EXPECT_EQ(PageSize(limits::kSearchResultsMax + 1), -1);
}

TEST_F(LoggedModelsTest, DeletedModelsAreShownWhenAskedFor) {
  ASSERT_TRUE(Create(Request("net")).ok());
  v1::DeleteLoggedModelRequest remove;
  remove.set_model_id(created_.info().model_id());
  v1::DeleteLoggedModelResponse removed;
  ASSERT_TRUE(service_.DeleteLoggedModel(context_, remove, &removed).ok());
  v1::GetLoggedModelRequest request;
  request.set_model_id(created_.info().model_id());
  v1::GetLoggedModelResponse response;
  EXPECT_EQ(CodeOf(service_.GetLoggedModel(context_, request, &response)),
            v1::RESOURCE_DOES_NOT_EXIST);
  request.set_allow_deleted(true);
  EXPECT_TRUE(service_.GetLoggedModel(context_, request, &response).ok());
}

}  // namespace
}  // namespace millstream::server
