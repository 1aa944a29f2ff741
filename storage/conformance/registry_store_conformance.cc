// Registered models and versions; logged models are in
// logged_model_conformance.cc.
#include "storage/conformance/registry_store_conformance.h"

#include <algorithm>
#include <set>

#include "base/str_cat.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "storage/conformance/in_parallel.h"
#include "storage/search/search.h"

namespace millstream::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// "stage/version" of the newest versions.
std::vector<std::string> Latest(const v1::RegisteredModel& model) {
  std::vector<std::string> latest;
  for (const v1::ModelVersion& version : model.latest_versions()) {
    latest.push_back(StrCat(version.current_stage(), "/", version.version()));
  }
  return latest;
}

template <typename Entity>
std::vector<std::string> Tags(const Entity& entity) {
  std::vector<std::string> tags;
  for (const auto& tag : entity.tags()) {
    tags.push_back(StrCat(tag.key(), "=", tag.value()));
  }
  return tags;
}

std::vector<std::string> Aliases(const v1::ModelVersion& version) {
  return {version.aliases().begin(), version.aliases().end()};
}

TEST_P(RegistryStoreConformance, ModelIsReadAsItWasMade) {
  v1::RegisteredModel model, created;
  model.set_name(" ünïcödé 100% 'quote\" ");
  model.set_description("a model");
  model.set_creation_timestamp(1234);
  for (const char* value : {"old", "new"}) {
    v1::RegisteredModelTag* tag = model.add_tags();
    tag->set_key("k");
    tag->set_value(value);
  }
  ASSERT_TRUE(registry().CreateRegisteredModel(model, &created).ok());
  EXPECT_EQ(created.last_updated_timestamp(), 1234);
  EXPECT_THAT(Tags(created), ElementsAre("k=new"));
  EXPECT_EQ(GetModel(model.name()).SerializeAsString(),
            created.SerializeAsString());
  harness_->Reopen();
  EXPECT_EQ(GetModel(model.name()).SerializeAsString(),
            created.SerializeAsString());
}

TEST_P(RegistryStoreConformance, EmptyDescriptionOfAModelIsNone) {
  MakeModel("m");
  EXPECT_FALSE(GetModel("m").has_description());
}

TEST_P(RegistryStoreConformance, OneOfManyCreatesOfANameWins) {
  const std::vector<absl::Status> results = InParallel(100, [&](int i) {
    v1::RegisteredModel model, created;
    model.set_name("m");
    model.set_description(StrCat("from ", i));
    return registry().CreateRegisteredModel(model, &created);
  });
  int winner = -1;
  for (int i = 0; i < 100; ++i) {
    if (results[i].ok()) {
      EXPECT_EQ(winner, -1);
      winner = i;
    } else {
      EXPECT_EQ(CodeOf(results[i]), v1::RESOURCE_ALREADY_EXISTS);
    }
  }
  EXPECT_EQ(GetModel("m").description(), StrCat("from ", winner));
}

TEST_P(RegistryStoreConformance, TakenNameTellsWhatHasIt) {
  MakeModel("p", 1000, {{"mlflow.prompt.is_prompt", "true"}});
  v1::RegisteredModel model, created;
  model.set_name("p");
  const absl::Status status = registry().CreateRegisteredModel(model, &created);
  EXPECT_EQ(CodeOf(status), v1::RESOURCE_ALREADY_EXISTS);
  EXPECT_THAT(std::string(status.message()), HasSubstr("prompt"));
}

TEST_P(RegistryStoreConformance, MissingModelsAreNotFound) {
  v1::RegisteredModel model;
  v1::ModelVersion version;
  google::protobuf::RepeatedPtrField<v1::ModelVersion> versions;
  RegistryStore& store = registry();
  for (const absl::Status& status : {
           store.GetRegisteredModel("m", &model),
           store.UpdateRegisteredModel("m", "d", 1, &model),
           store.RenameRegisteredModel("m", "n", 1, &model),
           store.DeleteRegisteredModel("m"),
           store.SetRegisteredModelTag("m", "k", "v"),
           store.DeleteRegisteredModelTag("m", "k"),
           store.GetLatestVersions("m", {}, &versions),
           store.DeleteRegisteredModelAlias("m", "a"),
           store.GetModelVersionByAlias("m", "a", &version),
       }) {
    EXPECT_EQ(CodeOf(status), v1::RESOURCE_DOES_NOT_EXIST) << status;
  }
  version.set_name("m");
  EXPECT_EQ(CodeOf(store.CreateModelVersion(version, "s", &version)),
            v1::RESOURCE_DOES_NOT_EXIST);
}

TEST_P(RegistryStoreConformance, MissingVersionsAreNotFound) {
  MakeModel("m");
  MakeVersion("m");
  ASSERT_TRUE(registry().DeleteModelVersion("m", 1, 3000).ok());
  v1::ModelVersion found;
  RegistryStore& store = registry();
  for (int64_t version : {int64_t{-1}, int64_t{0}, int64_t{1}, int64_t{2},
                          INT64_MAX, INT64_MIN}) {
    for (const absl::Status& status : {
             store.GetModelVersion("m", version, &found),
             store.GetModelVersionDownloadUri("m", version).status(),
             store.UpdateModelVersion("m", version, "d", 1, &found),
             store.TransitionModelVersionStage("m", version, "Staging", true, 1,
                                               &found),
             store.DeleteModelVersion("m", version, 1),
             store.SetModelVersionTag("m", version, "k", "v"),
             store.DeleteModelVersionTag("m", version, "k"),
             store.SetRegisteredModelAlias("m", "a", version),
         }) {
      EXPECT_EQ(CodeOf(status), v1::RESOURCE_DOES_NOT_EXIST) << status;
    }
  }
}

TEST_P(RegistryStoreConformance, UpdateChangesDescriptionAndTime) {
  MakeModel("m");
  v1::RegisteredModel model;
  ASSERT_TRUE(registry().UpdateRegisteredModel("m", "new", 5000, &model).ok());
  EXPECT_EQ(model.description(), "new");
  EXPECT_EQ(model.creation_timestamp(), 1000);
  EXPECT_EQ(model.last_updated_timestamp(), 5000);
  EXPECT_EQ(GetModel("m").SerializeAsString(), model.SerializeAsString());
}

TEST_P(RegistryStoreConformance, RenameTakesAllAlong) {
  MakeModel("one", 1000, {{"a", "1"}});
  MakeVersion("one", 2000, {{"b", "2"}});
  ASSERT_TRUE(registry().SetRegisteredModelAlias("one", "best", 1).ok());
  v1::RegisteredModel model;
  ASSERT_TRUE(
      registry().RenameRegisteredModel("one", "two", 5000, &model).ok());
  EXPECT_EQ(model.name(), "two");
  EXPECT_EQ(model.last_updated_timestamp(), 5000);
  EXPECT_THAT(Tags(model), ElementsAre("a=1"));
  ASSERT_EQ(model.aliases_size(), 1);
  const v1::ModelVersion version = GetVersion("two", 1);
  EXPECT_EQ(version.last_updated_timestamp(), 5000);
  EXPECT_THAT(Tags(version), ElementsAre("b=2"));
  EXPECT_THAT(Aliases(version), ElementsAre("best"));
  EXPECT_EQ(CodeOf(registry().GetRegisteredModel("one", &model)),
            v1::RESOURCE_DOES_NOT_EXIST);
}

TEST_P(RegistryStoreConformance, RenameToATakenNameChangesNothing) {
  MakeModel("one");
  MakeVersion("one");
  MakeModel("two");
  const std::string before = GetModel("one").SerializeAsString();
  v1::RegisteredModel model;
  EXPECT_EQ(CodeOf(registry().RenameRegisteredModel("one", "two", 5, &model)),
            v1::RESOURCE_ALREADY_EXISTS);
  EXPECT_EQ(GetModel("one").SerializeAsString(), before);
  EXPECT_TRUE(registry().RenameRegisteredModel("one", "one", 5, &model).ok());
}

TEST_P(RegistryStoreConformance, DeletedNameIsFreeAgain) {
  MakeModel("m", 1000, {{"a", "1"}});
  MakeVersion("m", 2000, {{"b", "2"}});
  ASSERT_TRUE(registry().SetRegisteredModelAlias("m", "best", 1).ok());
  ASSERT_TRUE(registry().DeleteRegisteredModel("m").ok());
  v1::ModelVersion version;
  EXPECT_EQ(CodeOf(registry().GetModelVersion("m", 1, &version)),
            v1::RESOURCE_DOES_NOT_EXIST);
  MakeModel("m");
  EXPECT_THAT(Tags(GetModel("m")), IsEmpty());
  EXPECT_EQ(MakeVersion("m").version(), "1");
  EXPECT_THAT(Tags(GetVersion("m", 1)), IsEmpty());
  EXPECT_THAT(Aliases(GetVersion("m", 1)), IsEmpty());
}

TEST_P(RegistryStoreConformance, ModelTagsAreSetAndDeleted) {
  MakeModel("m");
  RegistryStore& store = registry();
  ASSERT_TRUE(store.SetRegisteredModelTag("m", "a", "1").ok());
  ASSERT_TRUE(store.SetRegisteredModelTag("m", "a", "2").ok());
  ASSERT_TRUE(store.SetRegisteredModelTag("m", "empty", "").ok());
  EXPECT_THAT(Tags(GetModel("m")), ElementsAre("a=2", "empty="));
  ASSERT_TRUE(store.DeleteRegisteredModelTag("m", "a").ok());
  ASSERT_TRUE(store.DeleteRegisteredModelTag("m", "a").ok());
  EXPECT_THAT(Tags(GetModel("m")), ElementsAre("empty="));
}

TEST_P(RegistryStoreConformance, VersionIsReadAsItWasMade) {
  MakeModel("m");
  v1::ModelVersion version, created;
  version.set_name("m");
  version.set_source("runs:/r/model");
  version.set_run_id("r");
  version.set_run_link("http://x");
  version.set_description("first");
  version.set_creation_timestamp(2000);
  ASSERT_TRUE(
      registry().CreateModelVersion(version, "s3://files", &created).ok());
  EXPECT_EQ(created.version(), "1");
  EXPECT_EQ(created.current_stage(), "None");
  EXPECT_EQ(created.status(), v1::READY);
  EXPECT_EQ(created.source(), "runs:/r/model");
  EXPECT_EQ(created.run_id(), "r");
  EXPECT_EQ(created.run_link(), "http://x");
  EXPECT_EQ(created.last_updated_timestamp(), 2000);
  EXPECT_FALSE(created.has_user_id());
  EXPECT_EQ(GetVersion("m", 1).SerializeAsString(),
            created.SerializeAsString());
  EXPECT_EQ(GetModel("m").last_updated_timestamp(), 2000);
  absl::StatusOr<std::string> uri =
      registry().GetModelVersionDownloadUri("m", 1);
  ASSERT_TRUE(uri.ok());
  EXPECT_EQ(*uri, "s3://files");
}

TEST_P(RegistryStoreConformance, VersionNumbersAreNotUsedAgain) {
  MakeModel("m");
  for (int i = 0; i < 3; ++i) MakeVersion("m");
  ASSERT_TRUE(registry().DeleteModelVersion("m", 3, 4000).ok());
  EXPECT_EQ(GetModel("m").last_updated_timestamp(), 4000);
  EXPECT_EQ(MakeVersion("m").version(), "4");
}

TEST_P(RegistryStoreConformance, ParallelVersionsGetNumbersOfTheirOwn) {
  MakeModel("m");
  std::vector<std::string> versions(50);
  const std::vector<absl::Status> results = InParallel(50, [&](int i) {
    v1::ModelVersion version, created;
    version.set_name("m");
    absl::Status status =
        registry().CreateModelVersion(version, "s", &created);
    versions[i] = created.version();
    return status;
  });
  for (const absl::Status& status : results) EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(std::set<std::string>(versions.begin(), versions.end()).size(),
            50u);
}

TEST_P(RegistryStoreConformance, DescriptionOfAVersionCanBeTakenAway) {
  MakeModel("m");
  MakeVersion("m");
  v1::ModelVersion version;
  ASSERT_TRUE(registry().UpdateModelVersion("m", 1, "d", 5000, &version).ok());
  EXPECT_EQ(version.description(), "d");
  EXPECT_EQ(version.last_updated_timestamp(), 5000);
  EXPECT_EQ(GetModel("m").last_updated_timestamp(), 2000);
  ASSERT_TRUE(
      registry().UpdateModelVersion("m", 1, std::nullopt, 5000, &version).ok());
  EXPECT_FALSE(version.has_description());
}

TEST_P(RegistryStoreConformance, ArchivingMovesTheOthersOfTheStage) {
  MakeModel("m");
  for (int i = 0; i < 3; ++i) MakeVersion("m");
  v1::ModelVersion version;
  auto move = [&](int64_t number, std::string_view stage, bool archive,
                  int64_t now_ms) {
    ASSERT_TRUE(registry()
                    .TransitionModelVersionStage("m", number, stage, archive,
                                                 now_ms, &version)
                    .ok());
  };
  move(1, "Production", false, 3000);
  move(2, "Staging", false, 4000);
  move(3, "Production", true, 5000);
  EXPECT_EQ(version.current_stage(), "Production");
  EXPECT_EQ(version.last_updated_timestamp(), 5000);
  EXPECT_EQ(GetVersion("m", 1).current_stage(), "Archived");
  EXPECT_EQ(GetVersion("m", 1).last_updated_timestamp(), 5000);
  EXPECT_EQ(GetVersion("m", 2).current_stage(), "Staging");
  EXPECT_EQ(GetModel("m").last_updated_timestamp(), 5000);
  move(3, "Production", true, 6000);
  EXPECT_EQ(GetVersion("m", 3).current_stage(), "Production");
}

TEST_P(RegistryStoreConformance, LatestVersionsAreByStage) {
  MakeModel("m");
  v1::ModelVersion moved;
  for (const char* stage :
       {"Staging", "None", "Production", "Archived", "Staging", "None"}) {
    int64_t number = std::stoi(MakeVersion("m").version());
    ASSERT_TRUE(registry()
                    .TransitionModelVersionStage("m", number, stage, false, 1,
                                                 &moved)
                    .ok());
  }
  EXPECT_THAT(Latest(GetModel("m")), ElementsAre("Staging/5", "None/6",
                                                 "Production/3", "Archived/4"));
  search::RegisteredModelSearch request;
  request.max_results = 1;
  v1::SearchRegisteredModelsResponse page;
  ASSERT_TRUE(registry().SearchRegisteredModels(request, &page).ok());
  EXPECT_THAT(
      Latest(page.registered_models(0)),
      ElementsAre("Archived/4", "None/6", "Production/3", "Staging/5"));

  ASSERT_TRUE(registry().SetRegisteredModelAlias("m", "best", 5).ok());
  google::protobuf::RepeatedPtrField<v1::ModelVersion> versions;
  ASSERT_TRUE(
      registry().GetLatestVersions("m", {"None", "Staging"}, &versions).ok());
  ASSERT_EQ(versions.size(), 2);
  EXPECT_EQ(versions[0].version(), "5");
  EXPECT_THAT(Aliases(versions[0]), ElementsAre("best"));
  EXPECT_EQ(versions[1].version(), "6");

  // A stage that only deleted versions have is gone.
  ASSERT_TRUE(registry().DeleteModelVersion("m", 3, 1).ok());
  EXPECT_THAT(Latest(GetModel("m")),
              ElementsAre("Staging/5", "None/6", "Archived/4"));
}

TEST_P(RegistryStoreConformance, AliasesNameOneVersion) {
  MakeModel("m");
  MakeVersion("m");
  MakeVersion("m");
  RegistryStore& store = registry();
  ASSERT_TRUE(store.SetRegisteredModelAlias("m", "best", 1).ok());
  ASSERT_TRUE(store.SetRegisteredModelAlias("m", "best", 2).ok());
  ASSERT_TRUE(store.SetRegisteredModelAlias("m", "CASE", 1).ok());
  v1::ModelVersion version;
  ASSERT_TRUE(store.GetModelVersionByAlias("m", "best", &version).ok());
  EXPECT_EQ(version.version(), "2");
  EXPECT_THAT(Aliases(version), ElementsAre("best"));
  EXPECT_EQ(CodeOf(store.GetModelVersionByAlias("m", "case", &version)),
            v1::INVALID_PARAMETER_VALUE);
  ASSERT_TRUE(store.DeleteRegisteredModelAlias("m", "best").ok());
  ASSERT_TRUE(store.DeleteRegisteredModelAlias("m", "best").ok());
  ASSERT_TRUE(store.DeleteModelVersion("m", 1, 1).ok());
  EXPECT_EQ(GetModel("m").aliases_size(), 0);
}

TEST_P(RegistryStoreConformance, VersionTagsAreSetAndDeleted) {
  MakeModel("m");
  MakeVersion("m", 2000, {{"a", "0"}, {"a", "1"}});
  MakeVersion("m", 2000, {{"a", "other"}});
  EXPECT_THAT(Tags(GetVersion("m", 1)), ElementsAre("a=1"));
  RegistryStore& store = registry();
  ASSERT_TRUE(store.SetModelVersionTag("m", 1, "a", "2").ok());
  ASSERT_TRUE(store.SetModelVersionTag("m", 1, "b", "").ok());
  EXPECT_THAT(Tags(GetVersion("m", 1)), ElementsAre("a=2", "b="));
  ASSERT_TRUE(store.DeleteModelVersionTag("m", 1, "a").ok());
  ASSERT_TRUE(store.DeleteModelVersionTag("m", 1, "a").ok());
  EXPECT_THAT(Tags(GetVersion("m", 1)), ElementsAre("b="));
  EXPECT_THAT(Tags(GetVersion("m", 2)), ElementsAre("a=other"));
}

TEST_P(RegistryStoreConformance, SearchesModelsByNameAndTag) {
  for (int i = 0; i < 4; ++i) {
    MakeModel(StrCat("m", i), 1000 + i, {{"odd", i % 2 ? "1" : "0"}});
  }
  EXPECT_THAT(SearchModels(""), ElementsAre("m0", "m1", "m2", "m3"));
  EXPECT_THAT(SearchModels("name = 'm1'"), ElementsAre("m1"));
  EXPECT_THAT(SearchModels("name LIKE 'm%' AND tags.odd = '1'"),
              ElementsAre("m1", "m3"));
  EXPECT_THAT(SearchModels("", {"last_updated_timestamp DESC"}),
              ElementsAre("m3", "m2", "m1", "m0"));
}

TEST_P(RegistryStoreConformance, PromptsAreFoundOnlyWhenAskedFor) {
  const std::vector<std::pair<std::string, std::string>> prompt = {
      {"mlflow.prompt.is_prompt", "true"}};
  MakeModel("m");
  MakeVersion("m");
  MakeModel("p", 1000, prompt);
  MakeVersion("p", 2000, prompt);
  EXPECT_THAT(SearchModels(""), ElementsAre("m"));
  EXPECT_THAT(SearchVersions(""), ElementsAre("m/1"));
  const char* filter = "tags.`mlflow.prompt.is_prompt` = 'true'";
  EXPECT_THAT(SearchModels(filter), ElementsAre("p"));
  EXPECT_THAT(SearchVersions(filter), ElementsAre("p/1"));
}

TEST_P(RegistryStoreConformance, SearchesVersionsWithoutDeletedOnes) {
  MakeModel("m");
  for (int i = 0; i < 3; ++i) MakeVersion("m", 2000 + i);
  ASSERT_TRUE(registry().DeleteModelVersion("m", 2, 9000).ok());
  EXPECT_THAT(SearchVersions("name = 'm'"), ElementsAre("m/3", "m/1"));
  EXPECT_THAT(SearchVersions("version_number > 1", {"version_number ASC"}),
              ElementsAre("m/3"));
}

TEST_P(RegistryStoreConformance, PagesFollowOneAnother) {
  for (int i = 0; i < 5; ++i) {
    const std::string name = StrCat("m", i);
    MakeModel(name);
    MakeVersion(name, 2000, {{"n", name}});
  }
  search::ModelVersionSearch request;
  request.max_results = 2;
  std::vector<std::string> seen;
  std::string token;
  do {
    request.page_token = token;
    v1::SearchModelVersionsResponse page;
    ASSERT_TRUE(registry().SearchModelVersions(request, &page).ok());
    ASSERT_LE(page.model_versions_size(), 2);
    for (const v1::ModelVersion& version : page.model_versions()) {
      EXPECT_THAT(Tags(version), ElementsAre(StrCat("n=", version.name())));
      seen.push_back(version.name());
    }
    token = page.next_page_token();
  } while (!token.empty());
  EXPECT_THAT(seen, ElementsAre("m0", "m1", "m2", "m3", "m4"));
  request.page_token = "bogus";
  v1::SearchModelVersionsResponse page;
  EXPECT_EQ(CodeOf(registry().SearchModelVersions(request, &page)),
            v1::INVALID_PARAMETER_VALUE);
}

TEST_P(RegistryStoreConformance, PagesOfFewerThanNoneLeadToTheFirst) {
  MakeModel("m");
  search::RegisteredModelSearch request;
  request.max_results = -1;
  v1::SearchRegisteredModelsResponse page;
  ASSERT_TRUE(registry().SearchRegisteredModels(request, &page).ok());
  EXPECT_EQ(page.registered_models_size(), 0);
  const std::string token = page.next_page_token();
  request.max_results = 5;
  request.page_token = token;
  ASSERT_TRUE(registry().SearchRegisteredModels(request, &page).ok());
  EXPECT_EQ(page.registered_models_size(), 1);
}

TEST_P(RegistryStoreConformance, PagesTakeAConstantNumberOfStatements) {
  auto statements = [&](int64_t max_results) {
    search::RegisteredModelSearch models;
    models.max_results = max_results;
    v1::SearchRegisteredModelsResponse model_page;
    search::ModelVersionSearch versions;
    versions.max_results = max_results;
    v1::SearchModelVersionsResponse version_page;
    harness_->TakeStatements();
    EXPECT_TRUE(registry().SearchRegisteredModels(models, &model_page).ok());
    EXPECT_TRUE(registry().SearchModelVersions(versions, &version_page).ok());
    EXPECT_EQ(model_page.registered_models_size(), max_results);
    EXPECT_EQ(version_page.model_versions_size(), max_results);
    return harness_->TakeStatements();
  };
  for (int i = 0; i < 40; ++i) {
    const std::string name = StrCat("m", i);
    MakeModel(name, 1000, {{"a", "1"}});
    MakeVersion(name, 2000, {{"b", "2"}});
  }
  EXPECT_EQ(statements(40), statements(2));
}

TEST_P(RegistryStoreConformance, VersionsRegisterTheirLoggedModel) {
  const std::string id = MakeLoggedModel(MakeExperiment("e"), "net");
  MakeModel("m");
  v1::ModelVersion version, created;
  version.set_name("m");
  version.set_model_id(id);
  ASSERT_TRUE(registry().CreateModelVersion(version, "s", &created).ok());
  ASSERT_TRUE(registry().CreateModelVersion(version, "s", &created).ok());
  EXPECT_THAT(
      Tags(GetLoggedModel(id).info()),
      ElementsAre("mlflow.modelVersions=[{\"name\": \"m\", \"version\": 1}, "
                  "{\"name\": \"m\", \"version\": 2}]"));

  version.set_model_id("m-none");
  EXPECT_EQ(CodeOf(registry().CreateModelVersion(version, "s", &created)),
            v1::RESOURCE_DOES_NOT_EXIST);
  EXPECT_EQ(GetModel("m").latest_versions(0).version(), "2");
}

}  // namespace
}  // namespace millstream::storage
