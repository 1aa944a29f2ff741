#include <cmath>
#include <string>
#include <vector>

#include "base/str_cat.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "storage/conformance/registry_store_conformance.h"
#include "storage/search/search.h"

namespace millstream::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// "key=value" of tags or params.
template <typename Pairs>
std::vector<std::string> Texts(const Pairs& pairs) {
  std::vector<std::string> texts;
  for (const auto& pair : pairs) {
    texts.push_back(StrCat(pair.key(), "=", pair.value()));
  }
  return texts;
}

template <typename Pair>
google::protobuf::RepeatedPtrField<Pair> Pairs(
    std::vector<std::pair<std::string, std::string>> values) {
  google::protobuf::RepeatedPtrField<Pair> pairs;
  for (const auto& [key, value] : values) {
    Pair* pair = pairs.Add();
    pair->set_key(key);
    pair->set_value(value);
  }
  return pairs;
}

using TagList = std::vector<std::pair<std::string, std::string>>;

v1::LoggedModel NewModel(std::string_view experiment_id, TagList tags,
                         TagList params) {
  v1::LoggedModel model;
  v1::LoggedModelInfo* info = model.mutable_info();
  info->set_model_id("m-0123456789abcdef0123456789abcdef");
  info->set_experiment_id(std::string(experiment_id));
  info->set_name("net");
  info->set_model_type("agent");
  info->set_source_run_id("r");
  info->set_status(v1::LOGGED_MODEL_PENDING);
  info->set_creation_timestamp_ms(1234);
  *info->mutable_tags() = Pairs<v1::LoggedModelTag>(tags);
  *model.mutable_data()->mutable_params() =
      Pairs<v1::LoggedModelParameter>(params);
  return model;
}

TEST_P(LoggedModelConformance, ModelIsReadAsItWasMade) {
  const std::string experiment = MakeExperiment("e");
  const v1::LoggedModel model =
      NewModel(experiment, {{"a", "1"}, {"", "no key"}}, {{"lr", "0.1"}});
  v1::LoggedModel created;
  ASSERT_TRUE(tracking().CreateLoggedModel(model, &created).ok());
  const v1::LoggedModelInfo& info = created.info();
  EXPECT_EQ(info.artifact_uri(), StrCat("root:/", experiment, "/models/",
                                        info.model_id(), "/artifacts"));
  EXPECT_EQ(info.model_type(), "agent");
  EXPECT_EQ(info.source_run_id(), "r");
  EXPECT_EQ(info.status(), v1::LOGGED_MODEL_PENDING);
  EXPECT_EQ(info.last_updated_timestamp_ms(), 1234);
  EXPECT_THAT(Texts(info.tags()), ElementsAre("=no key", "a=1"));
  EXPECT_THAT(Texts(created.data().params()), ElementsAre("lr=0.1"));
  harness_->Reopen();
  EXPECT_EQ(GetLoggedModel(info.model_id()).SerializeAsString(),
            created.SerializeAsString());
}

TEST_P(LoggedModelConformance, ExperimentMustBeThereAndActive) {
  v1::LoggedModel created;
  EXPECT_EQ(CodeOf(tracking().CreateLoggedModel(NewModel("987654", {}, {}),
                                                &created)),
            v1::RESOURCE_DOES_NOT_EXIST);
  EXPECT_EQ(
      CodeOf(tracking().CreateLoggedModel(NewModel("abc", {}, {}), &created)),
      v1::INVALID_PARAMETER_VALUE);
  const std::string experiment = MakeExperiment("e");
  ASSERT_TRUE(tracking().DeleteExperiment(experiment, 2000).ok());
  EXPECT_EQ(CodeOf(tracking().CreateLoggedModel(NewModel(experiment, {}, {}),
                                                &created)),
            v1::INVALID_PARAMETER_VALUE);
}

TEST_P(LoggedModelConformance, RepeatedKeysAreRefusedWhole) {
  const std::string experiment = MakeExperiment("e");
  v1::LoggedModel created;
  EXPECT_EQ(
      CodeOf(tracking().CreateLoggedModel(
          NewModel(experiment, {{"k", "1"}, {"k", "2"}}, {}), &created)),
      v1::BAD_REQUEST);
  EXPECT_EQ(
      CodeOf(tracking().CreateLoggedModel(
          NewModel(experiment, {}, {{"k", "1"}, {"k", "2"}}), &created)),
      v1::BAD_REQUEST);
  EXPECT_EQ(CodeOf(tracking().GetLoggedModel(
                "m-0123456789abcdef0123456789abcdef", true, &created)),
            v1::RESOURCE_DOES_NOT_EXIST);
}

TEST_P(LoggedModelConformance, MissingModelsAreNotFound) {
  v1::LoggedModel model;
  TrackingStore& store = tracking();
  for (const absl::Status& status : {
           store.GetLoggedModel("m-x", true, &model),
           store.FinalizeLoggedModel("m-x", v1::LOGGED_MODEL_READY, 1, &model),
           store.DeleteLoggedModel("m-x", 1),
           store.SetLoggedModelTags("m-x", {}),
           store.DeleteLoggedModelTag("m-x", "a"),
           store.LogLoggedModelParams("m-x", {}),
       }) {
    EXPECT_EQ(CodeOf(status), v1::RESOURCE_DOES_NOT_EXIST) << status;
  }
}

TEST_P(LoggedModelConformance, FinalizeSetsAnyStatus) {
  const std::string id = MakeLoggedModel(MakeExperiment("e"), "net");
  for (v1::LoggedModelStatus status :
       {v1::LOGGED_MODEL_READY, v1::LOGGED_MODEL_UPLOAD_FAILED,
        v1::LOGGED_MODEL_PENDING, v1::LOGGED_MODEL_STATUS_UNSPECIFIED}) {
    v1::LoggedModel model;
    ASSERT_TRUE(
        tracking().FinalizeLoggedModel(id, status, 7000, &model).ok());
    EXPECT_EQ(model.info().status(), status);
    EXPECT_EQ(model.info().last_updated_timestamp_ms(), 7000);
    EXPECT_EQ(GetLoggedModel(id).SerializeAsString(),
              model.SerializeAsString());
  }
}

TEST_P(LoggedModelConformance, DeletedModelsCanBeWrittenAndNotRead) {
  const std::string experiment = MakeExperiment("e");
  const std::string id = MakeLoggedModel(experiment, "net");
  TrackingStore& store = tracking();
  ASSERT_TRUE(store.DeleteLoggedModel(id, 7000).ok());
  ASSERT_TRUE(store.DeleteLoggedModel(id, 8000).ok());
  v1::LoggedModel model;
  EXPECT_EQ(CodeOf(store.GetLoggedModel(id, false, &model)),
            v1::RESOURCE_DOES_NOT_EXIST);
  EXPECT_TRUE(store.GetLoggedModel(id, true, &model).ok());
  EXPECT_EQ(model.info().last_updated_timestamp_ms(), 8000);
  EXPECT_TRUE(
      store.SetLoggedModelTags(id, Pairs<v1::LoggedModelTag>({{"a", "1"}}))
          .ok());
  EXPECT_TRUE(store.DeleteLoggedModelTag(id, "a").ok());
  EXPECT_TRUE(
      store.FinalizeLoggedModel(id, v1::LOGGED_MODEL_READY, 9000, &model).ok());
  search::LoggedModelSearch request;
  request.experiment_ids = {experiment};
  request.max_results = 10;
  v1::SearchLoggedModelsResponse page;
  ASSERT_TRUE(store.SearchLoggedModels(request, &page).ok());
  EXPECT_EQ(page.models_size(), 0);
}

TEST_P(LoggedModelConformance, TagsAreOverwrittenAndDeleted) {
  const std::string id = MakeLoggedModel(MakeExperiment("e"), "net");
  TrackingStore& store = tracking();
  ASSERT_TRUE(store
                  .SetLoggedModelTags(id, Pairs<v1::LoggedModelTag>(
                                              {{"a", "1"}, {"a", "2"}}))
                  .ok());
  ASSERT_TRUE(
      store.SetLoggedModelTags(id, Pairs<v1::LoggedModelTag>({{"b", ""}}))
          .ok());
  EXPECT_THAT(Texts(GetLoggedModel(id).info().tags()),
              ElementsAre("a=2", "b="));
  ASSERT_TRUE(store.DeleteLoggedModelTag(id, "a").ok());
  EXPECT_EQ(CodeOf(store.DeleteLoggedModelTag(id, "a")),
            v1::RESOURCE_DOES_NOT_EXIST);
  EXPECT_THAT(Texts(GetLoggedModel(id).info().tags()), ElementsAre("b="));
}

TEST_P(LoggedModelConformance, ParamsAreWrittenOnce) {
  const std::string id = MakeLoggedModel(MakeExperiment("e"), "net");
  TrackingStore& store = tracking();
  using Param = v1::LoggedModelParameter;
  ASSERT_TRUE(store.LogLoggedModelParams(id, Pairs<Param>({{"a", "1"}})).ok());
  EXPECT_EQ(CodeOf(store.LogLoggedModelParams(
                id, Pairs<Param>({{"b", "1"}, {"a", "1"}}))),
            v1::BAD_REQUEST);
  EXPECT_EQ(CodeOf(store.LogLoggedModelParams(
                id, Pairs<Param>({{"c", "1"}, {"c", "1"}}))),
            v1::BAD_REQUEST);
  EXPECT_THAT(Texts(GetLoggedModel(id).data().params()), ElementsAre("a=1"));
}

TEST_P(LoggedModelConformance, MetricsComeWithTheirDatasets) {
  const std::string experiment = MakeExperiment("e");
  const std::string id = MakeLoggedModel(experiment, "net");
  v1::RunInfo info;
  info.set_run_id("r");
  info.set_experiment_id(experiment);
  info.set_status(v1::RUNNING);
  v1::Run run;
  ASSERT_TRUE(tracking().CreateRun(info, {}, &run).ok());
  v1::Metric metric;
  metric.set_model_id(id);
  metric.set_run_id("r");
  metric.set_key("acc");
  metric.set_value(0.5);
  metric.set_timestamp(3);
  metric.set_step(1);
  metric.set_dataset_name("d");
  metric.set_dataset_digest("x");
  ASSERT_TRUE(harness_->AddModelMetric(metric).ok());
  v1::Metric not_a_number;
  not_a_number.set_model_id(id);
  not_a_number.set_run_id("r");
  not_a_number.set_key("nan");
  not_a_number.set_value(NAN);
  not_a_number.set_timestamp(4);
  ASSERT_TRUE(harness_->AddModelMetric(not_a_number).ok());

  const v1::LoggedModel model = GetLoggedModel(id);
  ASSERT_EQ(model.data().metrics_size(), 2);
  EXPECT_EQ(model.data().metrics(0).SerializeAsString(),
            metric.SerializeAsString());
  // As MLflow keeps it here.
  EXPECT_EQ(model.data().metrics(1).value(), 0);
  EXPECT_FALSE(model.data().metrics(1).has_dataset_name());

  auto found = [&](search::LoggedModelSearch::Dataset dataset) {
    search::LoggedModelSearch request;
    request.experiment_ids = {experiment};
    request.datasets = {dataset};
    request.max_results = 10;
    v1::SearchLoggedModelsResponse page;
    EXPECT_TRUE(tracking().SearchLoggedModels(request, &page).ok());
    return page.models_size();
  };
  EXPECT_EQ(found({.name = "d", .digest = "x"}), 1);
  EXPECT_EQ(found({.name = "d", .digest = "y"}), 0);
}

TEST_P(LoggedModelConformance, SearchesInPages) {
  const std::string experiment = MakeExperiment("e");
  MakeLoggedModel(MakeExperiment("other"), "elsewhere");
  for (int i = 0; i < 5; ++i) {
    const std::string id =
        MakeLoggedModel(experiment, StrCat("n", i), 3000 + i);
    ASSERT_TRUE(tracking()
                    .SetLoggedModelTags(
                        id, Pairs<v1::LoggedModelTag>({{"i", StrCat(i)}}))
                    .ok());
  }
  search::LoggedModelSearch request;
  request.experiment_ids = {experiment};
  request.max_results = 2;
  std::vector<std::string> seen;
  std::string token;
  do {
    request.page_token = token;
    v1::SearchLoggedModelsResponse page;
    ASSERT_TRUE(tracking().SearchLoggedModels(request, &page).ok());
    for (const v1::LoggedModel& model : page.models()) {
      EXPECT_THAT(Texts(model.info().tags()),
                  ElementsAre(StrCat("i=", model.info().name().substr(1))));
      EXPECT_TRUE(model.has_data());
      seen.push_back(model.info().name());
    }
    token = page.next_page_token();
  } while (!token.empty());
  EXPECT_THAT(seen, ElementsAre("n4", "n3", "n2", "n1", "n0"));
}

TEST_P(LoggedModelConformance, PagesTakeAConstantNumberOfStatements) {
  const std::string experiment = MakeExperiment("e");
  for (int i = 0; i < 40; ++i) MakeLoggedModel(experiment, StrCat("n", i));
  auto statements = [&](int64_t max_results) {
    search::LoggedModelSearch request;
    request.experiment_ids = {experiment};
    request.max_results = max_results;
    v1::SearchLoggedModelsResponse page;
    harness_->TakeStatements();
    EXPECT_TRUE(tracking().SearchLoggedModels(request, &page).ok());
    EXPECT_EQ(page.models_size(), max_results);
    return harness_->TakeStatements();
  };
  EXPECT_EQ(statements(40), statements(2));
}

TEST_P(LoggedModelConformance, InputsTakeAConstantNumberOfStatements) {
  const std::string experiment = MakeExperiment("e");
  auto statements = [&](int count) {
    v1::RunInfo info;
    std::string id = StrCat("r", count, "-");
    id.resize(32, '0');
    info.set_run_id(id);
    info.set_experiment_id(experiment);
    info.set_status(v1::RUNNING);
    v1::Run run;
    EXPECT_TRUE(tracking().CreateRun(info, {}, &run).ok());
    google::protobuf::RepeatedPtrField<v1::DatasetInput> datasets;
    google::protobuf::RepeatedPtrField<v1::ModelInput> models;
    google::protobuf::RepeatedPtrField<v1::ModelOutput> outputs;
    for (int i = 0; i < count; ++i) {
      v1::DatasetInput* const input = datasets.Add();
      input->mutable_dataset()->set_name(StrCat("d", i, "of", count));
      input->mutable_dataset()->set_digest("x");
      v1::InputTag* const tag = input->add_tags();
      tag->set_key("k");
      tag->set_value("v");
      models.Add()->set_model_id(StrCat("m-", i));
      outputs.Add()->set_model_id(StrCat("m-", i));
    }
    harness_->TakeStatements();
    EXPECT_TRUE(tracking().LogInputs(id, datasets, models).ok());
    EXPECT_TRUE(tracking().LogOutputs(id, outputs).ok());
    return harness_->TakeStatements();
  };
  EXPECT_EQ(statements(40), statements(2));
}

}  // namespace
}  // namespace millstream::storage
