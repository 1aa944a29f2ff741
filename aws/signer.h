// AWS Signature Version 4: of a request's headers, and of a URL that whoever
// holds it may use for a while.
//
// libcurl signs too, but not URLs, and Debian's not keys and queries with
// special characters; so there is this one signer for both.
//
// All functions are thread-safe.
#ifndef MILLSTREAM_AWS_SIGNER_H_
#define MILLSTREAM_AWS_SIGNER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "aws/http_request.h"

namespace millstream::aws {

struct Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  // Empty for keys that last.
  std::string session_token = {};
  // Milliseconds since the Unix epoch; 0 for never.
  int64_t expires_ms = 0;
};

// What a signature holds for.
struct SigningScope {
  std::string region;
  std::string service;
  // Now: milliseconds since the Unix epoch.
  int64_t time_ms = 0;
};

// The hash of a body that is not to be signed: TLS keeps it as it is.
inline constexpr char kUnsignedPayload[] = "UNSIGNED-PAYLOAD";

// Adds the headers that authenticate `request`. All headers that it has are
// signed, so none may change after. `payload_hash`: of its body, in
// hexadecimal digits, or kUnsignedPayload.
void SignRequest(const Credentials& credentials, const SigningScope& scope,
                 std::string_view payload_hash, HttpRequest* request);

// The URL of `request`, good for `seconds`. Whoever uses it must send the
// headers that `request` has.
std::string PresignUrl(const Credentials& credentials,
                       const SigningScope& scope, int64_t seconds,
                       HttpRequest request);

}  // namespace millstream::aws

#endif  // MILLSTREAM_AWS_SIGNER_H_
