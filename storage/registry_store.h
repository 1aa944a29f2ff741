// The model registry: registered models, their versions, stages, aliases and
// tags. Prompts are registered models with the tag "mlflow.prompt.is_prompt".
//
// Entities of the API (entities.proto) are the row types: what a method reads
// it writes into the caller's message, which it was given empty or which it
// appends to.
//
// Values are valid: the services check names, lengths and characters before
// they call. What only the data can tell is checked here, in the transaction
// that writes: existence and uniqueness.
//
// Writes: OK means kept, as Database::Write (storage/sql/database.h) says; any
// other status, that nothing was changed. Statuses carry an ErrorCode
// (base/error.h) as listed per method; besides these any method may return a
// status without one, which is a fault of the database (callers see
// INTERNAL_ERROR).
//
// RESOURCE_DOES_NOT_EXIST, not listed below: the registered model or the
// version that a method is about is not there. A deleted version is not there.
// Of many callers that create one name, exactly one gets OK. Times are ms since
// the Unix epoch; a method that takes `now_ms` sets last_updated_timestamp of
// what it says it changes.
#ifndef MILLSTREAM_STORAGE_REGISTRY_STORE_H_
#define MILLSTREAM_STORAGE_REGISTRY_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "millstream/v1/entities.pb.h"
#include "millstream/v1/registry.pb.h"

namespace millstream::storage {

namespace search {
struct ModelVersionSearch;
struct RegisteredModelSearch;
}  // namespace search

// The tag that makes a registered model a prompt, and a logged model's tag
// that lists its registrations, as JSON: [{"name": "m", "version": 1}].
inline constexpr std::string_view kIsPromptTag = "mlflow.prompt.is_prompt";
inline constexpr std::string_view kModelVersionsTag = "mlflow.modelVersions";

// Thread-safe. Outlives every call that uses it.
class RegistryStore {
 public:
  virtual ~RegistryStore() = default;

  // --- Registered models

  // Keeps a new model: of `model` its name, description, creation_timestamp
  // (also its last_updated_timestamp) and tags (of a repeated key the last
  // stays). Writes the model as kept into *created. RESOURCE_ALREADY_EXISTS:
  // the name is taken, by a model or by a prompt; the message says which.
  virtual absl::Status CreateRegisteredModel(const v1::RegisteredModel& model,
                                             v1::RegisteredModel* created) = 0;

  // All of a model, with the newest version of each stage, in the order in
  // which the stages were first used by a version.
  virtual absl::Status GetRegisteredModel(std::string_view name,
                                          v1::RegisteredModel* model) = 0;

  // Changes the description and writes the model as it is then into *model.
  virtual absl::Status UpdateRegisteredModel(std::string_view name,
                                             std::string_view description,
                                             int64_t now_ms,
                                             v1::RegisteredModel* model) = 0;

  // Changes the name, of all its versions, tags and aliases too, and the
  // versions' times; writes the model as it is then.
  // RESOURCE_ALREADY_EXISTS: the new name is taken.
  virtual absl::Status RenameRegisteredModel(std::string_view name,
                                             std::string_view new_name,
                                             int64_t now_ms,
                                             v1::RegisteredModel* model) = 0;

  // Removes the model with all that belongs to it. The name is free again.
  virtual absl::Status DeleteRegisteredModel(std::string_view name) = 0;

  // Appends a page of models with all that GetRegisteredModel shows, stages in
  // the order of their names, and sets next_page_token if there are more.
  // Prompts only if the filter asks for them. INVALID_PARAMETER_VALUE: filter,
  // order or token. The request's columns are the store's to fill in; leave
  // them empty. A max_results below 0 asks for no model and for the token of
  // the first page. Statements per page: a constant number.
  virtual absl::Status SearchRegisteredModels(
      const search::RegisteredModelSearch& request,
      v1::SearchRegisteredModelsResponse* response) = 0;

  // Set overwrites. Deleting a tag that is not there is OK.
  virtual absl::Status SetRegisteredModelTag(std::string_view name,
                                             std::string_view key,
                                             std::string_view value) = 0;
  virtual absl::Status DeleteRegisteredModelTag(std::string_view name,
                                                std::string_view key) = 0;

  // --- Versions

  // Keeps a new version of a model and writes it, with the next version number
  // (numbers of deleted versions are not used again), into *created: of
  // `version` its name, description, source, run_id, run_link,
  // creation_timestamp (also its and the model's last_updated_timestamp) and
  // tags (of a repeated key the last stays), stage None, status READY.
  // `storage_location` is where its files are. If `version` has a model_id, the
  // tag kModelVersionsTag of that logged model lists the new version as well;
  // RESOURCE_DOES_NOT_EXIST: no such logged model.
  virtual absl::Status CreateModelVersion(const v1::ModelVersion& version,
                                          std::string_view storage_location,
                                          v1::ModelVersion* created) = 0;

  // All of a version, with its aliases.
  virtual absl::Status GetModelVersion(std::string_view name, int64_t version,
                                       v1::ModelVersion* found) = 0;

  // URI of the version's files.
  virtual absl::StatusOr<std::string> GetModelVersionDownloadUri(
      std::string_view name, int64_t version) = 0;

  // Changes the description, nullopt takes it away; writes the version as it is
  // then.
  virtual absl::Status UpdateModelVersion(
      std::string_view name, int64_t version,
      std::optional<std::string_view> description, int64_t now_ms,
      v1::ModelVersion* updated) = 0;

  // Moves a version to a stage, as written in entities.proto, and writes it as
  // it is then; the model's time changes too. With `archive_existing` all other
  // versions of that stage become Archived.
  virtual absl::Status TransitionModelVersionStage(std::string_view name,
                                                   int64_t version,
                                                   std::string_view stage,
                                                   bool archive_existing,
                                                   int64_t now_ms,
                                                   v1::ModelVersion* moved) = 0;

  // Removes a version and the aliases that name it; the model's time changes.
  virtual absl::Status DeleteModelVersion(std::string_view name,
                                          int64_t version, int64_t now_ms) = 0;

  // Appends the newest version of each of `stages`, or of every stage if there
  // are none, with aliases.
  virtual absl::Status GetLatestVersions(
      std::string_view name, absl::Span<const std::string_view> stages,
      google::protobuf::RepeatedPtrField<v1::ModelVersion>* versions) = 0;

  // Appends a page of versions without aliases, as in MLflow, and sets
  // next_page_token if there are more; otherwise as SearchRegisteredModels.
  virtual absl::Status SearchModelVersions(
      const search::ModelVersionSearch& request,
      v1::SearchModelVersionsResponse* response) = 0;

  // As for registered models.
  virtual absl::Status SetModelVersionTag(std::string_view name,
                                          int64_t version,
                                          std::string_view key,
                                          std::string_view value) = 0;
  virtual absl::Status DeleteModelVersionTag(std::string_view name,
                                             int64_t version,
                                             std::string_view key) = 0;

  // --- Aliases. An alias names one version of its model.

  // Set overwrites. Deleting an alias that is not there is OK.
  virtual absl::Status SetRegisteredModelAlias(std::string_view name,
                                               std::string_view alias,
                                               int64_t version) = 0;
  virtual absl::Status DeleteRegisteredModelAlias(std::string_view name,
                                                  std::string_view alias) = 0;

  // As GetModelVersion. INVALID_PARAMETER_VALUE: the model has no such alias.
  virtual absl::Status GetModelVersionByAlias(std::string_view name,
                                              std::string_view alias,
                                              v1::ModelVersion* found) = 0;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_REGISTRY_STORE_H_
