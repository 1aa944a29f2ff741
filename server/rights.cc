#include "server/rights.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "base/error.h"
#include "base/str_cat.h"
#include "server/message_fields.h"
#include "storage/experiment_id.h"

namespace millstream::server {

constexpr char kPromptTag[] = "mlflow.prompt.is_prompt";

absl::Status PermissionDenied() {
  return MakeError(v1::PERMISSION_DENIED, "Permission denied");
}

Rights::Rights(std::shared_ptr<const auth::UserTable> table,
               std::string_view user, auth::Permission by_default)
    : table_(std::move(table)),
      by_default_(by_default),
      user_(table_->Find(user)),
      may_all_(user_ != nullptr &&
               (user_->is_admin || auth::ManagesWorkspace(user_->grants))) {}

bool Rights::Meet(const Needs& needs) const {
  if (user_ == nullptr) return false;
  if (may_all_) return true;
  return std::all_of(needs.begin(), needs.end(), [&](const Need& need) {
    std::optional<auth::Subject> fallback;
    if (!need.fallback_type.empty()) {
      fallback = auth::Subject{need.fallback_type, need.fallback_id};
    }
    return auth::IsMet(user_->grants, by_default_,
                       {{need.type, need.id}, need.action, fallback});
  });
}

auth::Permission Rights::On(std::string_view type, std::string_view id) const {
  if (user_ == nullptr) return auth::Permission::kNone;
  if (user_->is_admin) return auth::Permission::kManage;
  return auth::Governing(user_->grants, by_default_,
                         {{type, id}, auth::Action::kRead, std::nullopt});
}

bool IsPrompt(const google::protobuf::Message& message) {
  bool is_prompt = false;
  ForEachMessage(message, "tags", [&](const Message& tag) {
    if (StringIn(tag, "key") == kPromptTag) {
      is_prompt = absl::EqualsIgnoreCase(StringIn(tag, "value"), "true");
    }
  });
  return is_prompt;
}

std::string CanonicalExperiment(const std::string& text) {
  const absl::StatusOr<int64_t> id = storage::ParseExperimentId(text);
  return id.ok() ? StrCat(*id) : text;
}

}  // namespace millstream::server
