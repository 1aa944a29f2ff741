#include "server/authorizer.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "server/message_fields.h"

namespace millstream::server {

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
  const Rights rights = RightsOf(user);
  if (rights.user() == nullptr) return PermissionDenied();
  if (rights.is_admin() || access.user()) return absl::OkStatus();
  if (access.manager() && rights.may_all()) return absl::OkStatus();
  if (access.oneself()) {
    const std::vector<std::string> names = StringsAt(request, "username");
    if (names == std::vector<std::string>{rights.user()->name}) {
      return absl::OkStatus();
    }
  }
  if (access.demands().empty()) return PermissionDenied();
  if (rights.may_all()) return absl::OkStatus();
  Needs needs;
  RETURN_IF_ERROR(demands_.Collect(access, request, &needs));
  return rights.Meet(needs) ? absl::OkStatus() : PermissionDenied();
}

absl::Status Authorizer::CheckNext(std::string_view user,
                                   const v1::Access& access,
                                   const Message& message, Needs* named) {
  RETURN_IF_ERROR(Check(user, access, message));
  // Who is allowed everything may name what is not there: the handler says so.
  Needs needs;
  if (demands_.Collect(access, message, &needs).ok()) {
    std::move(needs.begin(), needs.end(), std::back_inserter(*named));
  }
  return CheckAgain(user, *named);
}

absl::Status Authorizer::CheckAgain(std::string_view user,
                                    const Needs& named) const {
  return RightsOf(user).Meet(named) ? absl::OkStatus() : PermissionDenied();
}

absl::Status Authorizer::Call(std::string_view user, const v1::Access& access,
                              const Message& request, Message* response,
                              Handler handler) {
  std::string name;
  if (access.effect() == v1::Access::MODEL_GONE ||
      access.effect() == v1::Access::MODEL_RENAMED) {
    ASSIGN_OR_RETURN(const Demands::ModelName model,
                     demands_.FindModel(StringIn(request, "name")));
    name = model.stored;
  }
  if (access.has_rows()) {
    RETURN_IF_ERROR(CallForRows(RightsOf(user), access.rows(), request,
                                response, handler));
  } else {
    RETURN_IF_ERROR(handler(request, response));
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
          user, IsPrompt(request) ? auth::kPromptType : auth::kModelType,
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
