// How errors look in JSON answers.
#ifndef MILLSTREAM_GATEWAY_ERROR_BODY_H_
#define MILLSTREAM_GATEWAY_ERROR_BODY_H_

#include "absl/status/status.h"
#include "gateway/http_message.h"

namespace millstream::gateway {

// The answer for `error`: the HTTP status of its code, and a body with
// error_code, message and, where the code has them, sqlstate and error_class.
// Codes that ask the caller to try again come with Retry-After.
// REQUIRES: !error.ok(). Thread-safe.
HttpReply ErrorReply(const absl::Status& error);

// The answer to a request that there is no room for. Thread-safe.
HttpReply BusyReply();

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_ERROR_BODY_H_
