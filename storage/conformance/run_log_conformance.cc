#include "storage/conformance/run_log_conformance.h"

#include <cmath>
#include <limits>

#include "base/str_cat.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "storage/conformance/in_parallel.h"

namespace millstream::storage {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string RunLogConformance::MakeRun(std::string_view name) {
  v1::RunInfo info;
  std::string id(name);
  id.resize(32, '0');
  info.set_run_id(id);
  info.set_experiment_id("0");
  info.set_status(v1::RUNNING);
  info.set_start_time(1);
  v1::Run run;
  const absl::Status status = harness_->tracking().CreateRun(info, {}, &run);
  EXPECT_TRUE(status.ok()) << status;
  return id;
}

std::string RunLogConformance::MakeModel(std::string_view name) {
  v1::LoggedModel model, created;
  std::string id = StrCat("m-", name);
  id.resize(34, '0');
  model.mutable_info()->set_model_id(id);
  model.mutable_info()->set_experiment_id("0");
  model.mutable_info()->set_name(std::string(name));
  model.mutable_info()->set_status(v1::LOGGED_MODEL_PENDING);
  const absl::Status status =
      harness_->tracking().CreateLoggedModel(model, &created);
  EXPECT_TRUE(status.ok()) << status;
  return id;
}

absl::Status RunLogConformance::Log(
    std::string_view run_id, const Points& metrics, const Pairs& params,
    const Pairs& tags, const std::vector<v1::Metric>& model_metrics) {
  std::vector<SeriesAppend> series;
  for (const auto& [key, points] : metrics) series.push_back({key, points});
  google::protobuf::RepeatedPtrField<v1::Param> param_list;
  for (const auto& [key, value] : params) {
    v1::Param* param = param_list.Add();
    param->set_key(key);
    param->set_value(value);
  }
  google::protobuf::RepeatedPtrField<v1::RunTag> tag_list;
  for (const auto& [key, value] : tags) {
    v1::RunTag* tag = tag_list.Add();
    tag->set_key(key);
    tag->set_value(value);
  }
  std::vector<const v1::Metric*> models;
  for (const v1::Metric& metric : model_metrics) models.push_back(&metric);
  return harness_->log().Log({.run_id = run_id,
                              .metrics = series,
                              .params = params.empty() ? nullptr : &param_list,
                              .tags = tags.empty() ? nullptr : &tag_list,
                              .model_metrics = models});
}

std::vector<std::string> RunLogConformance::Params(std::string_view run_id) {
  v1::Run run;
  EXPECT_TRUE(harness_->tracking().GetRun(run_id, &run).ok());
  std::vector<std::string> found;
  for (const v1::Param& param : run.data().params()) {
    found.push_back(StrCat(param.key(), "=", param.value()));
  }
  return found;
}

std::vector<std::string> RunLogConformance::Tags(std::string_view run_id) {
  v1::Run run;
  EXPECT_TRUE(harness_->tracking().GetRun(run_id, &run).ok());
  std::vector<std::string> found;
  for (const v1::RunTag& tag : run.data().tags()) {
    found.push_back(StrCat(tag.key(), "=", tag.value()));
  }
  return found;
}

std::vector<std::string> RunLogConformance::Latest(std::string_view run_id) {
  v1::Run run;
  EXPECT_TRUE(harness_->tracking().GetRun(run_id, &run).ok());
  std::vector<std::string> found;
  for (const v1::Metric& metric : run.data().metrics()) {
    found.push_back(
        StrCat(metric.key(), "=", metric.value(), "@", metric.step()));
  }
  return found;
}

size_t RunLogConformance::HistorySize(std::string_view run_id,
                                      std::string_view key) {
  std::vector<MetricPoint> points;
  EXPECT_TRUE(harness_->metrics()
                  .ReadHistory(run_id, key, nullptr,
                               std::numeric_limits<size_t>::max(), &points)
                  .ok());
  return points.size();
}

namespace {

v1::Metric ModelMetric(std::string_view model_id, double value,
                       int64_t step = 1) {
  v1::Metric metric;
  metric.set_model_id(std::string(model_id));
  metric.set_key("acc");
  metric.set_value(value);
  metric.set_timestamp(5);
  metric.set_step(step);
  return metric;
}

TEST_P(RunLogConformance, ABatchOfAllKindsIsKept) {
  const std::string run = MakeRun("r");
  const std::string model = MakeModel("m");
  v1::Metric on_dataset = ModelMetric(model, 0.5, 2);
  on_dataset.set_dataset_name("d");
  on_dataset.set_dataset_digest("1");
  const Points metrics = {{"loss", {{10, 1, 0.5}, {20, 2, 0.25}}},
                          {"acc", {{10, 1, NAN}}}};
  for (int again = 0; again < 2; ++again) {
    const absl::Status status =
        Log(run, metrics, {{"lr", "0.1"}, {"opt", "sgd"}}, {{"k", "v"}},
            {ModelMetric(model, 0.75), on_dataset});
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_THAT(Latest(run), ElementsAre("acc=nan@1", "loss=0.25@2"));
    EXPECT_THAT(Params(run), ElementsAre("lr=0.1", "opt=sgd"));
    EXPECT_THAT(Tags(run), ElementsAre("k=v"));
    EXPECT_EQ(HistorySize(run, "loss"), 2u);
    v1::LoggedModel loaded;
    ASSERT_TRUE(
        harness_->tracking().GetLoggedModel(model, false, &loaded).ok());
    ASSERT_EQ(loaded.data().metrics_size(), 2);
    EXPECT_EQ(loaded.data().metrics(0).value(), 0.75);
    EXPECT_EQ(loaded.data().metrics(0).run_id(), run);
    EXPECT_EQ(loaded.data().metrics(1).dataset_name(), "d");
    harness_->Reopen();
  }
}

TEST_P(RunLogConformance, NothingIsKeptOfABatchThatIsRefused) {
  const std::string run = MakeRun("r");
  const std::string model = MakeModel("m");
  const Points metrics = {{"loss", {{10, 1, 0.5}}}};
  ASSERT_TRUE(Log(run, {}, {{"lr", "0.1"}}, {},
                  {ModelMetric(model, 0.5)}).ok());
  EXPECT_EQ(CodeOf(Log(run, metrics, {{"a", "1"}, {"lr", "0.2"}},
                       {{"k", "v"}})),
            v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(CodeOf(Log(run, metrics, {{"a", "1"}, {"a", "2"}})),
            v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(CodeOf(Log(run, metrics, {}, {{"k", "v"}},
                       {ModelMetric(model, 0.25)})),
            v1::BAD_REQUEST);
  EXPECT_EQ(CodeOf(Log(run, metrics, {}, {{"k", "v"}},
                       {ModelMetric("m-none", 0.25)})),
            v1::BAD_REQUEST);
  EXPECT_THAT(Latest(run), IsEmpty());
  EXPECT_THAT(Params(run), ElementsAre("lr=0.1"));
  EXPECT_THAT(Tags(run), IsEmpty());
  EXPECT_EQ(HistorySize(run, "loss"), 0u);
}

TEST_P(RunLogConformance, ARunThatIsNotActiveIsNotWritten) {
  const std::string run = MakeRun("r");
  const Points metrics = {{"loss", {{10, 1, 0.5}}}};
  EXPECT_EQ(CodeOf(Log("none", metrics)), v1::RESOURCE_DOES_NOT_EXIST);
  EXPECT_EQ(CodeOf(Log("none", {}, {{"a", "1"}})),
            v1::RESOURCE_DOES_NOT_EXIST);
  ASSERT_TRUE(harness_->tracking().DeleteRun(run, 7).ok());
  EXPECT_EQ(CodeOf(Log(run, metrics)), v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(CodeOf(Log(run, {}, {}, {{"a", "1"}})),
            v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(CodeOf(harness_->log().LastFrame(run, "w").status()),
            v1::INVALID_PARAMETER_VALUE);
  ASSERT_TRUE(harness_->tracking().RestoreRun(run).ok());
  EXPECT_TRUE(Log(run, metrics).ok());
}

TEST_P(RunLogConformance, ParamsMayBeRepeatedAndOfTagsTheLastStays) {
  const std::string run = MakeRun("r");
  const absl::Status status =
      Log(run, {}, {{"a", "1"}, {"b", "2"}, {"a", "1"}},
          {{"t", "1"}, {"u", "1"}, {"t", "2"}, {"mlflow.runName", "named"}});
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(Params(run), ElementsAre("a=1", "b=2"));
  EXPECT_THAT(Tags(run), ElementsAre("mlflow.runName=named", "t=2", "u=1"));
  v1::RunInfo info;
  ASSERT_TRUE(harness_->tracking().GetRunInfo(run, &info).ok());
  EXPECT_EQ(info.run_name(), "named");
}

TEST_P(RunLogConformance, LatestIsLastInStepOrderWhateverComesLast) {
  const std::string run = MakeRun("r");
  for (const MetricPoint& point : std::vector<MetricPoint>{
           {10, 5, 1}, {99, 4, 2}, {10, 5, 3}, {10, 5, 2}, {9, 5, 9}}) {
    ASSERT_TRUE(Log(run, {{"m", {point}}}).ok());
  }
  EXPECT_THAT(Latest(run), ElementsAre("m=3@5"));
  ASSERT_TRUE(Log(run, {{"m", {{11, 5, NAN}}}}).ok());
  EXPECT_THAT(Latest(run), ElementsAre("m=nan@5"));
  ASSERT_TRUE(Log(run, {{"m", {{11, 5, -1}, {11, 5, 1}}}}).ok());
  EXPECT_THAT(Latest(run), ElementsAre("m=1@5"));
}

TEST_P(RunLogConformance, FramesAreKeptWithTheirPoints) {
  const std::string run = MakeRun("r");
  EXPECT_EQ(harness_->log().LastFrame(run, "w").value(), 0u);
  const MetricPoint point{1, 1, 1};
  const SeriesAppend series{"m", {&point, 1}};
  for (uint64_t number : {1, 4}) {
    const absl::Status status = harness_->log().Log(
        {.run_id = run, .metrics = {&series, 1}, .frame = {"w", number}});
    ASSERT_TRUE(status.ok()) << status;
  }
  harness_->Reopen();
  EXPECT_EQ(harness_->log().LastFrame(run, "w").value(), 4u);
  EXPECT_EQ(harness_->log().LastFrame(run, "W").value(), 0u);
  EXPECT_EQ(HistorySize(run, "m"), 1u);
  EXPECT_EQ(CodeOf(harness_->log().LastFrame("none", "w").status()),
            v1::RESOURCE_DOES_NOT_EXIST);
}

TEST_P(RunLogConformance, ManyPointsAndKeysInOneBatch) {
  const std::string run = MakeRun("r");
  Points metrics;
  for (int i = 0; i < 700; ++i) {
    metrics[StrCat("m", i)] = {{1, i, double(i)}};
  }
  for (int i = 0; i < 333; ++i) metrics["long"].push_back({i, i, double(i)});
  Pairs params;
  for (int i = 0; i < 100; ++i) params.emplace_back(StrCat("p", i), "1");
  const absl::Status status = Log(run, metrics, params);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Latest(run).size(), 701u);
  EXPECT_EQ(HistorySize(run, "long"), 333u);
  EXPECT_EQ(Params(run).size(), 100u);
}

TEST_P(RunLogConformance, WritersAtOnceKeepWhatEachWasTold) {
  constexpr int kThreads = 8;
  constexpr int kBatches = 10;
  const std::string shared = MakeRun("shared");
  std::vector<std::string> own;
  for (int t = 0; t < kThreads; ++t) own.push_back(MakeRun(StrCat("own", t)));
  const std::vector<absl::Status> told =
      InParallel(kThreads, [&](int t) -> absl::Status {
        for (int i = 0; i < kBatches; ++i) {
          const double value = t * 1000 + i;
          absl::Status status =
              Log(shared,
                  {{"m", {{i, i, value}}}, {StrCat("k", t), {{1, i, 1}}}},
                  {{"same", "1"}}, {{"t", StrCat(t)}});
          if (!status.ok()) return status;
          status = Log(own[t], {{"m", {{i, i, value}}}});
          if (!status.ok()) return status;
          // One that is refused beside others that are not.
          if (CodeOf(Log(shared, {{"bad", {{i, i, value}}}},
                         {{"same", "2"}})) != v1::INVALID_PARAMETER_VALUE) {
            return absl::InternalError("another value was taken");
          }
        }
        return absl::OkStatus();
      });
  for (const absl::Status& status : told) EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(HistorySize(shared, "m"), size_t{kThreads * kBatches});
  EXPECT_EQ(HistorySize(shared, "bad"), 0u);
  EXPECT_THAT(Params(shared), ElementsAre("same=1"));
  const std::vector<std::string> latest = Latest(shared);
  ASSERT_EQ(latest.size(), size_t{kThreads + 1});
  EXPECT_EQ(latest.back(),
            StrCat("m=", (kThreads - 1) * 1000 + kBatches - 1, "@",
                   kBatches - 1));
  for (const std::string& run : own) {
    EXPECT_EQ(HistorySize(run, "m"), size_t{kBatches});
  }
}

}  // namespace

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RunLogConformance);

}  // namespace millstream::storage
