#include "base/error.h"

#include <string>

#include "absl/strings/cord.h"
#include "base/disk_full.h"
#include "base/limits.h"
#include "base/text.h"

namespace millstream {
namespace {

// Payload key of the code: its number in decimal.
constexpr char kCodeUrl[] = "millstream.v1.ErrorCode";
constexpr char kDetailUrl[] = "millstream.detail";
constexpr char kAttributeUrl[] = "millstream.attribute_not_found";

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

// `message`, or as many whole characters of it as an error may have.
std::string Shortened(std::string_view message) {
  if (message.size() <= limits::kErrorMessageBytesMax) {
    return std::string(message);
  }
  constexpr std::string_view kMore = "...";
  size_t end = limits::kErrorMessageBytesMax - kMore.size();
  while (end > 0 && (message[end] & 0xC0) == 0x80) --end;
  return StrCat(message.substr(0, end), kMore);
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
      Shortened(message));
  status.SetPayload(kCodeUrl, absl::Cord(absl::StrCat(static_cast<int>(code))));
  return status;
}

bool HasErrorCode(const absl::Status& status) {
  return status.GetPayload(kCodeUrl).has_value();
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

std::string_view Shown(std::string_view text) {
  return FirstCharacters(text, limits::kShownTextLengthMax);
}

absl::Status WithDetailBody(absl::Status error) {
  error.SetPayload(kDetailUrl, absl::Cord());
  return error;
}

bool HasDetailBody(const absl::Status& error) {
  return error.GetPayload(kDetailUrl).has_value();
}

absl::Status WithAttributeNotFound(absl::Status error) {
  error.SetPayload(kAttributeUrl, absl::Cord());
  return error;
}

bool IsAttributeNotFound(const absl::Status& error) {
  return error.GetPayload(kAttributeUrl).has_value();
}

std::string_view GetPublicMessage(const absl::Status& status) {
  if (HasErrorCode(status)) {
    return {status.message().data(), status.message().size()};
  }
  switch (CodeOfCanonical(status.code())) {
    case v1::CANCELLED:
      return "The caller cancelled the call.";
    case v1::DEADLINE_EXCEEDED:
      return "The call's deadline has passed; allow more time or ask for less.";
    case v1::RESOURCE_EXHAUSTED:
      if (IsDiskFull(status)) {
        return "The server's disk is full: it keeps nothing new until whoever "
               "runs it has made space there. What it has can be read.";
      }
      return "The server has no room for this now; send it again a little "
             "later.";
    case v1::TEMPORARILY_UNAVAILABLE:
      return "The server cannot do this now; its log says why.";
    default:
      return "The server met an internal error; its log says more.";
  }
}

}  // namespace millstream
