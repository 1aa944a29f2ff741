// The fixture, and experiments; runs are in tracking_store_conformance_runs.cc.
#include "storage/conformance/tracking_store_conformance.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/str_cat.h"
#include "storage/conformance/in_parallel.h"
#include "storage/search/search.h"

namespace millstream::storage {

std::string TrackingStoreConformance::MakeExperiment(std::string_view name) {
  v1::Experiment experiment;
  experiment.set_name(std::string(name));
  experiment.set_creation_time(1000);
  absl::StatusOr<std::string> id = store_->CreateExperiment(experiment);
  EXPECT_TRUE(id.ok()) << id.status();
  return id.value_or("");
}

v1::Experiment TrackingStoreConformance::GetExperiment(std::string_view id) {
  v1::Experiment experiment;
  const absl::Status status = store_->GetExperiment(id, &experiment);
  EXPECT_TRUE(status.ok()) << status;
  return experiment;
}

std::string TrackingStoreConformance::MakeRun(std::string_view experiment_id,
                                              std::string_view name,
                                              int64_t start_time) {
  v1::RunInfo info;
  std::string id(name);
  id.resize(32, '0');
  info.set_run_id(id);
  info.set_experiment_id(std::string(experiment_id));
  info.set_run_name(std::string(name));
  info.set_status(v1::RUNNING);
  info.set_start_time(start_time);
  v1::Run run;
  const absl::Status status = store_->CreateRun(info, {}, &run);
  EXPECT_TRUE(status.ok()) << status;
  return id;
}

v1::Run TrackingStoreConformance::GetRun(std::string_view run_id) {
  v1::Run run;
  const absl::Status status = store_->GetRun(run_id, &run);
  EXPECT_TRUE(status.ok()) << status;
  return run;
}

std::vector<std::string> TrackingStoreConformance::Search(
    std::string_view experiment_id, std::string_view filter,
    std::vector<std::string_view> order_by) {
  search::RunSearch request;
  request.experiment_ids = {experiment_id};
  request.filter = filter;
  request.order_by = std::move(order_by);
  request.max_results = 100;
  v1::SearchRunsResponse response;
  const absl::Status status = store_->SearchRuns(request, &response);
  EXPECT_TRUE(status.ok()) << status;
  std::vector<std::string> names;
  for (const v1::Run& run : response.runs()) {
    names.push_back(run.info().run_name());
  }
  return names;
}

namespace {

std::map<std::string, std::string> TagsOf(const v1::Experiment& experiment) {
  std::map<std::string, std::string> tags;
  for (const v1::ExperimentTag& tag : experiment.tags()) {
    tags[tag.key()] = tag.value();
  }
  return tags;
}

TEST_P(TrackingStoreConformance, BeginsWithTheDefaultExperiment) {
  const v1::Experiment experiment = GetExperiment("0");
  EXPECT_EQ(experiment.name(), "Default");
  EXPECT_EQ(experiment.artifact_location(), "root:/0");
  Reopen();
  EXPECT_EQ(GetExperiment("0").SerializeAsString(),
            experiment.SerializeAsString());
}

TEST_P(TrackingStoreConformance, KeepsAnExperimentAsItWasMade) {
  v1::Experiment made;
  made.set_name("quote'\" ünïcödé ☃ %_");
  made.set_creation_time(1234);
  v1::ExperimentTag* tag = made.add_tags();
  tag->set_key("team");
  tag->set_value("a");
  v1::ExperimentTag* empty = made.add_tags();
  empty->set_key("empty");
  empty->set_value("");
  const std::string id = *store_->CreateExperiment(made);
  Reopen();
  const v1::Experiment kept = GetExperiment(id);
  EXPECT_EQ(kept.experiment_id(), id);
  EXPECT_EQ(kept.name(), made.name());
  EXPECT_EQ(kept.artifact_location(), StrCat("root:/", id));
  EXPECT_EQ(kept.lifecycle_stage(), "active");
  EXPECT_EQ(kept.creation_time(), 1234);
  EXPECT_EQ(kept.last_update_time(), 1234);
  EXPECT_EQ(TagsOf(kept), (std::map<std::string, std::string>{
                              {"team", "a"}, {"empty", ""}}));
  v1::Experiment by_name;
  ASSERT_TRUE(store_->GetExperimentByName(made.name(), &by_name).ok());
  EXPECT_EQ(by_name.SerializeAsString(), kept.SerializeAsString());
}

TEST_P(TrackingStoreConformance, KeepsAnArtifactLocationAsGiven) {
  v1::Experiment made;
  made.set_name("elsewhere");
  made.set_artifact_location("s3://bucket/x?a=b");
  const std::string id = *store_->CreateExperiment(made);
  EXPECT_EQ(GetExperiment(id).artifact_location(), "s3://bucket/x?a=b");
  const std::string run = MakeRun(id, "run");
  EXPECT_EQ(GetRun(run).info().artifact_uri(),
            StrCat("s3://bucket/x/", run, "/artifacts?a=b"));
}

TEST_P(TrackingStoreConformance, DoesNotFindWhatIsNotThere) {
  v1::Experiment experiment;
  EXPECT_EQ(CodeOf(store_->GetExperiment("987654321", &experiment)),
            v1::RESOURCE_DOES_NOT_EXIST);
  EXPECT_EQ(CodeOf(store_->GetExperimentByName("nothing", &experiment)),
            v1::RESOURCE_DOES_NOT_EXIST);
  for (const char* id : {"abc", "", " ", "1 2", "1.0", "0x1", "1'",
                         "99999999999999999999"}) {
    EXPECT_EQ(CodeOf(store_->GetExperiment(id, &experiment)),
              v1::INVALID_PARAMETER_VALUE)
        << id;
  }
}

TEST_P(TrackingStoreConformance, GivesANameOnceEvenIfItsExperimentIsDeleted) {
  const std::string id = MakeExperiment("name");
  v1::Experiment again;
  again.set_name("name");
  EXPECT_EQ(CodeOf(store_->CreateExperiment(again).status()),
            v1::RESOURCE_ALREADY_EXISTS);
  ASSERT_TRUE(store_->DeleteExperiment(id, 1).ok());
  EXPECT_EQ(CodeOf(store_->CreateExperiment(again).status()),
            v1::RESOURCE_ALREADY_EXISTS);
  again.set_name("Name");
  EXPECT_TRUE(store_->CreateExperiment(again).ok());
}

TEST_P(TrackingStoreConformance, OfManyCreatorsOfANameOneWins) {
  std::vector<absl::Status> results = InParallel(100, [&](int) {
    v1::Experiment experiment;
    experiment.set_name("contended");
    return store_->CreateExperiment(experiment).status();
  });
  int created = 0;
  for (const absl::Status& status : results) {
    if (status.ok()) {
      ++created;
    } else {
      EXPECT_EQ(CodeOf(status), v1::RESOURCE_ALREADY_EXISTS) << status;
    }
  }
  EXPECT_EQ(created, 1);
}

TEST_P(TrackingStoreConformance, GivesEveryExperimentItsOwnId) {
  std::vector<std::string> ids(50);
  InParallel(50, [&](int i) {
    v1::Experiment experiment;
    experiment.set_name(StrCat("experiment ", i));
    absl::StatusOr<std::string> id = store_->CreateExperiment(experiment);
    if (id.ok()) ids[i] = *id;
    return id.status();
  });
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 50u);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(GetExperiment(ids[i]).name(), StrCat("experiment ", i));
  }
}

TEST_P(TrackingStoreConformance, RenamesAnActiveExperiment) {
  const std::string id = MakeExperiment("before");
  MakeExperiment("taken");
  ASSERT_TRUE(store_->RenameExperiment(id, "after", 5000).ok());
  EXPECT_EQ(GetExperiment(id).name(), "after");
  EXPECT_EQ(GetExperiment(id).last_update_time(), 5000);
  v1::Experiment none;
  EXPECT_EQ(CodeOf(store_->GetExperimentByName("before", &none)),
            v1::RESOURCE_DOES_NOT_EXIST);
  EXPECT_TRUE(store_->RenameExperiment(id, "after", 5001).ok());
  EXPECT_EQ(CodeOf(store_->RenameExperiment(id, "taken", 1)), v1::BAD_REQUEST);
  EXPECT_EQ(CodeOf(store_->RenameExperiment("987654321", "x", 1)),
            v1::RESOURCE_DOES_NOT_EXIST);
  ASSERT_TRUE(store_->DeleteExperiment(id, 1).ok());
  EXPECT_EQ(CodeOf(store_->RenameExperiment(id, "x", 1)), v1::INVALID_STATE);
}

TEST_P(TrackingStoreConformance, DeletesAndRestoresAnExperimentWithItsRuns) {
  const std::string id = MakeExperiment("experiment");
  const std::string run = MakeRun(id, "run");
  ASSERT_TRUE(store_->DeleteExperiment(id, 2000).ok());
  EXPECT_EQ(GetExperiment(id).lifecycle_stage(), "deleted");
  EXPECT_EQ(GetExperiment(id).last_update_time(), 2000);
  EXPECT_EQ(GetRun(run).info().lifecycle_stage(), "deleted");
  EXPECT_EQ(CodeOf(store_->DeleteExperiment(id, 3000)),
            v1::RESOURCE_DOES_NOT_EXIST);
  ASSERT_TRUE(store_->RestoreExperiment(id, 4000).ok());
  EXPECT_EQ(GetExperiment(id).lifecycle_stage(), "active");
  EXPECT_EQ(GetExperiment(id).last_update_time(), 4000);
  EXPECT_EQ(GetRun(run).info().lifecycle_stage(), "active");
  EXPECT_EQ(CodeOf(store_->RestoreExperiment(id, 5000)),
            v1::RESOURCE_DOES_NOT_EXIST);
  EXPECT_EQ(CodeOf(store_->DeleteExperiment("987654321", 1)),
            v1::RESOURCE_DOES_NOT_EXIST);
}

TEST_P(TrackingStoreConformance, SetsAndDeletesTagsOfAnExperiment) {
  const std::string id = MakeExperiment("experiment");
  ASSERT_TRUE(store_->SetExperimentTag(id, "a", "1").ok());
  ASSERT_TRUE(store_->SetExperimentTag(id, "a", "2").ok());
  ASSERT_TRUE(store_->SetExperimentTag(id, "b", "").ok());
  EXPECT_EQ(TagsOf(GetExperiment(id)),
            (std::map<std::string, std::string>{{"a", "2"}, {"b", ""}}));
  EXPECT_EQ(GetExperiment(id).last_update_time(), 1000);
  ASSERT_TRUE(store_->DeleteExperimentTag(id, "a").ok());
  EXPECT_EQ(CodeOf(store_->DeleteExperimentTag(id, "a")),
            v1::RESOURCE_DOES_NOT_EXIST);
  EXPECT_EQ(CodeOf(store_->SetExperimentTag("987654321", "a", "1")),
            v1::RESOURCE_DOES_NOT_EXIST);
  ASSERT_TRUE(store_->DeleteExperiment(id, 1).ok());
  EXPECT_EQ(CodeOf(store_->SetExperimentTag(id, "a", "1")),
            v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(CodeOf(store_->DeleteExperimentTag(id, "b")),
            v1::INVALID_PARAMETER_VALUE);
}

TEST_P(TrackingStoreConformance, SearchesExperimentsPageByPage) {
  for (int i = 0; i < 5; ++i) {
    const std::string id = MakeExperiment(StrCat("page ", i));
    ASSERT_TRUE(store_->SetExperimentTag(id, "i", StrCat(i)).ok());
  }
  search::ExperimentSearch request;
  request.filter = "name LIKE 'page%'";
  request.order_by = {"name"};
  request.max_results = 2;
  std::vector<std::string> seen;
  std::string token;
  do {
    request.page_token = token;
    v1::SearchExperimentsResponse response;
    ASSERT_TRUE(store_->SearchExperiments(request, &response).ok());
    EXPECT_LE(response.experiments_size(), 2);
    for (const v1::Experiment& experiment : response.experiments()) {
      seen.push_back(experiment.name());
      EXPECT_EQ(StrCat("page ", TagsOf(experiment)["i"]), experiment.name());
    }
    token = response.next_page_token();
  } while (!token.empty());
  EXPECT_EQ(seen, (std::vector<std::string>{"page 0", "page 1", "page 2",
                                            "page 3", "page 4"}));
  request.page_token = "tampered";
  v1::SearchExperimentsResponse response;
  EXPECT_EQ(CodeOf(store_->SearchExperiments(request, &response)),
            v1::INVALID_PARAMETER_VALUE);
}

}  // namespace
}  // namespace millstream::storage
