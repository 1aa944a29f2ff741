// Errors as callers see them: an absl::Status that carries an ErrorCode
// (errors.proto) as payload, with a text for them. A Status without one comes
// from within: its text, which may name files of this machine, is for the log
// only.
//
// All functions are thread-safe.
#ifndef MILLSTREAM_BASE_ERROR_H_
#define MILLSTREAM_BASE_ERROR_H_

#include <string_view>

#include "absl/status/status.h"
#include "base/str_cat.h"
#include "millstream/v1/errors.pb.h"

namespace millstream {

// A Status of the canonical code that belongs to `code`, with `message` shown
// to the caller: it says what to do, and never holds a path of this machine,
// SQL text or a secret. Cut to limits::kErrorMessageBytesMax.
absl::Status MakeError(v1::ErrorCode code, std::string_view message);

// Whether `status` carries a code.
bool HasErrorCode(const absl::Status& status);

// The code carried by `status`; INTERNAL_ERROR if it carries none (canonical
// kCancelled, kDeadlineExceeded, kResourceExhausted and kUnavailable map to
// their namesakes). REQUIRES: !status.ok().
v1::ErrorCode GetErrorCode(const absl::Status& status);

// The message to show: that of `status` if it carries a code, else a fixed
// sentence for what GetErrorCode makes of it. Borrows from `status`.
std::string_view GetPublicMessage(const absl::Status& status);

// As much of a caller's text as a message repeats: its first
// limits::kShownTextLengthMax characters.
std::string_view Shown(std::string_view text);

// `error`, to be shown over HTTP as {"detail": message} with its status: how
// MLflow's artifact proxy answers some requests.
absl::Status WithDetailBody(absl::Status error);
bool HasDetailBody(const absl::Status& error);

// `error`, told over HTTP to be of MLflow's class ATTRIBUTE_NOT_FOUND: a search
// names what its entities do not have.
absl::Status WithAttributeNotFound(absl::Status error);
bool IsAttributeNotFound(const absl::Status& error);

// HTTP status, gRPC code and the JSON body's extras of a code.
const v1::ErrorTraits& GetErrorTraits(v1::ErrorCode code);

// "INVALID_PARAMETER_VALUE" and so on.
const std::string& GetErrorName(v1::ErrorCode code);

// The common ones. Arguments as for StrCat.
template <typename... Args>
absl::Status InvalidParameter(const Args&... args) {
  return MakeError(v1::INVALID_PARAMETER_VALUE, StrCat(args...));
}
template <typename... Args>
absl::Status DoesNotExist(const Args&... args) {
  return MakeError(v1::RESOURCE_DOES_NOT_EXIST, StrCat(args...));
}
template <typename... Args>
absl::Status AlreadyExists(const Args&... args) {
  return MakeError(v1::RESOURCE_ALREADY_EXISTS, StrCat(args...));
}

}  // namespace millstream

#endif  // MILLSTREAM_BASE_ERROR_H_
