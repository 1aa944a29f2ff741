#include "base/str_cat.h"
#include "storage/conformance/registry_store_conformance.h"
#include "storage/search/search.h"

namespace millstream::storage {

v1::RegisteredModel RegistryFixture::MakeModel(
    std::string_view name, int64_t now_ms,
    std::vector<std::pair<std::string, std::string>> tags) {
  v1::RegisteredModel model, created;
  model.set_name(std::string(name));
  model.set_creation_timestamp(now_ms);
  for (const auto& [key, value] : tags) {
    v1::RegisteredModelTag* tag = model.add_tags();
    tag->set_key(key);
    tag->set_value(value);
  }
  const absl::Status status =
      registry().CreateRegisteredModel(model, &created);
  EXPECT_TRUE(status.ok()) << status;
  return created;
}

v1::ModelVersion RegistryFixture::MakeVersion(
    std::string_view name, int64_t now_ms,
    std::vector<std::pair<std::string, std::string>> tags) {
  v1::ModelVersion version, created;
  version.set_name(std::string(name));
  version.set_source("s3://bucket/model");
  version.set_creation_timestamp(now_ms);
  for (const auto& [key, value] : tags) {
    v1::ModelVersionTag* tag = version.add_tags();
    tag->set_key(key);
    tag->set_value(value);
  }
  const absl::Status status = registry().CreateModelVersion(
      version, "s3://bucket/model", &created);
  EXPECT_TRUE(status.ok()) << status;
  return created;
}

std::string RegistryFixture::MakeExperiment(std::string_view name) {
  v1::Experiment experiment;
  experiment.set_name(std::string(name));
  experiment.set_creation_time(1000);
  absl::StatusOr<std::string> id = tracking().CreateExperiment(experiment);
  EXPECT_TRUE(id.ok()) << id.status();
  return id.value_or("");
}

std::string RegistryFixture::MakeLoggedModel(std::string_view experiment_id,
                                             std::string_view name,
                                             int64_t now_ms) {
  v1::LoggedModel model, created;
  std::string digits(name);
  digits.resize(32, 'x');
  model.mutable_info()->set_model_id(StrCat("m-", digits));
  model.mutable_info()->set_experiment_id(std::string(experiment_id));
  model.mutable_info()->set_name(std::string(name));
  model.mutable_info()->set_status(v1::LOGGED_MODEL_PENDING);
  model.mutable_info()->set_creation_timestamp_ms(now_ms);
  const absl::Status status = tracking().CreateLoggedModel(model, &created);
  EXPECT_TRUE(status.ok()) << status;
  return model.info().model_id();
}

v1::RegisteredModel RegistryFixture::GetModel(std::string_view name) {
  v1::RegisteredModel model;
  const absl::Status status = registry().GetRegisteredModel(name, &model);
  EXPECT_TRUE(status.ok()) << status;
  return model;
}

v1::ModelVersion RegistryFixture::GetVersion(std::string_view name,
                                             int64_t version) {
  v1::ModelVersion found;
  const absl::Status status = registry().GetModelVersion(name, version, &found);
  EXPECT_TRUE(status.ok()) << status;
  return found;
}

v1::LoggedModel RegistryFixture::GetLoggedModel(std::string_view model_id) {
  v1::LoggedModel model;
  const absl::Status status =
      tracking().GetLoggedModel(model_id, /*allow_deleted=*/false, &model);
  EXPECT_TRUE(status.ok()) << status;
  return model;
}

std::vector<std::string> RegistryFixture::SearchModels(
    std::string_view filter, std::vector<std::string_view> order_by) {
  search::RegisteredModelSearch request;
  request.filter = filter;
  request.order_by = std::move(order_by);
  request.max_results = 100;
  v1::SearchRegisteredModelsResponse response;
  const absl::Status status =
      registry().SearchRegisteredModels(request, &response);
  EXPECT_TRUE(status.ok()) << status;
  std::vector<std::string> names;
  for (const v1::RegisteredModel& model : response.registered_models()) {
    names.push_back(model.name());
  }
  return names;
}

std::vector<std::string> RegistryFixture::SearchVersions(
    std::string_view filter, std::vector<std::string_view> order_by) {
  search::ModelVersionSearch request;
  request.filter = filter;
  request.order_by = std::move(order_by);
  request.max_results = 100;
  v1::SearchModelVersionsResponse response;
  const absl::Status status =
      registry().SearchModelVersions(request, &response);
  EXPECT_TRUE(status.ok()) << status;
  std::vector<std::string> names;
  for (const v1::ModelVersion& version : response.model_versions()) {
    names.push_back(StrCat(version.name(), "/", version.version()));
  }
  return names;
}

}  // namespace millstream::storage
