#include "server/model_lineage.h"

#include <cstdint>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "server/model_source.h"
#include "server/registry_names.h"
#include "server/uri.h"
#include "storage/model_versions_tag.h"
#include "storage/registry_store.h"
#include "storage/tracking_store.h"

namespace millstream::server {
namespace {

bool IsTrue(std::string_view value) {
  return absl::EqualsIgnoreCase(AbslView(value), "true");
}

// Of a repeated tag the last counts, as it is the one that is kept.
template <typename Tags>
bool HasPromptTag(const Tags& tags) {
  bool is_prompt = false;
  for (const auto& tag : tags) {
    if (tag.key() == storage::kIsPromptTag) is_prompt = IsTrue(tag.value());
  }
  return is_prompt;
}

absl::Status Foreign(std::string_view source, std::string_view owner) {
  return InvalidParameter("Invalid model version source: '", Shown(source),
                          "'. Name the ", owner, " that it belongs to in '",
                          owner, "'.");
}

// A missing owner makes the source foreign; other errors are what they are.
absl::Status AsForeign(absl::Status status, std::string_view source,
                       std::string_view owner) {
  if (status.ok() || GetErrorCode(status) != v1::RESOURCE_DOES_NOT_EXIST) {
    return status;
  }
  return Foreign(source, owner);
}

// OK if `source` lies below `root`, the artifacts of its owner.
absl::Status CheckBelow(std::string_view source, std::string_view root,
                        bool local, std::string_view owner) {
  if (local) {
    const absl::StatusOr<bool> root_is_local = IsLocalSource(root);
    if (root_is_local.ok() && *root_is_local &&
        IsWithinLocalPath(source, root)) {
      return absl::OkStatus();
    }
  } else if (IsWithinUri(source, root)) {
    return absl::OkStatus();
  }
  return Foreign(source, owner);
}

absl::Status CheckSourceOfRun(std::string_view source, std::string_view run_id,
                              storage::TrackingStore& tracking) {
  ASSIGN_OR_RETURN(const bool local, IsLocalSource(source));
  if (!local) {
    RETURN_IF_ERROR(CheckPlainPath(source));
    const Uri uri = SplitUri(source);
    if (uri.scheme == "runs") {
      const bool own = !run_id.empty() && RunOfSource(source) == run_id &&
                       uri.authority.empty();
      return own ? absl::OkStatus() : Foreign(source, "run_id");
    }
    if (uri.scheme == "models") {
      ASSIGN_OR_RETURN(const ModelsUri model, ParseModelsUri(source));
      return model.kind == ModelsUri::Kind::kModelId
                 ? Foreign(source, "model_id")
                 : absl::OkStatus();
    }
    if (!IsProxiedSource(source)) return absl::OkStatus();
  }
  if (run_id.empty()) return Foreign(source, "run_id");
  v1::RunInfo run;
  RETURN_IF_ERROR(
      AsForeign(tracking.GetRunInfo(run_id, &run), source, "run_id"));
  return CheckBelow(source, run.artifact_uri(), local, "run_id");
}

// `found` says whether `model` is there.
absl::Status CheckSourceOfModel(std::string_view source,
                                std::string_view model_id,
                                const absl::Status& found,
                                const v1::LoggedModelInfo& model) {
  ASSIGN_OR_RETURN(const bool local, IsLocalSource(source));
  if (!local) {
    RETURN_IF_ERROR(CheckPlainPath(source));
    const Uri uri = SplitUri(source);
    if (uri.scheme == "models") {
      ASSIGN_OR_RETURN(const ModelsUri named, ParseModelsUri(source));
      if (named.name != model_id) return Foreign(source, "model_id");
      return found;
    }
    if (uri.scheme == "runs") return Foreign(source, "model_id");
    if (!IsProxiedSource(source)) return found;
  }
  RETURN_IF_ERROR(AsForeign(found, source, "model_id"));
  return CheckBelow(source, model.artifact_uri(), local, "model_id");
}

// The newest version, of `stage` or of all if it is empty.
absl::Status NewestVersion(storage::RegistryStore& registry,
                           std::string_view name, std::string_view stage,
                           v1::ModelVersion* version) {
  std::vector<std::string_view> stages;
  if (!stage.empty()) stages.push_back(stage);
  google::protobuf::RepeatedPtrField<v1::ModelVersion> versions;
  RETURN_IF_ERROR(registry.GetLatestVersions(name, stages, &versions));
  int64_t newest = -1;
  for (v1::ModelVersion& candidate : versions) {
    int64_t number = 0;
    if (absl::SimpleAtoi(candidate.version(), &number) && number > newest) {
      newest = number;
      version->Swap(&candidate);
    }
  }
  if (newest >= 0) return absl::OkStatus();
  return DoesNotExist("The registered model '", name, "' has no versions",
                      stage.empty() ? "" : " of that stage", ".");
}

absl::Status FindVersion(storage::RegistryStore& registry, const ModelsUri& uri,
                         v1::ModelVersion* version) {
  switch (uri.kind) {
    case ModelsUri::Kind::kModelId:
      break;
    case ModelsUri::Kind::kVersion: {
      ASSIGN_OR_RETURN(int64_t number, ParseVersion(uri.text));
      return registry.GetModelVersion(uri.name, number, version);
    }
    case ModelsUri::Kind::kStage: {
      ASSIGN_OR_RETURN(std::string_view stage, ParseStage(uri.text));
      return NewestVersion(registry, uri.name, stage, version);
    }
    case ModelsUri::Kind::kLatest:
      return NewestVersion(registry, uri.name, "", version);
    case ModelsUri::Kind::kAlias:
      RETURN_IF_ERROR(CheckAlias(uri.text));
      return VersionOfAlias(registry, uri.name, uri.text, version);
  }
  return DoesNotExist("No version of '", uri.name, "'.");
}

// A source that is a version of a registered model: takes its run, unless the
// request names the same one.
absl::Status FollowVersion(const v1::CreateModelVersionRequest& request,
                           const ModelsUri& uri,
                           storage::RegistryStore& registry,
                           ModelLineage* lineage) {
  RETURN_IF_ERROR(CheckModelName("source", uri.name));
  v1::RegisteredModel model;
  RETURN_IF_ERROR(registry.GetRegisteredModel(uri.name, &model));
  if (HasPromptTag(model.tags())) {
    return InvalidParameter(
        "Invalid model version source: '", Shown(lineage->source),
        "'. A prompt cannot be the source of a model version.");
  }
  v1::ModelVersion version;
  RETURN_IF_ERROR(FindVersion(registry, uri, &version));
  if ((request.has_run_id() && request.run_id() != version.run_id()) ||
      !request.model_id().empty()) {
    return InvalidParameter(
        "Invalid model version source: '", Shown(lineage->source),
        "'. Leave out 'run_id' and 'model_id', or give those of the version "
        "that it names.");
  }
  lineage->source = StrCat("models:/", uri.name, "/", version.version());
  lineage->run_id = version.run_id();
  int64_t number = 0;
  if (!absl::SimpleAtoi(version.version(), &number)) {
    return absl::InternalError("a stored version is no number");
  }
  ASSIGN_OR_RETURN(lineage->storage_location,
                   registry.GetModelVersionDownloadUri(uri.name, number));
  return absl::OkStatus();
}

// Ids of logged models that a location may lie below.
std::vector<std::string> ModelIdsOf(const v1::ModelVersion& version,
                                    std::string_view location) {
  std::vector<std::string> ids;
  const absl::StatusOr<ModelsUri> source = ParseModelsUri(version.source());
  if (source.ok() && source->kind == ModelsUri::Kind::kModelId) {
    ids.push_back(source->name);
  }
  const Uri uri = SplitUri(location);
  for (std::string_view part : SplitPath(uri.path)) {
    if (part.starts_with("m-")) ids.emplace_back(part);
  }
  return ids;
}

// Whether a version was registered from a logged model: its source says so,
// the model lists it, or both are of one run.
bool IsRegisteredFrom(const v1::ModelVersion& version, int64_t number,
                      const v1::LoggedModel& model) {
  const absl::StatusOr<ModelsUri> source = ParseModelsUri(version.source());
  if (source.ok() && source->name == model.info().model_id()) return true;
  if (!version.run_id().empty() &&
      version.run_id() == model.info().source_run_id()) {
    return true;
  }
  for (const v1::LoggedModelTag& tag : model.info().tags()) {
    if (tag.key() == storage::kModelVersionsTag &&
        storage::ListsModelVersion(tag.value(), version.name(), number)) {
      return true;
    }
  }
  return false;
}

}  // namespace

absl::Status CheckOwnsFiles(storage::RegistryStore& registry,
                            storage::TrackingStore& tracking,
                            std::string_view name, int64_t version,
                            std::string_view location) {
  RETURN_IF_ERROR(CheckPlainPath(location));
  std::string owner(name);
  v1::ModelVersion found;
  for (int i = 0; i <= limits::kModelCopiesMax; ++i) {
    found.Clear();
    RETURN_IF_ERROR(registry.GetModelVersion(owner, version, &found));
    const absl::StatusOr<ModelsUri> source = ParseModelsUri(found.source());
    if (!source.ok() || source->kind != ModelsUri::Kind::kVersion) break;
    owner = source->name;
    ASSIGN_OR_RETURN(version, ParseVersion(source->text));
  }
  v1::RunInfo run;
  if (!found.run_id().empty() &&
      tracking.GetRunInfo(found.run_id(), &run).ok() &&
      IsWithinUri(location, run.artifact_uri())) {
    return absl::OkStatus();
  }
  for (const std::string& id : ModelIdsOf(found, location)) {
    v1::LoggedModel model;
    if (tracking.GetLoggedModel(id, /*allow_deleted=*/false, &model).ok() &&
        IsWithinUri(location, model.info().artifact_uri()) &&
        IsRegisteredFrom(found, version, model)) {
      return absl::OkStatus();
    }
  }
  return InvalidParameter(
      "The files of this model version are not among the artifacts of its run "
      "or logged model, so this server does not fetch them: ask for the "
      "version's download URI and read them from the storage directly.");
}

absl::StatusOr<ModelLineage> ResolveLineage(
    const v1::CreateModelVersionRequest& request,
    storage::RegistryStore& registry, storage::TrackingStore& tracking) {
  ModelLineage lineage;
  lineage.source = request.source();
  lineage.run_id = request.run_id();
  lineage.storage_location = request.source();
  const bool is_prompt = HasPromptTag(request.tags());
  if (is_prompt && !IsPromptPlaceholder(request.source())) {
    return InvalidParameter(
        "Invalid prompt source: '", Shown(request.source()),
        "'. The source of a prompt is 'prompt-template'; its text goes into "
        "the tag 'mlflow.prompt.text'.");
  }
  RETURN_IF_ERROR(CheckSource(request.source()));

  const Uri uri = SplitUri(request.source());
  const bool names_model = !is_prompt && uri.scheme == "models";
  if (names_model) {
    if (!uri.authority.empty()) return Foreign(request.source(), "model_id");
    ASSIGN_OR_RETURN(const ModelsUri model, ParseModelsUri(request.source()));
    if (model.kind != ModelsUri::Kind::kModelId) {
      RETURN_IF_ERROR(FollowVersion(request, model, registry, &lineage));
      RETURN_IF_ERROR(
          CheckSourceOfRun(lineage.source, lineage.run_id, tracking));
      return lineage;
    }
  }
  if (request.model_id().empty()) {
    if (!is_prompt) {
      RETURN_IF_ERROR(
          CheckSourceOfRun(request.source(), request.run_id(), tracking));
    }
    return lineage;
  }

  v1::LoggedModel model;
  const absl::Status found = tracking.GetLoggedModel(
      request.model_id(), /*allow_deleted=*/false, &model);
  if (is_prompt) {
    RETURN_IF_ERROR(found);
  } else {
    RETURN_IF_ERROR(CheckSourceOfModel(request.source(), request.model_id(),
                                       found, model.info()));
    lineage.model_id = request.model_id();
  }
  if (lineage.run_id.empty()) lineage.run_id = model.info().source_run_id();
  if (names_model) lineage.storage_location = model.info().artifact_uri();
  return lineage;
}

absl::Status VersionOfAlias(storage::RegistryStore& registry,
                            std::string_view name, std::string_view alias,
                            v1::ModelVersion* version) {
  if (absl::EqualsIgnoreCase(AbslView(alias), "latest")) {
    return NewestVersion(registry, name, "", version);
  }
  return registry.GetModelVersionByAlias(name, alias, version);
}

}  // namespace millstream::server
