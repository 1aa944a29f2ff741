#include "aws/signer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/time/time.h"
#include "aws/digest.h"
#include "base/str_cat.h"

namespace millstream::aws {
namespace {

constexpr char kAlgorithm[] = "AWS4-HMAC-SHA256";

std::string Timestamp(int64_t time_ms) {
  return absl::FormatTime("%Y%m%dT%H%M%SZ", absl::FromUnixMillis(time_ms),
                          absl::UTCTimeZone());
}

// "20130524/us-east-1/s3/aws4_request"
std::string ScopeText(const SigningScope& scope) {
  return StrCat(Timestamp(scope.time_ms).substr(0, 8), "/", scope.region, "/",
                scope.service, "/aws4_request");
}

// A header's value with blanks cut off its ends and runs of them made one.
std::string Trimmed(std::string_view value) {
  std::string text(value);
  absl::RemoveExtraAsciiWhitespace(&text);
  return text;
}

// Query as it is signed: encoded, then in byte order.
std::string CanonicalQuery(const NameValues& query) {
  NameValues encoded;
  encoded.reserve(query.size());
  for (const auto& [name, value] : query) {
    encoded.emplace_back(PercentEncode(name), PercentEncode(value));
  }
  std::sort(encoded.begin(), encoded.end());
  std::string text;
  for (const auto& [name, value] : encoded) {
    StrAppend(&text, text.empty() ? "" : "&", name, "=", value);
  }
  return text;
}

// The headers as they are signed, and the list of their names.
struct CanonicalHeaders {
  std::string lines;
  std::string names;
};

CanonicalHeaders Canonical(const HttpRequest& request) {
  NameValues headers = {{"host", request.host}};
  for (const auto& [name, value] : request.headers) {
    headers.emplace_back(absl::AsciiStrToLower(name), Trimmed(value));
  }
  std::sort(headers.begin(), headers.end());
  CanonicalHeaders canonical;
  for (const auto& [name, value] : headers) {
    StrAppend(&canonical.lines, name, ":", value, "\n");
    StrAppend(&canonical.names, canonical.names.empty() ? "" : ";", name);
  }
  return canonical;
}

std::string Signature(const Credentials& credentials, const SigningScope& scope,
                      const HttpRequest& request,
                      const CanonicalHeaders& headers,
                      std::string_view payload_hash) {
  const std::string canonical_request = StrCat(
      request.method, "\n", request.path, "\n", CanonicalQuery(request.query),
      "\n", headers.lines, "\n", headers.names, "\n", payload_hash);
  const std::string to_sign =
      StrCat(kAlgorithm, "\n", Timestamp(scope.time_ms), "\n", ScopeText(scope),
             "\n", Hex(Sha256(canonical_request)));
  std::string key = HmacSha256(StrCat("AWS4", credentials.secret_access_key),
                               Timestamp(scope.time_ms).substr(0, 8));
  key = HmacSha256(key, scope.region);
  key = HmacSha256(key, scope.service);
  key = HmacSha256(key, "aws4_request");
  return Hex(HmacSha256(key, to_sign));
}

}  // namespace

void SignRequest(const Credentials& credentials, const SigningScope& scope,
                 std::string_view payload_hash, HttpRequest* request) {
  request->headers.emplace_back("x-amz-date", Timestamp(scope.time_ms));
  if (scope.service == "s3") {
    request->headers.emplace_back("x-amz-content-sha256", payload_hash);
  }
  if (!credentials.session_token.empty()) {
    request->headers.emplace_back("x-amz-security-token",
                                  credentials.session_token);
  }
  const CanonicalHeaders headers = Canonical(*request);
  const std::string signature =
      Signature(credentials, scope, *request, headers, payload_hash);
  request->headers.emplace_back(
      "Authorization",
      StrCat(kAlgorithm, " Credential=", credentials.access_key_id, "/",
             ScopeText(scope), ",SignedHeaders=", headers.names,
             ",Signature=", signature));
}

std::string PresignUrl(const Credentials& credentials,
                       const SigningScope& scope, int64_t seconds,
                       HttpRequest request) {
  const CanonicalHeaders headers = Canonical(request);
  NameValues& query = request.query;
  query.emplace_back("X-Amz-Algorithm", kAlgorithm);
  query.emplace_back("X-Amz-Credential",
                     StrCat(credentials.access_key_id, "/", ScopeText(scope)));
  query.emplace_back("X-Amz-Date", Timestamp(scope.time_ms));
  query.emplace_back("X-Amz-Expires", StrCat(seconds));
  if (!credentials.session_token.empty()) {
    query.emplace_back("X-Amz-Security-Token", credentials.session_token);
  }
  query.emplace_back("X-Amz-SignedHeaders", headers.names);
  const std::string signature =
      Signature(credentials, scope, request, headers, kUnsignedPayload);
  return StrCat(request.scheme, "://", request.host, request.path, "?",
                EncodeQuery(query), "&X-Amz-Signature=", signature);
}

}  // namespace millstream::aws
