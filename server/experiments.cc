// TrackingService: experiments.
#include <string>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "server/tracking_service.h"
#include "server/validation.h"
#include "storage/tracking_store.h"

namespace millstream::server {
namespace {

// The UI keeps each custom view of an experiment in a tag of this prefix.
constexpr std::string_view kCustomViewTagPrefix = "mlflow.customView.view";

bool IsCustomView(std::string_view key) {
  return key.starts_with(kCustomViewTagPrefix);
}

absl::Status TooManyCustomViews() {
  return InvalidParameter("An experiment has at most ",
                          limits::kCustomViewsMax,
                          " custom views; delete one first.");
}

template <typename Tags>
int CountCustomViews(const Tags& tags) {
  int count = 0;
  for (const v1::ExperimentTag& tag : tags) count += IsCustomView(tag.key());
  return count;
}

absl::Status CheckTags(
    const google::protobuf::RepeatedPtrField<v1::ExperimentTag>& tags) {
  for (const v1::ExperimentTag& tag : tags) {
    RETURN_IF_ERROR(CheckExperimentTag(tag.key(), tag.value()));
  }
  if (CountCustomViews(tags) > limits::kCustomViewsMax) {
    return TooManyCustomViews();
  }
  return absl::OkStatus();
}

absl::Status CheckKeysDistinct(
    const google::protobuf::RepeatedPtrField<v1::ExperimentTag>& tags) {
  absl::flat_hash_set<std::string_view> seen;
  for (const v1::ExperimentTag& tag : tags) {
    if (!seen.insert(tag.key()).second) {
      return AlreadyExists("The tag '", tag.key(),
                           "' is given twice; give each key once.");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status TrackingService::CreateExperiment(
    CallContext&, const v1::CreateExperimentRequest& request,
    v1::CreateExperimentResponse* response) {
  RETURN_IF_ERROR(CheckExperimentName(request.name()));
  if (!request.artifact_location().empty()) {
    RETURN_IF_ERROR(CheckArtifactLocation(request.artifact_location()));
  }
  RETURN_IF_ERROR(CheckTagCount(request.tags_size()));
  RETURN_IF_ERROR(CheckTags(request.tags()));
  RETURN_IF_ERROR(CheckKeysDistinct(request.tags()));
  if (LeadsUpwards(request.artifact_location())) {
    // A taken name comes first: no other location would help.
    v1::Experiment taken;
    if (store_->GetExperimentByName(request.name(), &taken).ok()) {
      return AlreadyExists("Experiment(name=", request.name(),
                           ") already exists.");
    }
    return InvalidParameter(
        "'artifact_location' must not lead upwards ('..').");
  }
  v1::Experiment experiment;
  experiment.set_name(request.name());
  experiment.set_artifact_location(request.artifact_location());
  experiment.set_creation_time(clock_->NowMs());
  *experiment.mutable_tags() = request.tags();
  ASSIGN_OR_RETURN(std::string id, store_->CreateExperiment(experiment));
  response->set_experiment_id(std::move(id));
  return absl::OkStatus();
}

absl::Status TrackingService::GetExperiment(
    CallContext&, const v1::GetExperimentRequest& request,
    v1::GetExperimentResponse* response) {
  return store_->GetExperiment(request.experiment_id(),
                               response->mutable_experiment());
}

absl::Status TrackingService::GetExperimentByName(
    CallContext&, const v1::GetExperimentByNameRequest& request,
    v1::GetExperimentByNameResponse* response) {
  return store_->GetExperimentByName(request.experiment_name(),
                                     response->mutable_experiment());
}

absl::Status TrackingService::UpdateExperiment(
    CallContext&, const v1::UpdateExperimentRequest& request,
    v1::UpdateExperimentResponse*) {
  if (request.new_name().empty()) return MissingParameter("new_name");
  RETURN_IF_ERROR(CheckExperimentName(request.new_name()));
  return store_->RenameExperiment(request.experiment_id(), request.new_name(),
                                  clock_->NowMs());
}

absl::Status TrackingService::DeleteExperiment(
    CallContext&, const v1::DeleteExperimentRequest& request,
    v1::DeleteExperimentResponse*) {
  return StageChanged(
      store_->DeleteExperiment(request.experiment_id(), clock_->NowMs()),
      request.experiment_id());
}

absl::Status TrackingService::RestoreExperiment(
    CallContext&, const v1::RestoreExperimentRequest& request,
    v1::RestoreExperimentResponse*) {
  return StageChanged(
      store_->RestoreExperiment(request.experiment_id(), clock_->NowMs()),
      request.experiment_id());
}

absl::Status TrackingService::SetExperimentTag(
    CallContext&, const v1::SetExperimentTagRequest& request,
    v1::SetExperimentTagResponse*) {
  RETURN_IF_ERROR(CheckExperimentTag(request.key(), request.value()));
  if (IsCustomView(request.key())) {
    // Saves at the same moment may pass the limit by a few; it guards the UI.
    v1::Experiment experiment;
    RETURN_IF_ERROR(
        store_->GetExperiment(request.experiment_id(), &experiment));
    bool overwrites = false;
    for (const v1::ExperimentTag& tag : experiment.tags()) {
      overwrites |= tag.key() == request.key();
    }
    if (!overwrites &&
        CountCustomViews(experiment.tags()) >= limits::kCustomViewsMax) {
      return TooManyCustomViews();
    }
  }
  return store_->SetExperimentTag(request.experiment_id(), request.key(),
                                  request.value());
}

absl::Status TrackingService::DeleteExperimentTag(
    CallContext&, const v1::DeleteExperimentTagRequest& request,
    v1::DeleteExperimentTagResponse*) {
  return store_->DeleteExperimentTag(request.experiment_id(), request.key());
}

}  // namespace millstream::server
