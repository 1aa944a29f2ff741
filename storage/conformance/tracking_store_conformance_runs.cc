// TrackingStoreConformance: runs and what they log.
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/str_cat.h"
#include "storage/conformance/in_parallel.h"
#include "storage/conformance/tracking_store_conformance.h"
#include "storage/search/search.h"

namespace millstream::storage {
namespace {

std::map<std::string, std::string> TagsOf(const v1::Run& run) {
  std::map<std::string, std::string> tags;
  for (const v1::RunTag& tag : run.data().tags()) tags[tag.key()] = tag.value();
  return tags;
}

std::map<std::string, std::string> ParamsOf(const v1::Run& run) {
  std::map<std::string, std::string> params;
  for (const v1::Param& param : run.data().params()) {
    params[param.key()] = param.value();
  }
  return params;
}

google::protobuf::RepeatedPtrField<v1::DatasetInput> Datasets(
    std::vector<std::pair<std::string, std::string>> names_and_contexts) {
  google::protobuf::RepeatedPtrField<v1::DatasetInput> inputs;
  for (const auto& [name, context] : names_and_contexts) {
    v1::DatasetInput* input = inputs.Add();
    input->mutable_dataset()->set_name(name);
    input->mutable_dataset()->set_digest("x");
    input->mutable_dataset()->set_source_type("local");
    input->mutable_dataset()->set_source("{}");
    if (context.empty()) continue;
    v1::InputTag* tag = input->add_tags();
    tag->set_key("mlflow.data.context");
    tag->set_value(context);
  }
  return inputs;
}

google::protobuf::RepeatedPtrField<v1::ModelOutput> Output(
    const std::string& model_id, int64_t step) {
  google::protobuf::RepeatedPtrField<v1::ModelOutput> outputs;
  v1::ModelOutput* output = outputs.Add();
  output->set_model_id(model_id);
  output->set_step(step);
  return outputs;
}

TEST_P(TrackingStoreConformance, KeepsARunAsItWasMade) {
  const std::string experiment = MakeExperiment("experiment");
  v1::RunInfo info;
  info.set_run_id("0123456789abcdef0123456789abcdef");
  info.set_experiment_id(experiment);
  info.set_run_name("ünïcödé ☃");
  info.set_user_id("me");
  info.set_status(v1::RUNNING);
  info.set_start_time(-5);
  google::protobuf::RepeatedPtrField<v1::RunTag> tags;
  v1::RunTag* tag = tags.Add();
  tag->set_key("");
  tag->set_value(std::string(8000, 'v'));
  v1::Run made;
  ASSERT_TRUE(store_->CreateRun(info, tags, &made).ok());
  EXPECT_FALSE(made.has_outputs());
  Reopen();
  const v1::Run kept = GetRun(info.run_id());
  EXPECT_EQ(kept.info().SerializeAsString(), made.info().SerializeAsString());
  EXPECT_EQ(kept.info().run_uuid(), info.run_id());
  EXPECT_EQ(kept.info().artifact_uri(),
            StrCat("root:/", experiment, "/", info.run_id(), "/artifacts"));
  EXPECT_EQ(kept.info().lifecycle_stage(), "active");
  EXPECT_EQ(kept.info().user_id(), "me");
  EXPECT_EQ(kept.info().start_time(), -5);
  EXPECT_FALSE(kept.info().has_end_time());
  EXPECT_EQ(TagsOf(kept), TagsOf(made));
  EXPECT_TRUE(kept.has_inputs());
  EXPECT_TRUE(kept.has_outputs());
}

TEST_P(TrackingStoreConformance, RunIdsAreTakenOnce) {
  v1::RunInfo info;
  info.set_run_id("r");
  info.set_experiment_id(MakeExperiment("experiment"));
  info.set_run_name("first");
  info.set_status(v1::RUNNING);
  v1::Run run;
  ASSERT_TRUE(store_->CreateRun(info, {}, &run).ok());
  info.set_run_name("second");
  EXPECT_EQ(CodeOf(store_->CreateRun(info, {}, &run)),
            v1::RESOURCE_ALREADY_EXISTS);
  ASSERT_TRUE(store_->GetRun("r", &run).ok());
  EXPECT_EQ(run.info().run_name(), "first");
}

TEST_P(TrackingStoreConformance, MakesRunsInActiveExperimentsOnly) {
  const std::string experiment = MakeExperiment("experiment");
  ASSERT_TRUE(store_->DeleteExperiment(experiment, 1).ok());
  v1::RunInfo info;
  info.set_run_id("r");
  info.set_status(v1::RUNNING);
  v1::Run run;
  info.set_experiment_id(experiment);
  EXPECT_EQ(CodeOf(store_->CreateRun(info, {}, &run)),
            v1::INVALID_PARAMETER_VALUE);
  info.set_experiment_id("987654321");
  EXPECT_EQ(CodeOf(store_->CreateRun(info, {}, &run)),
            v1::RESOURCE_DOES_NOT_EXIST);
  info.set_experiment_id("no number");
  EXPECT_EQ(CodeOf(store_->CreateRun(info, {}, &run)),
            v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(CodeOf(store_->GetRun("r", &run)), v1::RESOURCE_DOES_NOT_EXIST);
}

TEST_P(TrackingStoreConformance, UpdatesWhatIsGivenAndNoMore) {
  const std::string run = MakeRun("0", "before");
  v1::RunInfo info;
  ASSERT_TRUE(store_->UpdateRun(run, {.status = v1::FINISHED}, &info).ok());
  EXPECT_EQ(info.status(), v1::FINISHED);
  EXPECT_FALSE(info.has_end_time());
  ASSERT_TRUE(store_->UpdateRun(run, {.end_time = 77}, &info).ok());
  EXPECT_EQ(info.status(), v1::FINISHED);
  EXPECT_EQ(info.end_time(), 77);
  ASSERT_TRUE(store_->UpdateRun(run, {.run_name = "after"}, &info).ok());
  EXPECT_EQ(info.run_name(), "after");
  EXPECT_EQ(info.end_time(), 77);
  EXPECT_EQ(TagsOf(GetRun(run))["mlflow.runName"], "after");
  ASSERT_TRUE(store_->UpdateRun(run, {}, &info).ok());
  EXPECT_EQ(info.SerializeAsString(), GetRun(run).info().SerializeAsString());
  EXPECT_EQ(CodeOf(store_->UpdateRun("nothing", {}, &info)),
            v1::RESOURCE_DOES_NOT_EXIST);
}

TEST_P(TrackingStoreConformance, DeletesAndRestoresARun) {
  const std::string run = MakeRun("0", "run");
  ASSERT_TRUE(store_->DeleteRun(run, 1).ok());
  EXPECT_EQ(GetRun(run).info().lifecycle_stage(), "deleted");
  EXPECT_TRUE(store_->DeleteRun(run, 2).ok());
  v1::RunInfo info;
  EXPECT_EQ(CodeOf(store_->UpdateRun(run, {.end_time = 1}, &info)),
            v1::INVALID_PARAMETER_VALUE);
  ASSERT_TRUE(store_->RestoreRun(run).ok());
  EXPECT_EQ(GetRun(run).info().lifecycle_stage(), "active");
  EXPECT_TRUE(store_->RestoreRun(run).ok());
  EXPECT_EQ(CodeOf(store_->DeleteRun("", 1)), v1::RESOURCE_DOES_NOT_EXIST);
  EXPECT_EQ(CodeOf(store_->RestoreRun("nothing")),
            v1::RESOURCE_DOES_NOT_EXIST);
}

TEST_P(TrackingStoreConformance, WritesAParamOnce) {
  const std::string run = MakeRun("0", "run");
  ASSERT_TRUE(store_->LogParam(run, "lr", "0.1").ok());
  EXPECT_TRUE(store_->LogParam(run, "lr", "0.1").ok());
  EXPECT_EQ(CodeOf(store_->LogParam(run, "lr", "0.2")),
            v1::INVALID_PARAMETER_VALUE);
  EXPECT_TRUE(store_->LogParam(run, "empty", "").ok());
  EXPECT_EQ(CodeOf(store_->LogParam(run, "empty", " ")),
            v1::INVALID_PARAMETER_VALUE);
  Reopen();
  EXPECT_EQ(ParamsOf(GetRun(run)),
            (std::map<std::string, std::string>{{"lr", "0.1"}, {"empty", ""}}));
}

TEST_P(TrackingStoreConformance, OfManyValuesOfAParamOneWins) {
  const std::string run = MakeRun("0", "run");
  std::vector<absl::Status> results = InParallel(100, [&](int i) {
    return store_->LogParam(run, "contended", StrCat(i));
  });
  std::set<std::string> winners;
  for (int i = 0; i < 100; ++i) {
    if (results[i].ok()) {
      winners.insert(StrCat(i));
    } else {
      EXPECT_EQ(CodeOf(results[i]), v1::INVALID_PARAMETER_VALUE);
    }
  }
  ASSERT_EQ(winners.size(), 1u);
  EXPECT_EQ(ParamsOf(GetRun(run))["contended"], *winners.begin());
}

TEST_P(TrackingStoreConformance, TakesOneValueOfAParamFromMany) {
  const std::string run = MakeRun("0", "run");
  for (const absl::Status& status : InParallel(
           50, [&](int) { return store_->LogParam(run, "same", "value"); })) {
    EXPECT_TRUE(status.ok()) << status;
  }
}

TEST_P(TrackingStoreConformance, SetsAndDeletesTagsOfARun) {
  const std::string run = MakeRun("0", "run");
  ASSERT_TRUE(store_->SetRunTag(run, "a", "1").ok());
  ASSERT_TRUE(store_->SetRunTag(run, "a", "2").ok());
  EXPECT_EQ(TagsOf(GetRun(run))["a"], "2");
  ASSERT_TRUE(store_->DeleteRunTag(run, "a").ok());
  EXPECT_EQ(TagsOf(GetRun(run)).count("a"), 0u);
  EXPECT_EQ(CodeOf(store_->DeleteRunTag(run, "a")),
            v1::RESOURCE_DOES_NOT_EXIST);
}

TEST_P(TrackingStoreConformance, RenamesARunByItsTag) {
  const std::string run = MakeRun("0", "before");
  ASSERT_TRUE(store_->SetRunTag(run, "mlflow.runName", "after").ok());
  EXPECT_EQ(GetRun(run).info().run_name(), "after");
  ASSERT_TRUE(store_->SetRunTag(run, "mlflow.runName", "").ok());
  EXPECT_EQ(GetRun(run).info().run_name(), "after");
  EXPECT_EQ(TagsOf(GetRun(run))["mlflow.runName"], "after");
  ASSERT_TRUE(store_->DeleteRunTag(run, "mlflow.runName").ok());
  EXPECT_EQ(GetRun(run).info().run_name(), "after");
}

TEST_P(TrackingStoreConformance, UpdatesATagWithNothingInBetween) {
  const std::string run = MakeRun("0", "run");
  for (const absl::Status& status : InParallel(30, [&](int) {
         return store_->UpdateRunTag(
             run, "list", [](std::optional<std::string_view> value) {
               return absl::StatusOr<std::string>(
                   StrCat(value.value_or(""), "x"));
             });
       })) {
    EXPECT_TRUE(status.ok()) << status;
  }
  EXPECT_EQ(TagsOf(GetRun(run))["list"], std::string(30, 'x'));
  const absl::Status refused = store_->UpdateRunTag(
      run, "list", [](std::optional<std::string_view>) {
        return absl::StatusOr<std::string>(InvalidParameter("no"));
      });
  EXPECT_EQ(CodeOf(refused), v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(TagsOf(GetRun(run))["list"], std::string(30, 'x'));
}

TEST_P(TrackingStoreConformance, LogsToActiveRunsOnly) {
  const std::string run = MakeRun("0", "run");
  ASSERT_TRUE(store_->SetRunTag(run, "a", "1").ok());
  ASSERT_TRUE(store_->DeleteRun(run, 1).ok());
  const auto all = [&](const std::string& id) {
    return std::vector<absl::Status>{
        store_->LogParam(id, "p", "1"), store_->SetRunTag(id, "a", "2"),
        store_->DeleteRunTag(id, "a"),
        store_->LogInputs(id, Datasets({{"d", ""}}), {}),
        store_->LogOutputs(id, Output("m-1", 1))};
  };
  for (const absl::Status& status : all(run)) {
    EXPECT_EQ(CodeOf(status), v1::INVALID_PARAMETER_VALUE) << status;
  }
  for (const absl::Status& status : all("nothing")) {
    EXPECT_EQ(CodeOf(status), v1::RESOURCE_DOES_NOT_EXIST) << status;
  }
  ASSERT_TRUE(store_->RestoreRun(run).ok());
  EXPECT_EQ(TagsOf(GetRun(run))["a"], "1");
  EXPECT_TRUE(GetRun(run).data().params().empty());
}

TEST_P(TrackingStoreConformance, KeepsInputsInTheOrderOfLogging) {
  const std::string run = MakeRun("0", "run");
  std::vector<std::pair<std::string, std::string>> many;
  for (int i = 0; i < 60; ++i) many.emplace_back(StrCat("d", 99 - i), "train");
  ASSERT_TRUE(store_->LogInputs(run, Datasets(many), {}).ok());
  ASSERT_TRUE(store_->LogInputs(run, Datasets({{"last", ""}}), {}).ok());
  const v1::Run kept = GetRun(run);
  ASSERT_EQ(kept.inputs().dataset_inputs_size(), 61);
  for (int i = 0; i < 60; ++i) {
    const v1::DatasetInput& input = kept.inputs().dataset_inputs(i);
    EXPECT_EQ(input.dataset().name(), many[i].first);
    ASSERT_EQ(input.tags_size(), 1);
    EXPECT_EQ(input.tags(0).value(), "train");
  }
  EXPECT_EQ(kept.inputs().dataset_inputs(60).dataset().name(), "last");
  EXPECT_EQ(kept.inputs().dataset_inputs(60).tags_size(), 0);
}

TEST_P(TrackingStoreConformance, KeepsADatasetOnceForAnExperiment) {
  const std::string one = MakeRun("0", "one");
  const std::string two = MakeRun("0", "two");
  auto first = Datasets({{"d", "train"}});
  first[0].mutable_dataset()->set_profile("first");
  auto second = Datasets({{"d", "test"}});
  second[0].mutable_dataset()->set_profile("second");
  ASSERT_TRUE(store_->LogInputs(one, first, {}).ok());
  ASSERT_TRUE(store_->LogInputs(one, second, {}).ok());
  ASSERT_TRUE(store_->LogInputs(two, second, {}).ok());
  const v1::Run kept = GetRun(one);
  ASSERT_EQ(kept.inputs().dataset_inputs_size(), 1);
  EXPECT_EQ(kept.inputs().dataset_inputs(0).tags(0).value(), "train");
  EXPECT_EQ(GetRun(two).inputs().dataset_inputs(0).dataset().profile(),
            "first");
}

TEST_P(TrackingStoreConformance, RefusesAnInputTagTwiceAndKeepsNothingOfIt) {
  const std::string run = MakeRun("0", "run");
  auto inputs = Datasets({{"good", ""}, {"bad", "train"}});
  *inputs[1].add_tags() = inputs[1].tags(0);
  EXPECT_EQ(CodeOf(store_->LogInputs(run, inputs, {})), v1::BAD_REQUEST);
  EXPECT_EQ(GetRun(run).inputs().dataset_inputs_size(), 0);
}

TEST_P(TrackingStoreConformance, ConnectsModelsWithRuns) {
  const std::string run = MakeRun("0", "run");
  google::protobuf::RepeatedPtrField<v1::ModelInput> models;
  models.Add()->set_model_id("m-2");
  models.Add()->set_model_id("m-1");
  ASSERT_TRUE(store_->LogInputs(run, {}, models).ok());
  ASSERT_TRUE(store_->LogInputs(run, {}, models).ok());
  ASSERT_TRUE(store_->LogOutputs(run, Output("m-3", 7)).ok());
  ASSERT_TRUE(store_->LogOutputs(run, Output("m-3", 7)).ok());
  EXPECT_EQ(CodeOf(store_->LogOutputs(run, Output("m-3", 8))),
            v1::BAD_REQUEST);
  const v1::Run kept = GetRun(run);
  ASSERT_EQ(kept.inputs().model_inputs_size(), 2);
  EXPECT_EQ(kept.inputs().model_inputs(0).model_id(), "m-1");
  ASSERT_EQ(kept.outputs().model_outputs_size(), 1);
  EXPECT_EQ(kept.outputs().model_outputs(0).step(), 7);
}

TEST_P(TrackingStoreConformance, FindsDatasetsOfExperiments) {
  const std::string experiment = MakeExperiment("experiment");
  const std::string one = MakeRun(experiment, "one");
  const std::string two = MakeRun(experiment, "two");
  ASSERT_TRUE(
      store_->LogInputs(one, Datasets({{"a", "train"}, {"b", ""}}), {}).ok());
  ASSERT_TRUE(store_->LogInputs(two, Datasets({{"a", "test"}}), {}).ok());
  google::protobuf::RepeatedPtrField<v1::DatasetSummary> found;
  ASSERT_TRUE(store_->SearchDatasets({experiment}, 10, &found).ok());
  std::set<std::string> seen;
  for (const v1::DatasetSummary& summary : found) {
    EXPECT_EQ(summary.experiment_id(), experiment);
    seen.insert(StrCat(summary.name(), " ",
                       summary.has_context() ? summary.context() : "-"));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"a test", "a train", "b -"}));
  found.Clear();
  ASSERT_TRUE(store_->SearchDatasets({experiment}, 2, &found).ok());
  EXPECT_EQ(found.size(), 2);
  found.Clear();
  ASSERT_TRUE(store_->SearchDatasets({"0", "987654321"}, 10, &found).ok());
  EXPECT_EQ(found.size(), 0);
}

TEST_P(TrackingStoreConformance, LoadsPagesWithAllThatBelongsToEachRun) {
  const std::string experiment = MakeExperiment("experiment");
  for (int i = 0; i < 9; ++i) {
    const std::string run = MakeRun(experiment, StrCat("run", i), i);
    ASSERT_TRUE(store_->LogParam(run, "i", StrCat(i)).ok());
    ASSERT_TRUE(store_->SetRunTag(run, "i", StrCat(i)).ok());
    ASSERT_TRUE(
        store_->LogInputs(run, Datasets({{StrCat("d", i), StrCat(i)}}), {})
            .ok());
    ASSERT_TRUE(store_->LogOutputs(run, Output("m", i)).ok());
  }
  search::RunSearch request;
  request.experiment_ids = {experiment};
  request.max_results = 4;
  std::string token;
  int expected = 8;
  do {
    request.page_token = token;
    v1::SearchRunsResponse response;
    ASSERT_TRUE(store_->SearchRuns(request, &response).ok());
    for (const v1::Run& run : response.runs()) {
      const std::string i = StrCat(expected--);
      EXPECT_EQ(run.info().run_name(), "run" + i);
      EXPECT_EQ(ParamsOf(run)["i"], i);
      EXPECT_EQ(TagsOf(run)["i"], i);
      ASSERT_EQ(run.inputs().dataset_inputs_size(), 1);
      EXPECT_EQ(run.inputs().dataset_inputs(0).dataset().name(), "d" + i);
      EXPECT_EQ(run.inputs().dataset_inputs(0).tags(0).value(), i);
      ASSERT_EQ(run.outputs().model_outputs_size(), 1);
      EXPECT_EQ(StrCat(run.outputs().model_outputs(0).step()), i);
    }
    token = response.next_page_token();
  } while (!token.empty());
  EXPECT_EQ(expected, -1);
}

TEST_P(TrackingStoreConformance, FiltersAndOrdersRuns) {
  const std::string experiment = MakeExperiment("experiment");
  for (const char* name : {"b", "a", "c"}) {
    const std::string run = MakeRun(experiment, name);
    ASSERT_TRUE(store_->LogParam(run, "p", StrCat("value ", name)).ok());
    if (*name == 'c') continue;
    ASSERT_TRUE(store_->SetRunTag(run, "t", name).ok());
  }
  using Names = std::vector<std::string>;
  EXPECT_EQ(Search(experiment, "", {"params.p"}), (Names{"a", "b", "c"}));
  EXPECT_EQ(Search(experiment, "", {"params.p DESC"}), (Names{"c", "b", "a"}));
  EXPECT_EQ(Search(experiment, "params.p = 'value b'"), (Names{"b"}));
  EXPECT_EQ(Search(experiment, "params.p LIKE '%c'"), (Names{"c"}));
  EXPECT_EQ(Search(experiment, "tags.t != 'a'"), (Names{"b"}));
  EXPECT_EQ(Search("0", "params.p = 'value b'"), (Names{}));
  ASSERT_TRUE(
      store_->DeleteRun(std::string("b") + std::string(31, '0'), 1).ok());
  EXPECT_EQ(Search(experiment, "", {"params.p"}), (Names{"a", "c"}));
}

}  // namespace
}  // namespace millstream::storage
