// The rules of the model registry that are not the stores' own: where versions
// may come from, names, stages and aliases. What is kept is in
// storage/conformance/registry_store_conformance.cc.
#include "server/registry_service.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "base/str_cat.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/method_table.h"
#include "storage/testing/sqlite_stores.h"

namespace millstream::server {
namespace {

using ::testing::HasSubstr;
using storage::testing::SqliteStores;

constexpr char kIsPrompt[] = "mlflow.prompt.is_prompt";

// What a source comes with.
struct Owner {
  std::string run_id = "";
  std::string model_id = "";
};

class RegistryServiceTest : public ::testing::Test {
 protected:
  explicit RegistryServiceTest(std::string root = "mlflow-artifacts:/")
      : stores_(std::move(root)),
        service_(stores_.registry(), stores_.tracking(), &clock_) {
    run_ = MakeRun("11111111111111111111111111111111");
    other_run_ = MakeRun("22222222222222222222222222222222");
    v1::LoggedModel model, created;
    model.mutable_info()->set_model_id("m-33333333333333333333333333333333");
    model.mutable_info()->set_experiment_id("0");
    model.mutable_info()->set_name("net");
    model.mutable_info()->set_source_run_id(run_);
    EXPECT_TRUE(stores_.tracking()->CreateLoggedModel(model, &created).ok());
    model_ = created.info().model_id();
    model_root_ = created.info().artifact_uri();
    MakeModel("m");
  }

  std::string MakeRun(const std::string& id) {
    v1::RunInfo info;
    info.set_run_id(id);
    info.set_experiment_id("0");
    info.set_status(v1::RUNNING);
    v1::Run run;
    EXPECT_TRUE(stores_.tracking()->CreateRun(info, {}, &run).ok());
    if (run_root_.empty()) run_root_ = run.info().artifact_uri();
    return id;
  }

  void MakeModel(const std::string& name, const char* tag = nullptr) {
    v1::CreateRegisteredModelRequest request;
    request.set_name(name);
    if (tag != nullptr) {
      request.add_tags()->set_key(tag);
      request.mutable_tags(0)->set_value("true");
    }
    v1::CreateRegisteredModelResponse response;
    EXPECT_TRUE(
        service_.CreateRegisteredModel(context_, request, &response).ok());
  }

  absl::Status Create(const std::string& source, const Owner& owner = {},
                      const std::string& name = "m") {
    v1::CreateModelVersionRequest request;
    request.set_name(name);
    request.set_source(source);
    if (!owner.run_id.empty()) request.set_run_id(owner.run_id);
    if (!owner.model_id.empty()) request.set_model_id(owner.model_id);
    return Create(request);
  }
  absl::Status Create(const v1::CreateModelVersionRequest& request) {
    v1::CreateModelVersionResponse response;
    absl::Status status =
        service_.CreateModelVersion(context_, request, &response);
    created_ = response.model_version();
    return status;
  }

  std::string DownloadUri(const std::string& name, const std::string& version) {
    v1::GetModelVersionDownloadUriRequest request;
    request.set_name(name);
    request.set_version(version);
    v1::GetModelVersionDownloadUriResponse response;
    EXPECT_TRUE(
        service_.GetModelVersionDownloadUri(context_, request, &response).ok());
    return response.artifact_uri();
  }

  void ExpectRefused(const std::string& source, const Owner& owner = {}) {
    EXPECT_EQ(CodeOf(Create(source, owner)), v1::INVALID_PARAMETER_VALUE)
        << source;
  }
  void ExpectTaken(const std::string& source, const Owner& owner = {}) {
    const absl::Status status = Create(source, owner);
    EXPECT_TRUE(status.ok()) << source << ": " << status;
  }

  SqliteStores stores_;
  TestClock clock_{1000};
  ModelRegistryService service_;
  CallContext context_{Door::kRest};
  std::string run_, other_run_, model_;
  std::string run_root_, model_root_;
  v1::ModelVersion created_;
};

// Runs and models on a local folder instead of the proxy.
class LocalRootTest : public RegistryServiceTest {
 protected:
  LocalRootTest() : RegistryServiceTest("/srv/artifacts") {}
};

TEST_F(RegistryServiceTest, EveryRpcHasItsBody) {
  MethodTable methods;
  service_.Register(&methods);
  EXPECT_TRUE(methods.Check().ok()) << methods.Check();
}

TEST_F(RegistryServiceTest, NothingIsMadeWithCountlessTags) {
  v1::CreateRegisteredModelRequest request;
  request.set_name("many tags");
  for (int i = 0; i <= limits::kCreateTagsMax; ++i) {
    request.add_tags()->set_key(StrCat(i));
  }
  v1::CreateRegisteredModelResponse response;
  EXPECT_EQ(GetErrorCode(service_.CreateRegisteredModel(context_, request,
                                                        &response)),
            v1::INVALID_PARAMETER_VALUE);
  request.mutable_tags()->RemoveLast();
  EXPECT_TRUE(
      service_.CreateRegisteredModel(context_, request, &response).ok());
}

TEST_F(RegistryServiceTest, ProxiedSourcesBelongToTheRun) {
  ExpectTaken(run_root_, {.run_id = run_});
  ExpectTaken(run_root_ + "/model", {.run_id = run_});
  ExpectRefused(run_root_ + "/model");
  ExpectRefused(run_root_ + "/model", {.run_id = other_run_});
  ExpectRefused(run_root_ + "/model", {.run_id = "nobody"});
  ExpectRefused(run_root_ + "2/model", {.run_id = run_});
  ExpectRefused(model_root_, {.run_id = run_});
}

TEST_F(RegistryServiceTest, ProxiedSourcesBelongToTheLoggedModel) {
  ExpectTaken(model_root_, {.model_id = model_});
  ExpectTaken(model_root_ + "/x", {.run_id = run_, .model_id = model_});
  ExpectRefused(run_root_, {.run_id = run_, .model_id = model_});
  ExpectRefused(model_root_, {.model_id = "m-nobody"});
  ExpectRefused("runs:/" + run_ + "/x", {.run_id = run_, .model_id = model_});
}

TEST_F(RegistryServiceTest, TraversalIsRefusedHoweverEncoded) {
  for (const char* detour : {"/../x", "/%2e%2e/x", "/%252e%252e/x", "/..%2fx",
                             "/..%252fx", "/./x", "/a%00"}) {
    ExpectRefused(run_root_ + detour, {.run_id = run_});
    ExpectRefused(model_root_ + detour, {.model_id = model_});
    ExpectRefused(StrCat("s3://b", detour));
  }
}

TEST_F(RegistryServiceTest, LocalSourcesOfProxiedRunsAreRefused) {
  for (const char* source : {"/etc", "file:///etc", "../x", "x", "file:/etc",
                             "file://elsewhere/x", "%2Fetc"}) {
    ExpectRefused(source);
    ExpectRefused(source, {.run_id = run_});
    ExpectRefused(source, {.model_id = model_});
  }
}

TEST_F(LocalRootTest, LocalSourcesBelongToTheRunOrModel) {
  ASSERT_TRUE(run_root_.starts_with("/srv/artifacts/0/")) << run_root_;
  ExpectTaken(run_root_ + "/model", {.run_id = run_});
  ExpectTaken("file://" + run_root_ + "/model", {.run_id = run_});
  ExpectTaken(model_root_ + "/x", {.model_id = model_});
  ExpectRefused(run_root_ + "/model");
  ExpectRefused(run_root_ + "/model", {.run_id = other_run_});
  ExpectRefused(run_root_ + "/../../x", {.run_id = run_});
  ExpectRefused(run_root_ + "/%2e%2e/x", {.run_id = run_});
  ExpectRefused("/srv/artifacts", {.run_id = run_});
}

TEST_F(RegistryServiceTest, NoTagSwitchesTheCheckOff) {
  for (const char* value : {"true", "TRUE", "false"}) {
    v1::CreateModelVersionRequest request;
    request.set_name("m");
    request.set_source("/etc");
    v1::ModelVersionTag* tag = request.add_tags();
    tag->set_key(kIsPrompt);
    tag->set_value(value);
    EXPECT_EQ(CodeOf(Create(request)), v1::INVALID_PARAMETER_VALUE) << value;
  }
  // The last of two tags is the one that is kept, so it is the one that counts.
  v1::CreateModelVersionRequest request;
  request.set_name("m");
  request.set_source("prompt-template");
  for (const char* value : {"true", "false"}) {
    v1::ModelVersionTag* tag = request.add_tags();
    tag->set_key(kIsPrompt);
    tag->set_value(value);
  }
  EXPECT_EQ(CodeOf(Create(request)), v1::INVALID_PARAMETER_VALUE);
  request.mutable_tags(1)->set_value("true");
  EXPECT_TRUE(Create(request).ok());
  request.set_source("s3://b/x");
  EXPECT_EQ(CodeOf(Create(request)), v1::INVALID_PARAMETER_VALUE);
}

TEST_F(RegistryServiceTest, RunsUrisNameTheRequestsRun) {
  ExpectTaken("runs:/" + run_ + "/model", {.run_id = run_});
  ExpectRefused("runs:/" + run_ + "/model");
  ExpectRefused("runs:/" + run_ + "/model", {.run_id = other_run_});
  ExpectRefused("runs://host/" + run_ + "/model", {.run_id = run_});
}

TEST_F(RegistryServiceTest, SourcesWithAHostAreRefused) {
  for (const char* source : {"http://h/x", "https://h/x", "ftp://h/x",
                             "mlflow-artifacts://h/1/x", "hdfs://h/x"}) {
    ExpectRefused(source, {.run_id = run_});
  }
}

TEST_F(RegistryServiceTest, LoggedModelGivesRunAndFiles) {
  ExpectTaken("models:/" + model_, {.model_id = model_});
  EXPECT_EQ(created_.run_id(), run_);
  EXPECT_EQ(created_.source(), "models:/" + model_);
  EXPECT_EQ(DownloadUri("m", created_.version()), model_root_);
  v1::LoggedModel model;
  ASSERT_TRUE(stores_.tracking()->GetLoggedModel(model_, false, &model).ok());
  EXPECT_THAT(model.info().tags(0).value(), HasSubstr("\"version\": 1"));

  ExpectTaken("s3://b/x", {.model_id = model_});
  EXPECT_EQ(created_.run_id(), run_);
  ExpectTaken("s3://b/x", {.run_id = other_run_, .model_id = model_});
  EXPECT_EQ(created_.run_id(), other_run_);
  ExpectRefused("models:/" + model_);
  ExpectRefused("models:/" + model_, {.run_id = run_});
  ExpectRefused("models:/m-other", {.model_id = model_});
  EXPECT_EQ(CodeOf(Create("s3://b/x", {.model_id = "m-nobody"})),
            v1::RESOURCE_DOES_NOT_EXIST);
}

TEST_F(RegistryServiceTest, VersionsOfVersionsKeepTheirLineage) {
  MakeModel("copy");
  ExpectTaken("s3://b/one", {.run_id = run_});
  ASSERT_TRUE(stores_.registry()->SetRegisteredModelAlias("m", "best", 1).ok());
  for (const char* source :
       {"models:/m/1", "models:/m/001", "models:/m/latest", "models:/m@best",
        "models:/m@latest", "models:/m/none"}) {
    ASSERT_TRUE(Create(source, {}, "copy").ok()) << source;
    EXPECT_EQ(created_.source(), "models:/m/1");
    EXPECT_EQ(created_.run_id(), run_);
    EXPECT_EQ(DownloadUri("copy", created_.version()), "s3://b/one");
  }
  EXPECT_TRUE(Create("models:/m/1", {.run_id = run_}, "copy").ok());
  ExpectRefused("models:/m/1", {.run_id = other_run_});
  ExpectRefused("models:/m/1", {.model_id = model_});
  ExpectRefused("models://host/m/1");
  ExpectRefused("models:/m/Nonsense");
  for (const char* source :
       {"models:/nobody/1", "models:/m/9", "models:/m/Staging"}) {
    EXPECT_EQ(CodeOf(Create(source)), v1::RESOURCE_DOES_NOT_EXIST) << source;
  }
}

TEST_F(RegistryServiceTest, PromptsAreNoSourcesOfVersions) {
  MakeModel("p", kIsPrompt);
  v1::CreateModelVersionRequest request;
  request.set_name("p");
  request.set_source("prompt-template");
  v1::ModelVersionTag* tag = request.add_tags();
  tag->set_key(kIsPrompt);
  tag->set_value("true");
  ASSERT_TRUE(Create(request).ok());
  ExpectRefused("models:/p/1");
}

TEST_F(RegistryServiceTest, RefusedVersionsLeaveNothingBehind) {
  ExpectRefused("/etc");
  EXPECT_FALSE(Create("s3://b/x", {.run_id = run_, .model_id = "m-no"}).ok());
  v1::RegisteredModel model;
  ASSERT_TRUE(stores_.registry()->GetRegisteredModel("m", &model).ok());
  EXPECT_EQ(model.latest_versions_size(), 0);
}

TEST_F(RegistryServiceTest, LatestIsAnAliasOfTheNewestVersion) {
  for (int i = 0; i < 3; ++i) ExpectTaken("s3://b/x");
  v1::GetModelVersionByAliasRequest request;
  request.set_name("m");
  request.set_alias("LATEST");
  v1::GetModelVersionByAliasResponse response;
  ASSERT_TRUE(
      service_.GetModelVersionByAlias(context_, request, &response).ok());
  EXPECT_EQ(response.model_version().version(), "3");
  MakeModel("empty");
  request.set_name("empty");
  EXPECT_EQ(
      CodeOf(service_.GetModelVersionByAlias(context_, request, &response)),
      v1::RESOURCE_DOES_NOT_EXIST);
}

TEST_F(RegistryServiceTest, OnlyActiveStagesArchiveOthers) {
  ExpectTaken("s3://b/x");
  v1::TransitionModelVersionStageRequest request;
  request.set_name("m");
  request.set_version("1");
  request.set_stage("archived");
  request.set_archive_existing_versions(true);
  v1::TransitionModelVersionStageResponse response;
  EXPECT_EQ(CodeOf(service_.TransitionModelVersionStage(context_, request,
                                                        &response)),
            v1::INVALID_PARAMETER_VALUE);
  request.set_stage("PRODUCTION");
  ASSERT_TRUE(
      service_.TransitionModelVersionStage(context_, request, &response).ok());
  EXPECT_EQ(response.model_version().current_stage(), "Production");
}

TEST_F(RegistryServiceTest, UnknownStagesComeAfterUnknownModels) {
  v1::GetLatestVersionsRequest request;
  request.set_name("nobody");
  request.add_stages("Nonsense");
  v1::GetLatestVersionsResponse response;
  EXPECT_EQ(CodeOf(service_.GetLatestVersions(context_, request, &response)),
            v1::RESOURCE_DOES_NOT_EXIST);
  request.set_name("m");
  EXPECT_EQ(CodeOf(service_.GetLatestVersions(context_, request, &response)),
            v1::INVALID_PARAMETER_VALUE);
}

TEST_F(RegistryServiceTest, APageOfModelsHasAnOrdinarySize) {
  for (int i = 0; i <= limits::kSearchRegisteredModelsResultsDefault; ++i) {
    v1::CreateRegisteredModelRequest request;
    request.set_name(StrCat("many", i));
    v1::CreateRegisteredModelResponse response;
    ASSERT_TRUE(
        service_.CreateRegisteredModel(context_, request, &response).ok());
  }
  v1::SearchRegisteredModelsResponse page;
  ASSERT_TRUE(service_.SearchRegisteredModels(context_, {}, &page).ok());
  EXPECT_EQ(page.registered_models_size(),
            limits::kSearchRegisteredModelsResultsDefault);
  EXPECT_NE(page.next_page_token(), "");
}

TEST_F(RegistryServiceTest, SearchesEndWithTheirCaller) {
  context_.Cancel();
  v1::SearchRegisteredModelsResponse models;
  EXPECT_EQ(CodeOf(service_.SearchRegisteredModels(context_, {}, &models)),
            v1::CANCELLED);
  v1::SearchModelVersionsResponse versions;
  EXPECT_EQ(CodeOf(service_.SearchModelVersions(context_, {}, &versions)),
            v1::CANCELLED);
}

TEST_F(RegistryServiceTest, PagesHaveTheirLimits) {
  v1::SearchRegisteredModelsRequest models;
  v1::SearchRegisteredModelsResponse model_page;
  models.set_max_results(limits::kSearchRegisteredModelsResultsMax);
  EXPECT_TRUE(
      service_.SearchRegisteredModels(context_, models, &model_page).ok());
  models.set_max_results(limits::kSearchRegisteredModelsResultsMax + 1);
  EXPECT_EQ(
      CodeOf(service_.SearchRegisteredModels(context_, models, &model_page)),
      v1::INVALID_PARAMETER_VALUE);
  v1::SearchModelVersionsRequest versions;
  v1::SearchModelVersionsResponse page;
  for (int64_t refused : {int64_t{0}, int64_t{-1},
                          int64_t{limits::kSearchModelVersionsResultsMax + 1},
                          INT64_MAX}) {
    versions.set_max_results(refused);
    EXPECT_EQ(CodeOf(service_.SearchModelVersions(context_, versions, &page)),
              v1::INVALID_PARAMETER_VALUE)
        << refused;
  }
  versions.clear_max_results();
  EXPECT_TRUE(service_.SearchModelVersions(context_, versions, &page).ok());
}

TEST_F(RegistryServiceTest, TimesAreTheServers) {
  clock_.now_ms = 5000;
  ExpectTaken("s3://b/x");
  EXPECT_EQ(created_.creation_timestamp(), 5000);
  v1::RegisteredModel model;
  ASSERT_TRUE(stores_.registry()->GetRegisteredModel("m", &model).ok());
  EXPECT_EQ(model.creation_timestamp(), 1000);
  EXPECT_EQ(model.last_updated_timestamp(), 5000);
}

}  // namespace
}  // namespace millstream::server
