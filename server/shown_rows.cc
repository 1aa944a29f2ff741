#include "server/shown_rows.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "auth/sealed_text.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "server/message_fields.h"

namespace millstream::server {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Reflection;
using v1::Demand;

constexpr char kPageToken[] = "page_token";
constexpr char kNextPageToken[] = "next_page_token";

Need On(std::string_view type, std::string id, auth::Action action) {
  return {std::string(type), std::move(id), action, "", ""};
}

bool MayRead(const Rights& rights, Demand::Subject of, const Message& row) {
  if (of == Demand::EXPERIMENT) {
    return rights.Meet({On(auth::kExperimentType,
                           StringIn(row, "experiment_id"),
                           auth::Action::kRead)});
  }
  const bool is_prompt = IsPrompt(row);
  Needs needs = {On(is_prompt ? auth::kPromptType : auth::kModelType,
                    StringIn(row, "name"), auth::Action::kRead)};
  if (of == Demand::MODEL_VERSION) {
    needs.push_back(On(is_prompt ? auth::kPromptVersionType
                                 : auth::kModelVersionType,
                       "*", auth::Action::kNotDenied));
  }
  return rights.Meet(needs);
}

// Leaves experiments out of what is searched.
absl::Status CallThinned(const Rights& rights, const v1::Rows& rows,
                         const Message& request, Message* response,
                         Handler handler) {
  const std::string_view part = rows.parts() == Demand::RUN
                                    ? auth::kRunType
                                    : auth::kLoggedModelType;
  const std::unique_ptr<Message> thinned(request.New());
  thinned->CopyFrom(request);
  const FieldDescriptor* field =
      request.GetDescriptor()->FindFieldByName(rows.experiments());
  const Reflection* reflection = request.GetReflection();
  const int count = reflection->FieldSize(request, field);
  reflection->ClearField(thinned.get(), field);
  for (int i = 0; i < count; ++i) {
    const std::string id = reflection->GetRepeatedString(request, field, i);
    if (rights.Meet({On(auth::kExperimentType, CanonicalExperiment(id),
                        auth::Action::kRead),
                     On(part, "*", auth::Action::kNotDenied)})) {
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

// Leaves rows out of what was found. Tokens are as the handler makes them.
absl::Status CallFiltered(const Rights& rights, const v1::Rows& rows,
                          const Message& request, Message* response,
                          Handler handler) {
  RETURN_IF_ERROR(handler(request, response));
  const FieldDescriptor* max_results =
      request.GetDescriptor()->FindFieldByName("max_results");
  const FieldDescriptor* list =
      response->GetDescriptor()->FindFieldByName(rows.list());
  const auto may_read = [&](const Message& row) {
    return MayRead(rights, rows.of(), row);
  };
  const int wanted = KeepRows(response, list, may_read);
  // The page is filled from those that follow, as long as that is quick.
  for (int page = 0; page < limits::kFilteredPagesMax; ++page) {
    const int missing =
        wanted - response->GetReflection()->FieldSize(*response, list);
    const std::string token = StringIn(*response, kNextPageToken);
    if (missing <= 0 || token.empty()) break;
    const std::unique_ptr<Message> next(request.New());
    next->CopyFrom(request);
    SetString(next.get(), kPageToken, token);
    SetInt64(next.get(), max_results, missing);
    const std::unique_ptr<Message> more(response->New());
    RETURN_IF_ERROR(handler(*next, more.get()));
    KeepRows(more.get(), list, may_read);
    ClearField(response, kNextPageToken);
    response->MergeFrom(*more);
  }
  return absl::OkStatus();
}

// The same with tokens that say nothing to their holder, who may be shown
// neither the row that they are made from nor its name. All servers that share
// the users share the key, and nobody can make it up from what he knows.
absl::Status CallSealed(const Rights& rights, const v1::Rows& rows,
                        const Message& request, Message* response,
                        Handler handler) {
  const auth::Sealer sealer(rights.user() == nullptr
                                ? ""
                                : rights.user()->password_hash);
  const std::unique_ptr<Message> opened(request.New());
  opened->CopyFrom(request);
  if (const std::string sent = StringIn(request, kPageToken); !sent.empty()) {
    const std::optional<std::string> token = sealer.Open(sent);
    if (!token.has_value()) {
      return InvalidParameter(
          "Invalid page_token. Use the next_page_token of an answer to the "
          "same user; a new password ends it.");
    }
    SetString(opened.get(), kPageToken, *token);
  }
  RETURN_IF_ERROR(CallFiltered(rights, rows, *opened, response, handler));
  if (const std::string next = StringIn(*response, kNextPageToken);
      !next.empty()) {
    SetString(response, kNextPageToken, sealer.Seal(next));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CallForRows(const Rights& rights, const v1::Rows& rows,
                         const Message& request, Message* response,
                         Handler handler) {
  if (rights.may_all()) return handler(request, response);
  return rows.experiments().empty()
             ? CallSealed(rights, rows, request, response, handler)
             : CallThinned(rights, rows, request, response, handler);
}

}  // namespace millstream::server
