// Experiments, runs and what they log, as the service answers for them. What
// is kept is in storage/conformance/tracking_store_conformance.h; logged models
// and metrics have tests of their own.
#include "server/tracking_service.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "base/str_cat.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/call_context.h"
#include "server/run_feed.h"
#include "storage/testing/sqlite_stores.h"

namespace millstream::server {
namespace {

using ::testing::MatchesRegex;

class TrackingServiceTest : public ::testing::Test {
 protected:
  // Calls an rpc; the response is dropped.
  template <typename Request, typename Response>
  v1::ErrorCode Code(absl::Status (TrackingService::*rpc)(CallContext&,
                                                          const Request&,
                                                          Response*),
                     const Request& request) {
    Response response;
    return CodeOf((service_.*rpc)(context_, request, &response));
  }

  v1::Run MakeRun() {
    v1::CreateRunRequest request;
    request.set_experiment_id("0");
    v1::CreateRunResponse response;
    EXPECT_TRUE(service_.CreateRun(context_, request, &response).ok());
    return response.run();
  }
  v1::Run GetRun(const std::string& run_id) {
    v1::GetRunRequest request;
    request.set_run_id(run_id);
    v1::GetRunResponse response;
    EXPECT_TRUE(service_.GetRun(context_, request, &response).ok());
    return response.run();
  }
  static std::map<std::string, std::string> TagsOf(const v1::Run& run) {
    std::map<std::string, std::string> tags;
    for (const v1::RunTag& tag : run.data().tags()) {
      tags[tag.key()] = tag.value();
    }
    return tags;
  }
  v1::ErrorCode CreateAt(const std::string& name,
                         const std::string& location) {
    v1::CreateExperimentRequest request;
    request.set_name(name);
    request.set_artifact_location(location);
    return Code(&TrackingService::CreateExperiment, request);
  }

  storage::testing::SqliteStores stores_;
  TestClock clock_{1234};
  // Logs no metrics.
  TrackingService service_{stores_.tracking(), nullptr, nullptr, &clock_, {}};
  CallContext context_{Door::kGrpc};
};

TEST_F(TrackingServiceTest, ExperimentsAreMadeNow) {
  v1::CreateExperimentRequest request;
  request.set_name("name");
  v1::CreateExperimentResponse created;
  ASSERT_TRUE(service_.CreateExperiment(context_, request, &created).ok());
  v1::GetExperimentRequest get;
  get.set_experiment_id(created.experiment_id());
  v1::GetExperimentResponse got;
  ASSERT_TRUE(service_.GetExperiment(context_, get, &got).ok());
  EXPECT_EQ(got.experiment().creation_time(), 1234);
  EXPECT_EQ(got.experiment().last_update_time(), 1234);
  EXPECT_EQ(got.experiment().workspace(), "default");
}

TEST_F(TrackingServiceTest, ExperimentsHaveGoodNamesAndTags) {
  v1::CreateExperimentRequest request;
  request.set_name(std::string(limits::kExperimentNameLengthMax + 1, 'n'));
  EXPECT_EQ(Code(&TrackingService::CreateExperiment, request),
            v1::INVALID_PARAMETER_VALUE);
  request.set_name("n");
  v1::ExperimentTag* tag = request.add_tags();
  tag->set_key("bad$key");
  EXPECT_EQ(Code(&TrackingService::CreateExperiment, request),
            v1::INVALID_PARAMETER_VALUE);
  tag->set_key("k");
  *request.add_tags() = *tag;
  EXPECT_EQ(Code(&TrackingService::CreateExperiment, request),
            v1::RESOURCE_ALREADY_EXISTS);
  v1::GetExperimentByNameRequest get;
  get.set_experiment_name("n");
  EXPECT_EQ(Code(&TrackingService::GetExperimentByName, get),
            v1::RESOURCE_DOES_NOT_EXIST);
}

TEST_F(TrackingServiceTest, ArtifactLocationsLeadNowhereElse) {
  EXPECT_EQ(CreateAt("a", "s3://bucket/x"), v1::ERROR_CODE_UNSPECIFIED);
  EXPECT_EQ(CreateAt("b", "s3://b/../../etc"), v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(CreateAt("b", "file:///x/%2e%2e/y"), v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(CreateAt("b", "http://host/x"), v1::INVALID_PARAMETER_VALUE);
  // A taken name is said first.
  EXPECT_EQ(CreateAt("a", "s3://b/../x"), v1::RESOURCE_ALREADY_EXISTS);
}

TEST_F(TrackingServiceTest, RunsAreMadeOfSmallTexts) {
  v1::CreateRunRequest request;
  request.set_experiment_id("0");
  v1::RunTag* tag = request.add_tags();
  tag->set_key("k");
  tag->set_value(std::string(limits::kCreateRunBytesMax - 100, 'v'));
  EXPECT_EQ(Code(&TrackingService::CreateRun, request),
            v1::ERROR_CODE_UNSPECIFIED);
  tag->mutable_value()->append(100, 'v');
  EXPECT_EQ(Code(&TrackingService::CreateRun, request),
            v1::INVALID_PARAMETER_VALUE);
  request.clear_tags();
  request.set_run_name(std::string(limits::kRunNameLengthMax + 1, 'n'));
  EXPECT_EQ(Code(&TrackingService::CreateRun, request),
            v1::INVALID_PARAMETER_VALUE);
  v1::UpdateRunRequest update;
  update.set_run_id("r");
  update.set_run_name(request.run_name());
  EXPECT_EQ(Code(&TrackingService::UpdateRun, update),
            v1::INVALID_PARAMETER_VALUE);
}

TEST_F(TrackingServiceTest, ACallerMayChooseTheIdOfItsRun) {
  v1::CreateRunRequest request;
  request.set_experiment_id("0");
  const std::string id = "0123456789abcdef0123456789abcdef";
  for (const std::string& bad :
       {std::string(), id.substr(1), id + "0", "A" + id.substr(1),
        "/" + id.substr(1), "-" + id.substr(1)}) {
    request.set_wanted_run_id(bad);
    EXPECT_EQ(Code(&TrackingService::CreateRun, request),
              v1::INVALID_PARAMETER_VALUE)
        << bad;
  }
  request.set_wanted_run_id(id);
  v1::CreateRunResponse response;
  ASSERT_TRUE(service_.CreateRun(context_, request, &response).ok());
  EXPECT_EQ(response.run().info().run_id(), id);
  EXPECT_EQ(Code(&TrackingService::CreateRun, request),
            v1::RESOURCE_ALREADY_EXISTS);
  EXPECT_EQ(GetRun(id).info().status(), v1::RUNNING);
}

TEST_F(TrackingServiceTest, NothingIsMadeWithCountlessTags) {
  v1::CreateRunRequest run;
  v1::CreateExperimentRequest experiment;
  run.set_experiment_id("0");
  experiment.set_name("n");
  for (int i = 0; i < limits::kCreateTagsMax; ++i) {
    run.add_tags()->set_key(StrCat(i));
    experiment.add_tags()->set_key(StrCat(i));
  }
  EXPECT_EQ(Code(&TrackingService::CreateRun, run),
            v1::ERROR_CODE_UNSPECIFIED);
  run.add_tags()->set_key("k");
  experiment.add_tags()->set_key("k");
  EXPECT_EQ(Code(&TrackingService::CreateRun, run),
            v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(Code(&TrackingService::CreateExperiment, experiment),
            v1::INVALID_PARAMETER_VALUE);
}

TEST_F(TrackingServiceTest, CustomViewsHaveALimit) {
  v1::SetExperimentTagRequest request;
  request.set_experiment_id("0");
  for (int i = 0; i < limits::kCustomViewsMax; ++i) {
    request.set_key(StrCat("mlflow.customView.view", i));
    EXPECT_EQ(Code(&TrackingService::SetExperimentTag, request),
              v1::ERROR_CODE_UNSPECIFIED);
  }
  EXPECT_EQ(Code(&TrackingService::SetExperimentTag, request),
            v1::ERROR_CODE_UNSPECIFIED);
  request.set_key("mlflow.customView.viewMore");
  EXPECT_EQ(Code(&TrackingService::SetExperimentTag, request),
            v1::INVALID_PARAMETER_VALUE);
  request.set_key("another");
  EXPECT_EQ(Code(&TrackingService::SetExperimentTag, request),
            v1::ERROR_CODE_UNSPECIFIED);
}

TEST_F(TrackingServiceTest, ExperimentsAreRenamedToSomething) {
  v1::UpdateExperimentRequest request;
  request.set_experiment_id("0");
  EXPECT_EQ(Code(&TrackingService::UpdateExperiment, request),
            v1::INVALID_PARAMETER_VALUE);
  request.set_new_name("renamed");
  EXPECT_EQ(Code(&TrackingService::UpdateExperiment, request),
            v1::ERROR_CODE_UNSPECIFIED);
}

TEST_F(TrackingServiceTest, RunsGetANameAndItsTag) {
  const v1::Run run = MakeRun();
  EXPECT_THAT(run.info().run_id(), MatchesRegex("[0-9a-f]{32}"));
  EXPECT_THAT(run.info().run_name(), MatchesRegex("[a-z]+-[a-z]+-[0-9]+"));
  EXPECT_EQ(TagsOf(run)["mlflow.runName"], run.info().run_name());
  EXPECT_EQ(run.info().status(), v1::RUNNING);
  EXPECT_EQ(run.info().start_time(), 0);
  EXPECT_TRUE(run.info().has_start_time());
  EXPECT_TRUE(run.info().has_user_id());
}

TEST_F(TrackingServiceTest, RunsAreNamedByTheirTagUnlessBothDiffer) {
  v1::CreateRunRequest request;
  request.set_experiment_id("0");
  v1::RunTag* tag = request.add_tags();
  tag->set_key("mlflow.runName");
  tag->set_value("from tag");
  v1::CreateRunResponse response;
  ASSERT_TRUE(service_.CreateRun(context_, request, &response).ok());
  EXPECT_EQ(response.run().info().run_name(), "from tag");
  request.set_run_name("from tag");
  EXPECT_EQ(Code(&TrackingService::CreateRun, request),
            v1::ERROR_CODE_UNSPECIFIED);
  request.set_run_name("other");
  EXPECT_EQ(Code(&TrackingService::CreateRun, request),
            v1::INVALID_PARAMETER_VALUE);
}

TEST_F(TrackingServiceTest, RunsNeedAnExperimentAndDistinctTags) {
  v1::CreateRunRequest request;
  EXPECT_EQ(Code(&TrackingService::CreateRun, request), v1::BAD_REQUEST);
  request.set_experiment_id("0");
  request.add_tags()->set_key("same");
  request.add_tags()->set_key("same");
  EXPECT_EQ(Code(&TrackingService::CreateRun, request), v1::BAD_REQUEST);
}

TEST_F(TrackingServiceTest, RunsAreFoundByTheirOldNameButNotDeletedByIt) {
  const std::string id = MakeRun().info().run_id();
  v1::GetRunRequest get;
  get.set_run_uuid(id);
  EXPECT_EQ(Code(&TrackingService::GetRun, get), v1::ERROR_CODE_UNSPECIFIED);
  get.set_run_id("other");
  EXPECT_EQ(Code(&TrackingService::GetRun, get), v1::RESOURCE_DOES_NOT_EXIST);
  get.set_run_id("");
  EXPECT_EQ(Code(&TrackingService::GetRun, get), v1::INVALID_PARAMETER_VALUE);
  v1::DeleteRunRequest erase;
  EXPECT_EQ(Code(&TrackingService::DeleteRun, erase),
            v1::INVALID_PARAMETER_VALUE);
  erase.set_run_uuid(id);
  EXPECT_EQ(Code(&TrackingService::DeleteRun, erase),
            v1::RESOURCE_DOES_NOT_EXIST);
  EXPECT_EQ(GetRun(id).info().lifecycle_stage(), "active");
}

TEST_F(TrackingServiceTest, AStatusIsOneOfFiveAndSetsNoEnd) {
  v1::UpdateRunRequest request;
  request.set_run_id(MakeRun().info().run_id());
  request.set_status(v1::FINISHED);
  v1::UpdateRunResponse response;
  ASSERT_TRUE(service_.UpdateRun(context_, request, &response).ok());
  EXPECT_EQ(response.run_info().status(), v1::FINISHED);
  EXPECT_FALSE(response.run_info().has_end_time());
  request.set_status(static_cast<v1::RunStatus>(99));
  EXPECT_EQ(Code(&TrackingService::UpdateRun, request),
            v1::INVALID_PARAMETER_VALUE);
  request.set_status(v1::RUN_STATUS_UNSPECIFIED);
  EXPECT_EQ(Code(&TrackingService::UpdateRun, request),
            v1::INVALID_PARAMETER_VALUE);
}

TEST_F(TrackingServiceTest, ParamsAndTagsAreCutToTheirLimits) {
  const std::string id = MakeRun().info().run_id();
  v1::LogParamRequest param;
  param.set_run_id(id);
  param.set_key("p");
  param.set_value(std::string(limits::kParamValueLengthMax + 9, 'v'));
  EXPECT_EQ(Code(&TrackingService::LogParam, param),
            v1::ERROR_CODE_UNSPECIFIED);
  // The same again, cut alike, is no change.
  EXPECT_EQ(Code(&TrackingService::LogParam, param),
            v1::ERROR_CODE_UNSPECIFIED);
  v1::SetTagRequest tag;
  tag.set_run_id(id);
  tag.set_key("t");
  tag.set_value(std::string(limits::kTagValueLengthMax + 9, 'v'));
  EXPECT_EQ(Code(&TrackingService::SetTag, tag), v1::ERROR_CODE_UNSPECIFIED);
  const v1::Run run = GetRun(id);
  EXPECT_EQ(run.data().params(0).value().size(), limits::kParamValueLengthMax);
  EXPECT_EQ(TagsOf(run)["t"].size(), limits::kTagValueLengthMax);
  tag.set_key(std::string(limits::kKeyLengthMax + 1, 'k'));
  EXPECT_EQ(Code(&TrackingService::SetTag, tag), v1::INVALID_PARAMETER_VALUE);
}

TEST_F(TrackingServiceTest, LoggedModelsAreListedInATag) {
  const std::string id = MakeRun().info().run_id();
  v1::LogModelRequest request;
  request.set_run_id(id);
  request.set_model_json(R"({"run_id":"r","artifact_path":"m","flavors":{},)"
                         R"("utc_time_created":"t"})");
  ASSERT_EQ(Code(&TrackingService::LogModel, request),
            v1::ERROR_CODE_UNSPECIFIED);
  ASSERT_EQ(Code(&TrackingService::LogModel, request),
            v1::ERROR_CODE_UNSPECIFIED);
  const std::string entry =
      R"({"run_id": "r", "artifact_path": "m", "utc_time_created": "t", )"
      R"("model_uuid": null, "flavors": {}})";
  EXPECT_EQ(TagsOf(GetRun(id))["mlflow.log-model.history"],
            StrCat("[", entry, ", ", entry, "]"));
  request.set_model_json("not json");
  EXPECT_EQ(Code(&TrackingService::LogModel, request),
            v1::INVALID_PARAMETER_VALUE);
}

TEST_F(TrackingServiceTest, DatasetsHaveLimits) {
  v1::LogInputsRequest request;
  request.set_run_id(MakeRun().info().run_id());
  v1::DatasetInput* input = request.add_datasets();
  v1::Dataset* dataset = input->mutable_dataset();
  const auto code = [&] { return Code(&TrackingService::LogInputs, request); };
  dataset->set_name("n");
  dataset->set_digest("d");
  dataset->set_source_type("t");
  dataset->set_source("s");
  EXPECT_EQ(code(), v1::ERROR_CODE_UNSPECIFIED);
  const std::vector<std::pair<std::string*, size_t>> fields = {
      {dataset->mutable_name(), limits::kDatasetNameLengthMax},
      {dataset->mutable_digest(), limits::kDatasetDigestLengthMax},
      {dataset->mutable_source_type(), limits::kDatasetSourceTypeLengthMax},
      {dataset->mutable_source(), limits::kDatasetSourceLengthMax},
      {dataset->mutable_schema(), limits::kDatasetSchemaLengthMax},
      {dataset->mutable_profile(), limits::kDatasetProfileLengthMax}};
  for (const auto& [field, limit] : fields) {
    *field = std::string(limit + 1, 'x');
    EXPECT_EQ(code(), v1::INVALID_PARAMETER_VALUE) << limit;
    *field = std::string(limit, 'x');
    EXPECT_EQ(code(), v1::ERROR_CODE_UNSPECIFIED) << limit;
  }
  v1::InputTag* tag = input->add_tags();
  tag->set_key(std::string(limits::kInputTagKeyLengthMax + 1, 'k'));
  EXPECT_EQ(code(), v1::INVALID_PARAMETER_VALUE);
  tag->set_key(std::string(limits::kInputTagKeyLengthMax, 'k'));
  tag->set_value(std::string(limits::kInputTagValueLengthMax, 'v'));
  EXPECT_EQ(code(), v1::ERROR_CODE_UNSPECIFIED);
  tag->set_value(std::string(limits::kInputTagValueLengthMax + 1, 'v'));
  EXPECT_EQ(code(), v1::INVALID_PARAMETER_VALUE);
  request.set_run_id("../x");
  EXPECT_EQ(code(), v1::INVALID_PARAMETER_VALUE);
}

TEST_F(TrackingServiceTest, PagesHaveAtLeastOneResult) {
  MakeRun();
  v1::SearchRunsRequest runs;
  runs.add_experiment_ids("0");
  EXPECT_EQ(Code(&TrackingService::SearchRuns, runs),
            v1::ERROR_CODE_UNSPECIFIED);
  for (int bad : {0, -1, limits::kSearchResultsMax + 1}) {
    runs.set_max_results(bad);
    EXPECT_EQ(Code(&TrackingService::SearchRuns, runs),
              v1::INVALID_PARAMETER_VALUE)
        << bad;
  }
  // As in MLflow a search for experiments has no default.
  v1::SearchExperimentsRequest experiments;
  EXPECT_EQ(Code(&TrackingService::SearchExperiments, experiments),
            v1::INVALID_PARAMETER_VALUE);
  experiments.set_max_results(1);
  EXPECT_EQ(Code(&TrackingService::SearchExperiments, experiments),
            v1::ERROR_CODE_UNSPECIFIED);
}

TEST_F(TrackingServiceTest, APageOfRunsHasAnOrdinarySize) {
  for (int i = 0; i <= limits::kSearchRunsResultsDefault; ++i) MakeRun();
  v1::SearchRunsRequest request;
  request.add_experiment_ids("0");
  v1::SearchRunsResponse page;
  ASSERT_TRUE(service_.SearchRuns(context_, request, &page).ok());
  EXPECT_EQ(page.runs_size(), limits::kSearchRunsResultsDefault);
  request.set_page_token(page.next_page_token());
  page.Clear();
  ASSERT_TRUE(service_.SearchRuns(context_, request, &page).ok());
  EXPECT_EQ(page.runs_size(), 1);
}

TEST_F(TrackingServiceTest, ASearchForDatasetsFindsSoManyAtMost) {
  v1::LogInputsRequest log;
  log.set_run_id(MakeRun().info().run_id());
  for (int i = 0; i <= limits::kDatasetSummariesMax; ++i) {
    v1::Dataset* dataset = log.add_datasets()->mutable_dataset();
    dataset->set_name(StrCat("d", i));
    dataset->set_digest("d");
    dataset->set_source_type("t");
    dataset->set_source("s");
  }
  ASSERT_EQ(Code(&TrackingService::LogInputs, log), v1::ERROR_CODE_UNSPECIFIED);
  v1::SearchDatasetsRequest request;
  request.add_experiment_ids("0");
  v1::SearchDatasetsResponse response;
  ASSERT_TRUE(service_.SearchDatasets(context_, request, &response).ok());
  EXPECT_EQ(response.dataset_summaries_size(), limits::kDatasetSummariesMax);
}

TEST_F(TrackingServiceTest, WatchersAreToldOfInputsAndOutputs) {
  RunFeed feed([](std::string_view) { return std::string("0"); }, &clock_, {});
  TrackingService service(stores_.tracking(), nullptr, nullptr, &clock_, {},
                          &feed);
  const std::string run_id = MakeRun().info().run_id();
  auto watcher = *feed.Subscribe({.id = run_id}, "", [] {});
  auto expect_told = [&](const absl::Status& status) {
    EXPECT_TRUE(status.ok()) << status;
    std::vector<std::pair<std::string, uint8_t>> runs;
    bool all = false;
    watcher->ReadChanges(10, &runs, &all);
    EXPECT_THAT(runs, ::testing::ElementsAre(
                          ::testing::Pair(run_id, kRunInputs)));
  };
  v1::LogInputsRequest inputs;
  inputs.set_run_id(run_id);
  inputs.add_models()->set_model_id("m-1");
  v1::LogInputsResponse logged_inputs;
  expect_told(service.LogInputs(context_, inputs, &logged_inputs));
  v1::LogOutputsRequest outputs;
  outputs.set_run_id(run_id);
  outputs.add_models()->set_model_id("m-2");
  v1::LogOutputsResponse logged_outputs;
  expect_told(service.LogOutputs(context_, outputs, &logged_outputs));
}

TEST_F(TrackingServiceTest, SearchesEndWithTheirCaller) {
  MakeRun();
  context_.Cancel();
  v1::SearchRunsRequest runs;
  runs.add_experiment_ids("0");
  EXPECT_EQ(Code(&TrackingService::SearchRuns, runs), v1::CANCELLED);
  v1::SearchExperimentsRequest experiments;
  experiments.set_max_results(1);
  EXPECT_EQ(Code(&TrackingService::SearchExperiments, experiments),
            v1::CANCELLED);
  v1::SearchLoggedModelsRequest models;
  models.add_experiment_ids("0");
  EXPECT_EQ(Code(&TrackingService::SearchLoggedModels, models), v1::CANCELLED);
}

TEST_F(TrackingServiceTest, DatasetsAreSearchedInAFewExperiments) {
  v1::SearchDatasetsRequest request;
  EXPECT_EQ(Code(&TrackingService::SearchDatasets, request),
            v1::INVALID_PARAMETER_VALUE);
  for (int i = 0; i < limits::kDatasetExperimentsMax; ++i) {
    request.add_experiment_ids("0");
  }
  EXPECT_EQ(Code(&TrackingService::SearchDatasets, request),
            v1::ERROR_CODE_UNSPECIFIED);
  request.add_experiment_ids("0");
  EXPECT_EQ(Code(&TrackingService::SearchDatasets, request),
            v1::INVALID_PARAMETER_VALUE);
}

TEST_F(TrackingServiceTest, TellsClientsWhatItIs) {
  v1::GetServerInfoResponse info;
  ASSERT_TRUE(service_.GetServerInfo(context_, {}, &info).ok());
  EXPECT_EQ(info.store_type(), "SqlStore");
  EXPECT_TRUE(info.has_workspaces_enabled());
  EXPECT_FALSE(info.workspaces_enabled());
}

}  // namespace
}  // namespace millstream::server
