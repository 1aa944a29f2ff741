#include "base/error.h"

#include <string>

#include "absl/strings/cord.h"

namespace millstream {
namespace {

// Payload key of the code: its number in decimal.
constexpr char kCodeUrl[] = "millstream.v1.ErrorCode";
constexpr char kDetailUrl[] = "millstream.detail";

v1::ErrorCode CodeOfCanonical(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kCancelled:
      return v1::CANCELLED;
    case absl::StatusCode::kDeadlineExceeded:
      return v1::DEADLINE_EXCEEDED;
    case absl::StatusCode::kResourceExhausted:
      return v1::RESOURCE_EXHAUSTED;
    case absl::StatusCode::kUnavailable:
      return v1::TEMPORARILY_UNAVAILABLE;
    default:
      return v1::INTERNAL_ERROR;
  }
}

}  // namespace

const v1::ErrorTraits& GetErrorTraits(v1::ErrorCode code) {
  const google::protobuf::EnumValueDescriptor* value =
      v1::ErrorCode_descriptor()->FindValueByNumber(code);
  if (value == nullptr || code == v1::ERROR_CODE_UNSPECIFIED) {
    return GetErrorTraits(v1::INTERNAL_ERROR);
  }
  return value->options().GetExtension(v1::traits);
}

const std::string& GetErrorName(v1::ErrorCode code) {
  return v1::ErrorCode_Name(code);
}

absl::Status MakeError(v1::ErrorCode code, std::string_view message) {
  absl::Status status(
      static_cast<absl::StatusCode>(GetErrorTraits(code).grpc_code()),
      absl::string_view(message.data(), message.size()));
  status.SetPayload(kCodeUrl, absl::Cord(absl::StrCat(static_cast<int>(code))));
  return status;
}

v1::ErrorCode GetErrorCode(const absl::Status& status) {
  if (absl::optional<absl::Cord> payload = status.GetPayload(kCodeUrl)) {
    int code = 0;
    if (absl::SimpleAtoi(std::string(*payload), &code) &&
        v1::ErrorCode_IsValid(code)) {
      return static_cast<v1::ErrorCode>(code);
    }
  }
  return CodeOfCanonical(status.code());
}

absl::Status WithDetailBody(absl::Status error) {
  error.SetPayload(kDetailUrl, absl::Cord());
  return error;
}

bool HasDetailBody(const absl::Status& error) {
  return error.GetPayload(kDetailUrl).has_value();
}

std::string_view GetPublicMessage(const absl::Status& status) {
  if (status.GetPayload(kCodeUrl).has_value() ||
      CodeOfCanonical(status.code()) != v1::INTERNAL_ERROR) {
    return {status.message().data(), status.message().size()};
  }
  return "The server met an internal error; its log says more.";
}

}  // namespace millstream
