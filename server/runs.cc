// TrackingService: the life of a run.
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "server/random_name.h"
#include "server/run_feed.h"
#include "server/tracking_service.h"
#include "server/validation.h"
#include "storage/tracking_store.h"

namespace millstream::server {
namespace {

constexpr std::string_view kRunNameTag = "mlflow.runName";
constexpr size_t kNewRunIdLength = 32;

// The name in the tags; empty if there is none.
std::string_view NameInTags(
    const google::protobuf::RepeatedPtrField<v1::RunTag>& tags) {
  for (const v1::RunTag& tag : tags) {
    if (tag.key() == kRunNameTag) return tag.value();
  }
  return {};
}

// As NewRunId() makes them.
bool IsRunId(std::string_view id) {
  return id.size() == kNewRunIdLength &&
         id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

absl::Status CheckKeysDistinct(
    const google::protobuf::RepeatedPtrField<v1::RunTag>& tags) {
  absl::flat_hash_set<std::string_view> seen;
  for (const v1::RunTag& tag : tags) {
    if (!seen.insert(tag.key()).second) {
      return MakeError(v1::BAD_REQUEST,
                       StrCat("The tag '", tag.key(),
                              "' is given twice; give each key once."));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status TrackingService::CreateRun(CallContext&,
                                        const v1::CreateRunRequest& request,
                                        v1::CreateRunResponse* response) {
  v1::RunInfo info;
  if (!request.has_wanted_run_id()) {
    info.set_run_id(NewRunId());
  } else if (IsRunId(request.wanted_run_id())) {
    info.set_run_id(request.wanted_run_id());
  } else {
    return InvalidParameter("'wanted_run_id' must have ", kNewRunIdLength,
                            " hexadecimal digits: 0 to 9 and a to f.");
  }
  if (request.experiment_id().empty()) {
    return MakeError(v1::BAD_REQUEST,
                     StrCat("Run ", info.run_id(),
                            " was not made: it needs an 'experiment_id'. That "
                            "of the experiment 'Default' is \"0\"."));
  }
  const std::string_view tag_name = NameInTags(request.tags());
  if (!request.run_name().empty() && !tag_name.empty() &&
      request.run_name() != tag_name) {
    return InvalidParameter(
        "'run_name' is '", request.run_name(), "' but the tag '", kRunNameTag,
        "' is '", tag_name, "'; send one of them, or the same in both.");
  }
  RETURN_IF_ERROR(CheckTagCount(request.tags_size()));
  RETURN_IF_ERROR(CheckRunName(request.run_name()));
  if (request.ByteSizeLong() > limits::kCreateRunBytesMax) {
    return InvalidParameter("A run is made with at most ",
                            limits::kCreateRunBytesMax,
                            " bytes of names and tags; keep larger texts as "
                            "artifacts.");
  }
  RETURN_IF_ERROR(CheckKeysDistinct(request.tags()));

  info.set_experiment_id(request.experiment_id());
  info.set_run_name(!request.run_name().empty() ? request.run_name()
                    : !tag_name.empty()         ? std::string(tag_name)
                                                : RandomRunName());
  info.set_user_id(request.user_id());
  info.set_status(v1::RUNNING);
  info.set_start_time(request.start_time());

  google::protobuf::RepeatedPtrField<v1::RunTag> tags = request.tags();
  if (tag_name.empty()) {
    // A tag without a value gives way to the name.
    v1::RunTag* name_tag = nullptr;
    for (v1::RunTag& tag : tags) {
      if (tag.key() == kRunNameTag) name_tag = &tag;
    }
    if (name_tag == nullptr) name_tag = tags.Add();
    name_tag->set_key(std::string(kRunNameTag));
    name_tag->set_value(info.run_name());
  }
  for (v1::RunTag& tag : tags) {
    // Shown even if empty.
    tag.set_key(tag.key());
    tag.set_value(tag.value());
  }
  return RunChanged(store_->CreateRun(info, tags, response->mutable_run()),
                    info.run_id(), kRunAll);
}

absl::Status TrackingService::GetRun(CallContext&,
                                     const v1::GetRunRequest& request,
                                     v1::GetRunResponse* response) {
  ASSIGN_OR_RETURN(const std::string_view run_id, RunIdOf(request));
  return store_->GetRun(run_id, response->mutable_run());
}

absl::Status TrackingService::UpdateRun(CallContext&,
                                        const v1::UpdateRunRequest& request,
                                        v1::UpdateRunResponse* response) {
  ASSIGN_OR_RETURN(const std::string_view run_id, RunIdOf(request));
  RETURN_IF_ERROR(CheckRunName(request.run_name()));
  storage::RunUpdate update;
  if (request.has_status()) {
    if (!v1::RunStatus_IsValid(request.status()) ||
        request.status() == v1::RUN_STATUS_UNSPECIFIED) {
      return InvalidParameter("Invalid value ",
                              static_cast<int>(request.status()),
                              " for parameter 'status': it must be RUNNING, "
                              "SCHEDULED, FINISHED, FAILED or KILLED.");
    }
    update.status = request.status();
  }
  if (request.has_end_time()) update.end_time = request.end_time();
  if (!request.run_name().empty()) update.run_name = request.run_name();
  // The name is a tag too.
  return RunChanged(
      store_->UpdateRun(run_id, update, response->mutable_run_info()), run_id,
      kRunInfo | kRunTags);
}

absl::Status TrackingService::DeleteRun(CallContext&,
                                        const v1::DeleteRunRequest& request,
                                        v1::DeleteRunResponse*) {
  // As in MLflow the old name run_uuid is let in here, and then finds nothing:
  // no client may delete by it what it would not have deleted there.
  RETURN_IF_ERROR(RunIdOf(request).status());
  return RunChanged(store_->DeleteRun(request.run_id(), clock_->NowMs()),
                    request.run_id(), kRunInfo);
}

absl::Status TrackingService::RestoreRun(CallContext&,
                                         const v1::RestoreRunRequest& request,
                                         v1::RestoreRunResponse*) {
  RETURN_IF_ERROR(RunIdOf(request).status());
  return RunChanged(store_->RestoreRun(request.run_id()), request.run_id(),
                    kRunInfo);
}

}  // namespace millstream::server
