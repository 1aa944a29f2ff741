#include "server/authorizer.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "server/message_fields.h"
#include "server/model_source.h"
#include "server/uri.h"
#include "storage/artifact_path.h"
#include "storage/experiment_id.h"
#include "storage/registry_store.h"
#include "storage/tracking_store.h"

namespace millstream::server {
namespace {

using auth::Action;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using v1::Demand;

constexpr char kPromptTag[] = "mlflow.prompt.is_prompt";

Action ActionOf(Demand::Right right) {
  switch (right) {
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

// Whether a list of tags in a message marks a prompt.
bool HasPromptTag(const Message& message) {
  bool is_prompt = false;
  ForEachMessage(message, "tags", [&](const Message& tag) {
    if (StringIn(tag, "key") == kPromptTag) {
      is_prompt = absl::EqualsIgnoreCase(StringIn(tag, "value"), "true");
    }
  });
  return is_prompt;
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

// The id of an experiment as grants have it, whichever way the caller writes
// it. The handler says what is wrong with what is none.
std::string CanonicalExperiment(const std::string& text) {
  const absl::StatusOr<int64_t> id = storage::ParseExperimentId(text);
  return id.ok() ? StrCat(*id) : text;
}

bool NamesExperiment(Demand::Subject of) {
  return of == Demand::EXPERIMENT || of == Demand::EXPERIMENT_WITH_PARTS ||
         of == Demand::EXPERIMENT_RUNS || of == Demand::NEW_RUN ||
         of == Demand::NEW_LOGGED_MODEL;
}

}  // namespace

absl::Status PermissionDenied() {
  return MakeError(v1::PERMISSION_DENIED, "Permission denied");
}

// --- Who it is

Authorizer::Caller Authorizer::Find(std::string_view name) const {
  Caller caller;
  caller.table = users_.table();
  caller.user = caller.table->Find(name);
  caller.may_all =
      caller.user != nullptr &&
      (caller.user->is_admin || auth::ManagesWorkspace(caller.user->grants));
  return caller;
}

bool Authorizer::IsAdmin(std::string_view user) const {
  const Caller caller = Find(user);
  return caller.user != nullptr && caller.user->is_admin;
}

bool Authorizer::ManagesUsers(std::string_view user) const {
  return Find(user).may_all;
}

absl::Status Authorizer::CheckSeesRoles(std::string_view user) const {
  const Caller caller = Find(user);
  if (caller.user != nullptr &&
      (caller.user->is_admin || !caller.user->roles.empty())) {
    return absl::OkStatus();
  }
  return PermissionDenied();
}

auth::Permission Authorizer::PermissionOf(std::string_view user,
                                          std::string_view type,
                                          std::string_view id) const {
  const Caller caller = Find(user);
  if (caller.user == nullptr) return auth::Permission::kNone;
  if (caller.user->is_admin) return auth::Permission::kManage;
  return auth::Governing(caller.user->grants, by_default_,
                         {{type, id}, Action::kRead, std::nullopt});
}

bool Authorizer::Meets(const Caller& caller, const Needs& needs) const {
  if (caller.user == nullptr) return false;
  if (caller.may_all) return true;
  return std::all_of(needs.begin(), needs.end(), [&](const Need& need) {
    std::optional<auth::Subject> fallback;
    if (!need.fallback_type.empty()) {
      fallback = auth::Subject{need.fallback_type, need.fallback_id};
    }
    return auth::IsMet(caller.user->grants, by_default_,
                       {{need.type, need.id}, need.action, fallback});
  });
}

// --- What it needs

absl::StatusOr<std::string> Authorizer::ExperimentOfRun(
    const std::string& run_id) {
  if (auto known = experiments_.Find(run_id)) return *std::move(known);
  v1::RunInfo info;
  RETURN_IF_ERROR(tracking_->GetRunInfo(run_id, &info));
  experiments_.Put(run_id, info.experiment_id());
  return info.experiment_id();
}

absl::StatusOr<std::string> Authorizer::ExperimentOfModel(
    const std::string& model_id) {
  // Ids of runs have no such prefix.
  const std::string key = StrCat("m:", model_id);
  if (auto known = experiments_.Find(key)) return *std::move(known);
  v1::LoggedModel model;
  RETURN_IF_ERROR(
      tracking_->GetLoggedModel(model_id, /*allow_deleted=*/true, &model));
  experiments_.Put(key, model.info().experiment_id());
  return model.info().experiment_id();
}

absl::StatusOr<Authorizer::ModelName> Authorizer::FindModel(
    const std::string& name) const {
  v1::RegisteredModel model;
  const absl::Status status = registry_->GetRegisteredModel(name, &model);
  if (status.ok()) return ModelName{model.name(), HasPromptTag(model)};
  if (GetErrorCode(status) == v1::RESOURCE_DOES_NOT_EXIST) {
    return ModelName{name, false};
  }
  return status;
}

absl::Status Authorizer::AddPart(std::string_view type,
                                 const std::string& experiment, Action action,
                                 Needs* needs) const {
  const std::string experiment_type(auth::kExperimentType);
  needs->push_back({experiment_type, experiment, Action::kRead, "", ""});
  needs->push_back(
      {std::string(type), "*", action, experiment_type, experiment});
  return absl::OkStatus();
}

absl::Status Authorizer::AddModel(const Demand& demand,
                                  const std::string& asked,
                                  const Message& request, Needs* needs) {
  const Action action = ActionOf(demand.right());
  ModelName model;
  if (demand.of() == Demand::NEW_MODEL) {
    model = {asked, HasPromptTag(request)};
  } else {
    ASSIGN_OR_RETURN(model, FindModel(asked));
  }
  const std::string& name = model.stored;
  const std::string type(model.is_prompt ? auth::kPromptType
                                         : auth::kModelType);
  const std::string version(model.is_prompt ? auth::kPromptVersionType
                                            : auth::kModelVersionType);
  switch (demand.of()) {
    case Demand::MODEL_WITH_VERSIONS:
      needs->push_back({type, name, action, "", ""});
      needs->push_back({version, "*", action, type, name});
      break;
    case Demand::MODEL_VERSION:
      needs->push_back({type, name, Action::kRead, "", ""});
      needs->push_back({version, "*", action, type, name});
      break;
    case Demand::NEW_MODEL_VERSION:
      needs->push_back({type, name, action, "", ""});
      needs->push_back({version, "*", Action::kNotDenied, "", ""});
      break;
    default:
      needs->push_back({type, name, action, "", ""});
  }
  return absl::OkStatus();
}

absl::Status Authorizer::AddArtifact(const Demand& demand,
                                     const std::string& sent,
                                     Needs* needs) const {
  absl::StatusOr<storage::ArtifactPath> path =
      storage::ArtifactPath::Parse(sent);
  if (!path.ok()) return PermissionDenied();
  const Action action = ActionOf(demand.right());
  const std::string experiment_type(auth::kExperimentType);
  std::vector<std::string> parts = absl::StrSplit(
      path->canonical(), '/', absl::SkipEmpty());
  const bool in_experiment =
      !parts.empty() &&
      std::all_of(parts[0].begin(), parts[0].end(),
                  [](char c) { return absl::ascii_isdigit(c); });
  if (!in_experiment) {
    // Nobody's in particular: the server's default says, and who may not touch
    // some experiment may not touch what holds all of them.
    needs->push_back({experiment_type, "", action, "", ""});
    return absl::OkStatus();
  }
  const std::string experiment = parts[0];
  parts.erase(parts.begin());
  const bool with_all_below = action == Action::kManage;
  if (parts.empty() && with_all_below) {
    for (const std::string_view part :
         {auth::kRunType, auth::kTraceType, auth::kLoggedModelType}) {
      RETURN_IF_ERROR(AddPart(part, experiment, action, needs));
    }
    return absl::OkStatus();
  }
  const std::string_view part = PartOf(parts, with_all_below);
  if (!part.empty()) return AddPart(part, experiment, action, needs);
  needs->push_back({experiment_type, experiment, action, "", ""});
  return absl::OkStatus();
}

absl::Status Authorizer::AddArtifactUri(const Demand& demand,
                                        const std::string& text,
                                        const Message& request,
                                        Needs* needs) {
  // Read as the handlers read it.
  const Uri uri = SplitUri(text);
  Demand owner;
  owner.set_right(demand.right());
  if (uri.scheme == "mlflow-artifacts") {
    // With an address or without.
    std::string_view path = uri.path;
    path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
    return AddArtifact(demand, std::string(path), needs);
  }
  if (uri.scheme == "runs") {
    const std::string run_id = RunOfSource(text);
    if (run_id.empty()) return absl::OkStatus();
    owner.set_of(Demand::RUN);
    return AddNeeds(owner, run_id, request, needs);
  }
  // Folders of the server's machine hold everybody's artifacts, under names
  // that say nothing of whose: administrators alone may have experiments kept
  // there. (Sources of model versions are held to their own run's folder.)
  const bool local = uri.scheme.empty() || uri.scheme == "file";
  if (local && demand.right() == Demand::UPDATE) return PermissionDenied();
  if (uri.scheme != "models") {
    // Buckets where the server keeps the files of all.
    const std::optional<std::string> own =
        own_path_ == nullptr ? std::nullopt : own_path_(text);
    return own.has_value() ? AddArtifact(demand, *own, needs)
                           : absl::OkStatus();
  }
  const absl::StatusOr<ModelsUri> model = ParseModelsUri(text);
  // The handler says what is wrong with it.
  if (!model.ok()) return absl::OkStatus();
  owner.set_of(model->kind == ModelsUri::Kind::kModelId
                   ? Demand::LOGGED_MODEL
                   : Demand::MODEL_VERSION);
  return AddNeeds(owner, model->name, request, needs);
}

absl::Status Authorizer::AddNeeds(const Demand& demand,
                                  const std::string& asked,
                                  const Message& request, Needs* needs) {
  const std::string name =
      NamesExperiment(demand.of()) ? CanonicalExperiment(asked) : asked;
  const Action action = ActionOf(demand.right());
  const std::string experiment_type(auth::kExperimentType);
  const auto denied_if_absent = [](const absl::Status& status) {
    const bool absent =
        GetErrorCode(status) == v1::RESOURCE_DOES_NOT_EXIST ||
        GetErrorCode(status) == v1::INVALID_PARAMETER_VALUE;
    return absent ? PermissionDenied() : status;
  };
  switch (demand.of()) {
    case Demand::EXPERIMENT:
      needs->push_back({experiment_type, name, action, "", ""});
      return absl::OkStatus();
    case Demand::EXPERIMENT_WITH_PARTS:
      needs->push_back({experiment_type, name, action, "", ""});
      for (const std::string_view part :
           {auth::kRunType, auth::kTraceType, auth::kLoggedModelType}) {
        needs->push_back(
            {std::string(part), "*", action, experiment_type, name});
      }
      return absl::OkStatus();
    case Demand::EXPERIMENT_RUNS:
      needs->push_back({experiment_type, name, action, "", ""});
      needs->push_back({std::string(auth::kRunType), "*", Action::kNotDenied,
                        "", ""});
      return absl::OkStatus();
    case Demand::EXPERIMENT_NAME: {
      v1::Experiment experiment;
      const absl::Status status =
          tracking_->GetExperimentByName(name, &experiment);
      // The handler says that there is none.
      if (denied_if_absent(status) == PermissionDenied()) {
        return absl::OkStatus();
      }
      RETURN_IF_ERROR(status);
      needs->push_back(
          {experiment_type, experiment.experiment_id(), action, "", ""});
      return absl::OkStatus();
    }
    case Demand::RUN: {
      const absl::StatusOr<std::string> experiment = ExperimentOfRun(name);
      if (!experiment.ok()) return denied_if_absent(experiment.status());
      return AddPart(auth::kRunType, *experiment, action, needs);
    }
    case Demand::LOGGED_MODEL: {
      const absl::StatusOr<std::string> experiment = ExperimentOfModel(name);
      if (!experiment.ok()) return denied_if_absent(experiment.status());
      return AddPart(auth::kLoggedModelType, *experiment, action, needs);
    }
    case Demand::NEW_RUN:
    case Demand::NEW_LOGGED_MODEL: {
      const std::string part(demand.of() == Demand::NEW_RUN
                                 ? auth::kRunType
                                 : auth::kLoggedModelType);
      needs->push_back({experiment_type, name, action, "", ""});
      needs->push_back({part, "*", Action::kNotDenied, "", ""});
      return absl::OkStatus();
    }
    case Demand::MODEL:
    case Demand::MODEL_WITH_VERSIONS:
    case Demand::MODEL_VERSION:
    case Demand::NEW_MODEL_VERSION:
    case Demand::NEW_MODEL:
      return AddModel(demand, name, request, needs);
    case Demand::NEW_EXPERIMENT:
      needs->push_back({experiment_type, "*", action, "", ""});
      return absl::OkStatus();
    case Demand::ARTIFACT:
      return AddArtifact(demand, name, needs);
    case Demand::ARTIFACT_URI:
      return AddArtifactUri(demand, name, request, needs);
    default:
      return PermissionDenied();
  }
}

absl::Status Authorizer::Collect(const v1::Access& access,
                                 const Message& request, Needs* needs) {
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
      RETURN_IF_ERROR(AddNeeds(demand, name, request, needs));
    }
  }
  return absl::OkStatus();
}

absl::Status Authorizer::Check(std::string_view user, const v1::Access& access,
                               const Message& request) {
  if (access.open()) return absl::OkStatus();
  absl::Status status = CheckNow(user, access, request);
  if (GetErrorCode(status) != v1::PERMISSION_DENIED) return status;
  users_.Refresh();
  return CheckNow(user, access, request);
}

absl::Status Authorizer::CheckNow(std::string_view user,
                                  const v1::Access& access,
                                  const Message& request) {
  const Caller caller = Find(user);
  if (caller.user == nullptr) return PermissionDenied();
  if (caller.user->is_admin || access.user()) return absl::OkStatus();
  if (access.manager() && caller.may_all) return absl::OkStatus();
  if (access.oneself()) {
    const std::vector<std::string> names = StringsAt(request, "username");
    if (names == std::vector<std::string>{caller.user->name}) {
      return absl::OkStatus();
    }
  }
  if (access.demands().empty()) return PermissionDenied();
  if (caller.may_all) return absl::OkStatus();
  Needs needs;
  RETURN_IF_ERROR(Collect(access, request, &needs));
  return Meets(caller, needs) ? absl::OkStatus() : PermissionDenied();
}

absl::Status Authorizer::CheckNext(std::string_view user,
                                   const v1::Access& access,
                                   const Message& message, Needs* named) {
  RETURN_IF_ERROR(Check(user, access, message));
  // Who is allowed everything may name what is not there: the handler says so.
  Needs needs;
  if (Collect(access, message, &needs).ok()) {
    std::move(needs.begin(), needs.end(), std::back_inserter(*named));
  }
  return CheckAgain(user, *named);
}

absl::Status Authorizer::CheckAgain(std::string_view user,
                                    const Needs& named) const {
  return Meets(Find(user), named) ? absl::OkStatus() : PermissionDenied();
}

// --- What is shown

bool Authorizer::MayRead(const Caller& caller, Demand::Subject of,
                         const Message& row) const {
  if (of == Demand::EXPERIMENT) {
    return Meets(caller, {{std::string(auth::kExperimentType),
                           StringIn(row, "experiment_id"), Action::kRead, "",
                           ""}});
  }
  const bool is_prompt = HasPromptTag(row);
  Needs needs = {{std::string(is_prompt ? auth::kPromptType : auth::kModelType),
                  StringIn(row, "name"), Action::kRead, "", ""}};
  if (of == Demand::MODEL_VERSION) {
    needs.push_back({std::string(is_prompt ? auth::kPromptVersionType
                                           : auth::kModelVersionType),
                     "*", Action::kNotDenied, "", ""});
  }
  return Meets(caller, needs);
}

absl::Status Authorizer::CallThinned(const Caller& caller,
                                     const v1::Rows& rows,
                                     const Message& request, Message* response,
                                     Handler handler) {
  const std::string part(rows.parts() == Demand::RUN ? auth::kRunType
                                                     : auth::kLoggedModelType);
  const std::unique_ptr<Message> thinned(request.New());
  thinned->CopyFrom(request);
  const FieldDescriptor* field =
      request.GetDescriptor()->FindFieldByName(rows.experiments());
  const Reflection* reflection = request.GetReflection();
  const int count = reflection->FieldSize(request, field);
  reflection->ClearField(thinned.get(), field);
  for (int i = 0; i < count; ++i) {
    const std::string id = reflection->GetRepeatedString(request, field, i);
    if (Meets(caller, {{std::string(auth::kExperimentType),
                        CanonicalExperiment(id), Action::kRead, "", ""},
                       {part, "*", Action::kNotDenied, "", ""}})) {
      reflection->AddString(thinned.get(), field, id);
    }
  }
  // Of none, the handler says what is wrong; of none that may be read, there
  // is nothing to find.
  if (count > 0 && reflection->FieldSize(*thinned, field) == 0) {
    return absl::OkStatus();
  }
  return handler(*thinned, response);
}

absl::Status Authorizer::CallFiltered(const Caller& caller,
                                      const v1::Rows& rows,
                                      const Message& request,
                                      Message* response, Handler handler) {
  RETURN_IF_ERROR(handler(request, response));
  const Descriptor* type = request.GetDescriptor();
  const FieldDescriptor* list =
      response->GetDescriptor()->FindFieldByName(rows.list());
  const int wanted = KeepRows(response, list, [&](const Message& row) {
    return MayRead(caller, rows.of(), row);
  });
  // The page is filled from those that follow, as long as that is quick.
  for (int page = 0; page < limits::kFilteredPagesMax; ++page) {
    const int missing =
        wanted - response->GetReflection()->FieldSize(*response, list);
    const std::string token = StringIn(*response, "next_page_token");
    if (missing <= 0 || token.empty()) break;
    const std::unique_ptr<Message> next(request.New());
    next->CopyFrom(request);
    SetString(next.get(), "page_token", token);
    SetInt64(next.get(), type->FindFieldByName("max_results"), missing);
    const std::unique_ptr<Message> more(response->New());
    RETURN_IF_ERROR(handler(*next, more.get()));
    KeepRows(more.get(), list, [&](const Message& row) {
      return MayRead(caller, rows.of(), row);
    });
    SetString(response, "next_page_token", "");
    response->MergeFrom(*more);
    if (!more->GetReflection()->HasField(
            *more, more->GetDescriptor()->FindFieldByName("next_page_token"))) {
      ClearField(response, "next_page_token");
    }
  }
  return absl::OkStatus();
}

absl::Status Authorizer::Call(std::string_view user, const v1::Access& access,
                              const Message& request, Message* response,
                              Handler handler) {
  const Caller caller = Find(user);
  std::string name;
  if (access.effect() == v1::Access::MODEL_GONE ||
      access.effect() == v1::Access::MODEL_RENAMED) {
    ASSIGN_OR_RETURN(const ModelName model,
                     FindModel(StringIn(request, "name")));
    name = model.stored;
  }
  if (caller.may_all || !access.has_rows()) {
    RETURN_IF_ERROR(handler(request, response));
  } else if (!access.rows().experiments().empty()) {
    RETURN_IF_ERROR(CallThinned(caller, access.rows(), request, response,
                                handler));
  } else {
    RETURN_IF_ERROR(CallFiltered(caller, access.rows(), request, response,
                                 handler));
  }
  if (access.effect() == v1::Access::NO_EFFECT) return absl::OkStatus();
  // What was done is done; permissions that do not follow are for an
  // administrator to see to.
  if (absl::Status followed = Follow(user, access, name, request, *response);
      !followed.ok()) {
    LogError("Permissions did not follow a call of ", user, ": ",
             followed.ToString());
  }
  return absl::OkStatus();
}

absl::Status Authorizer::Follow(std::string_view user,
                                const v1::Access& access,
                                const std::string& name,
                                const Message& request,
                                const Message& response) {
  const std::string manage(auth::NameOf(auth::Permission::kManage));
  switch (access.effect()) {
    case v1::Access::EXPERIMENT_MADE:
      return users_.GrantUser(user, auth::kExperimentType,
                              StringIn(response, "experiment_id"), manage,
                              /*replace=*/true);
    case v1::Access::MODEL_MADE:
      return users_.GrantUser(
          user, HasPromptTag(request) ? auth::kPromptType : auth::kModelType,
          StringIn(request, "name"), manage, /*replace=*/true);
    case v1::Access::MODEL_GONE:
      for (const std::string_view type :
           {auth::kModelType, auth::kPromptType}) {
        RETURN_IF_ERROR(users_.DropGrants(type, name));
      }
      return absl::OkStatus();
    case v1::Access::MODEL_RENAMED:
      for (const std::string_view type :
           {auth::kModelType, auth::kPromptType}) {
        RETURN_IF_ERROR(users_.RenameGrants(type, name,
                                            StringIn(request, "new_name")));
      }
      return absl::OkStatus();
    default:
      return absl::OkStatus();
  }
}

}  // namespace millstream::server
