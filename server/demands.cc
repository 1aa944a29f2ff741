#include "server/demands.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "server/message_fields.h"
#include "server/model_source.h"
#include "server/uri.h"
#include "storage/artifact_path.h"
#include "storage/registry_store.h"
#include "storage/tracking_store.h"

namespace millstream::server {
namespace {

using auth::Action;
using v1::Demand;

Action ActionOf(const Demand& demand) {
  switch (demand.right()) {
    case Demand::READ:
      return Action::kRead;
    case Demand::UPDATE:
      return Action::kUpdate;
    case Demand::DELETE:
      return Action::kDelete;
    case Demand::MANAGE:
      return Action::kManage;
    default:
      return Action::kNotDenied;
  }
}

// A part of an experiment's artifacts by the path below the experiment: runs'
// folders, "models", "traces". Empty: the experiment's own.
std::string_view PartOf(const std::vector<std::string>& below,
                        bool with_all_below) {
  if (below.empty()) return "";
  if (below[0] == "models") return auth::kLoggedModelType;
  if (below[0] == "traces") return auth::kTraceType;
  const bool run_id =
      below[0].size() == 32 &&
      std::all_of(below[0].begin(), below[0].end(), [](char c) {
        return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
      });
  if (run_id || with_all_below ||
      (below.size() > 1 && below[1] == "artifacts")) {
    return auth::kRunType;
  }
  return "";
}

bool NamesExperiment(Demand::Subject of) {
  return of == Demand::EXPERIMENT || of == Demand::EXPERIMENT_WITH_PARTS ||
         of == Demand::EXPERIMENT_RUNS || of == Demand::NEW_RUN ||
         of == Demand::NEW_LOGGED_MODEL;
}

// What is named is not there, or is no name.
bool IsAbsent(const absl::Status& status) {
  return GetErrorCode(status) == v1::RESOURCE_DOES_NOT_EXIST ||
         GetErrorCode(status) == v1::INVALID_PARAMETER_VALUE;
}

absl::Status DeniedIfAbsent(const absl::Status& status) {
  return IsAbsent(status) ? PermissionDenied() : status;
}

Need On(std::string_view type, const std::string& id, Action action) {
  return {std::string(type), id, action, "", ""};
}

// On all parts of one kind: what is granted on those, or else on `whole`.
Need OnParts(std::string_view type, Action action, const Need& whole) {
  return {std::string(type), "*", action, whole.type, whole.id};
}

void AddPart(std::string_view type, const std::string& experiment,
             Action action, Needs* needs) {
  const Need whole = On(auth::kExperimentType, experiment, Action::kRead);
  needs->push_back(whole);
  needs->push_back(OnParts(type, action, whole));
}

constexpr std::string_view kParts[] = {auth::kRunType, auth::kTraceType,
                                       auth::kLoggedModelType};

// What one demand on an experiment needs.
void AddExperiment(const Demand& demand, const std::string& id, Needs* needs) {
  const Need whole = On(auth::kExperimentType, id, ActionOf(demand));
  needs->push_back(whole);
  switch (demand.of()) {
    case Demand::EXPERIMENT_WITH_PARTS:
      for (const std::string_view part : kParts) {
        needs->push_back(OnParts(part, whole.action, whole));
      }
      break;
    case Demand::EXPERIMENT_RUNS:
    case Demand::NEW_RUN:
      needs->push_back(On(auth::kRunType, "*", Action::kNotDenied));
      break;
    case Demand::NEW_LOGGED_MODEL:
      needs->push_back(On(auth::kLoggedModelType, "*", Action::kNotDenied));
      break;
    default:
      break;
  }
}

// What a path below the artifact proxy needs.
absl::Status AddArtifact(const Demand& demand, const std::string& sent,
                         Needs* needs) {
  const absl::StatusOr<storage::ArtifactPath> path =
      storage::ArtifactPath::Parse(sent);
  if (!path.ok()) return PermissionDenied();
  const Action action = ActionOf(demand);
  std::vector<std::string> parts = absl::StrSplit(
      path->canonical(), '/', absl::SkipEmpty());
  const bool in_experiment =
      !parts.empty() &&
      std::all_of(parts[0].begin(), parts[0].end(),
                  [](char c) { return absl::ascii_isdigit(c); });
  if (!in_experiment) {
    // Nobody's in particular: the server's default says, and who may not touch
    // some experiment may not touch what holds all of them.
    needs->push_back(On(auth::kExperimentType, "", action));
    return absl::OkStatus();
  }
  const std::string experiment = parts[0];
  parts.erase(parts.begin());
  const bool with_all_below = action == Action::kManage;
  if (parts.empty() && with_all_below) {
    for (const std::string_view part : kParts) {
      AddPart(part, experiment, action, needs);
    }
    return absl::OkStatus();
  }
  const std::string_view part = PartOf(parts, with_all_below);
  if (part.empty()) {
    needs->push_back(On(auth::kExperimentType, experiment, action));
  } else {
    AddPart(part, experiment, action, needs);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> Demands::ExperimentOfRun(
    const std::string& run_id) {
  const absl::Time now = absl::Now();
  if (auto known = experiments_.Find(run_id, now)) return *std::move(known);
  v1::RunInfo info;
  RETURN_IF_ERROR(tracking_->GetRunInfo(run_id, &info));
  experiments_.Put(run_id, info.experiment_id(), now);
  return info.experiment_id();
}

absl::StatusOr<std::string> Demands::ExperimentOfModel(
    const std::string& model_id) {
  // Ids of runs have no such prefix.
  const std::string key = StrCat("m:", model_id);
  const absl::Time now = absl::Now();
  if (auto known = experiments_.Find(key, now)) return *std::move(known);
  v1::LoggedModel model;
  RETURN_IF_ERROR(
      tracking_->GetLoggedModel(model_id, /*allow_deleted=*/true, &model));
  experiments_.Put(key, model.info().experiment_id(), now);
  return model.info().experiment_id();
}

absl::StatusOr<Demands::ModelName> Demands::FindModel(
    const std::string& name) const {
  v1::RegisteredModel model;
  const absl::Status status = registry_->GetRegisteredModel(name, &model);
  if (status.ok()) return ModelName{model.name(), IsPrompt(model)};
  if (IsAbsent(status)) return ModelName{name, false};
  return status;
}

absl::Status Demands::AddModel(const Demand& demand, const std::string& asked,
                               const Message& request, Needs* needs) const {
  const Action action = ActionOf(demand);
  ModelName model;
  if (demand.of() == Demand::NEW_MODEL) {
    model = {asked, IsPrompt(request)};
  } else {
    ASSIGN_OR_RETURN(model, FindModel(asked));
  }
  const std::string_view version = model.is_prompt ? auth::kPromptVersionType
                                                   : auth::kModelVersionType;
  Need whole = On(model.is_prompt ? auth::kPromptType : auth::kModelType,
                  model.stored, action);
  switch (demand.of()) {
    case Demand::MODEL_WITH_VERSIONS:
      needs->push_back(OnParts(version, action, whole));
      break;
    case Demand::MODEL_VERSION:
      needs->push_back(OnParts(version, action, whole));
      whole.action = Action::kRead;
      break;
    case Demand::NEW_MODEL_VERSION:
      needs->push_back(On(version, "*", Action::kNotDenied));
      break;
    default:
      break;
  }
  needs->push_back(std::move(whole));
  return absl::OkStatus();
}

absl::Status Demands::AddArtifactUri(const Demand& demand,
                                     const std::string& text,
                                     const Message& request, Needs* needs) {
  // Read as the handlers read it.
  const Uri uri = SplitUri(text);
  Demand owner;
  owner.set_right(demand.right());
  if (uri.scheme == "runs") {
    const std::string run_id = RunOfSource(text);
    if (run_id.empty()) return absl::OkStatus();
    owner.set_of(Demand::RUN);
    return Add(owner, run_id, request, needs);
  }
  if (uri.scheme == "models") {
    const absl::StatusOr<ModelsUri> model = ParseModelsUri(text);
    // The handler says what is wrong with it.
    if (!model.ok()) return absl::OkStatus();
    owner.set_of(model->kind == ModelsUri::Kind::kModelId
                     ? Demand::LOGGED_MODEL
                     : Demand::MODEL_VERSION);
    return Add(owner, model->name, request, needs);
  }
  // Folders of the server's machine hold everybody's artifacts, under names
  // that say nothing of whose: administrators alone may have experiments kept
  // there. (Sources of model versions are held to their own run's folder.)
  const bool local = uri.scheme.empty() || uri.scheme == "file";
  if (local && demand.right() == Demand::UPDATE) return PermissionDenied();
  // Where the server keeps the files of all.
  const std::optional<std::string> own = own_path_(text);
  return own.has_value() ? AddArtifact(demand, *own, needs) : absl::OkStatus();
}

absl::Status Demands::Add(const Demand& demand, const std::string& asked,
                          const Message& request, Needs* needs) {
  const std::string name =
      NamesExperiment(demand.of()) ? CanonicalExperiment(asked) : asked;
  switch (demand.of()) {
    case Demand::EXPERIMENT:
    case Demand::EXPERIMENT_WITH_PARTS:
    case Demand::EXPERIMENT_RUNS:
    case Demand::NEW_RUN:
    case Demand::NEW_LOGGED_MODEL:
      AddExperiment(demand, name, needs);
      return absl::OkStatus();
    case Demand::EXPERIMENT_NAME: {
      v1::Experiment experiment;
      const absl::Status status =
          tracking_->GetExperimentByName(name, &experiment);
      if (!status.ok()) {
        // The handler says that there is none.
        return IsAbsent(status) ? absl::OkStatus() : status;
      }
      AddExperiment(demand, experiment.experiment_id(), needs);
      return absl::OkStatus();
    }
    case Demand::RUN: {
      const absl::StatusOr<std::string> experiment = ExperimentOfRun(name);
      if (!experiment.ok()) return DeniedIfAbsent(experiment.status());
      AddPart(auth::kRunType, *experiment, ActionOf(demand), needs);
      return absl::OkStatus();
    }
    case Demand::LOGGED_MODEL: {
      const absl::StatusOr<std::string> experiment = ExperimentOfModel(name);
      if (!experiment.ok()) return DeniedIfAbsent(experiment.status());
      AddPart(auth::kLoggedModelType, *experiment, ActionOf(demand), needs);
      return absl::OkStatus();
    }
    case Demand::MODEL:
    case Demand::MODEL_WITH_VERSIONS:
    case Demand::MODEL_VERSION:
    case Demand::NEW_MODEL_VERSION:
    case Demand::NEW_MODEL:
      return AddModel(demand, name, request, needs);
    case Demand::NEW_EXPERIMENT:
      needs->push_back(On(auth::kExperimentType, "*", ActionOf(demand)));
      return absl::OkStatus();
    case Demand::ARTIFACT:
      return AddArtifact(demand, name, needs);
    case Demand::ARTIFACT_URI:
      return AddArtifactUri(demand, name, request, needs);
    default:
      return PermissionDenied();
  }
}

absl::Status Demands::Collect(const v1::Access& access, const Message& request,
                              Needs* needs) {
  for (const Demand& demand : access.demands()) {
    std::vector<std::string> names;
    for (const std::string& field : demand.fields()) {
      for (std::string& name : StringsAt(request, field)) {
        names.push_back(std::move(name));
      }
    }
    // These hold whatever the request says.
    if (names.empty() && (demand.of() == Demand::NEW_EXPERIMENT ||
                          demand.of() == Demand::ARTIFACT)) {
      names.emplace_back();
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    for (const std::string& name : names) {
      RETURN_IF_ERROR(Add(demand, name, request, needs));
    }
  }
  return absl::OkStatus();
}

}  // namespace millstream::server
