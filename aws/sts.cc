#include "aws/sts.h"

#include <pugixml.hpp>
#include <utility>

#include "absl/time/time.h"
#include "aws/digest.h"
#include "aws/service.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::aws {

int64_t ParseExpiration(std::string_view text) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, AbslView(text), &time, &error)) {
    return 0;
  }
  return absl::ToUnixMillis(time);
}

Sts::Sts(const Environment& environment, const Profiles& profiles,
         HttpClient* http, const Clock* clock)
    : url_(ServiceUrl(environment, profiles, "sts")),
      region_(RegionOrUsual(environment, profiles)),
      http_(http),
      clock_(clock) {}

absl::StatusOr<Credentials> Sts::AssumeRole(const Credentials& by,
                                            const Role& role) {
  NameValues parameters = {{"Action", "AssumeRole"}};
  if (!role.external_id.empty()) {
    parameters.emplace_back("ExternalId", role.external_id);
  }
  return Ask(&by, std::move(parameters), role);
}

absl::StatusOr<Credentials> Sts::AssumeRoleWithWebIdentity(
    std::string_view token, const Role& role) {
  return Ask(nullptr,
             {{"Action", "AssumeRoleWithWebIdentity"},
              {"WebIdentityToken", std::string(token)}},
             role);
}

absl::StatusOr<Credentials> Sts::Ask(const Credentials* by,
                                     NameValues parameters, const Role& role) {
  parameters.emplace_back("Version", "2011-06-15");
  parameters.emplace_back("RoleArn", role.arn);
  parameters.emplace_back("RoleSessionName",
                          !role.session_name.empty()
                              ? role.session_name
                              : StrCat("millstream-", clock_->NowMs()));
  if (!role.duration_seconds.empty()) {
    parameters.emplace_back("DurationSeconds", role.duration_seconds);
  }
  TextBody body(EncodeQuery(parameters));
  ASSIGN_OR_RETURN(const Endpoint endpoint, Endpoint::Parse(url_));
  const auto make = [&]() -> absl::StatusOr<HttpRequest> {
    HttpRequest request;
    request.method = "POST";
    request.scheme = endpoint.scheme;
    request.host = endpoint.host;
    request.path = StrCat(endpoint.path, "/");
    request.headers = {
        {"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}};
    request.body = &body;
    if (by != nullptr) {
      SignRequest(*by, {region_, "sts", clock_->NowMs()},
                  Hex(Sha256(body.text())), &request);
    }
    return request;
  };
  ASSIGN_OR_RETURN(const HttpResponse response,
                   SendRepeatedly(http_, make, limits::kServiceAnswerBytesMax));
  if (response.status != 200) {
    pugi::xml_document document;
    document.load_buffer(response.body.data(), response.body.size());
    return absl::PermissionDeniedError(StrCat(
        "STS gives no keys for role ", role.arn, " (",
        document.child("ErrorResponse").child("Error").child_value("Code"),
        ", HTTP ", response.status, ")"));
  }
  return ParseStsAnswer(parameters.front().second, response.body);
}

absl::StatusOr<Credentials> ParseStsAnswer(std::string_view action,
                                           std::string_view xml) {
  pugi::xml_document document;
  document.load_buffer(xml.data(), xml.size());
  const pugi::xml_node found =
      document.child(StrCat(action, "Response").c_str())
          .child(StrCat(action, "Result").c_str())
          .child("Credentials");
  Credentials credentials;
  credentials.access_key_id = found.child_value("AccessKeyId");
  credentials.secret_access_key = found.child_value("SecretAccessKey");
  credentials.session_token = found.child_value("SessionToken");
  credentials.expires_ms = ParseExpiration(found.child_value("Expiration"));
  if (credentials.access_key_id.empty() ||
      credentials.secret_access_key.empty()) {
    return absl::UnavailableError("STS answers in a form that is not its own");
  }
  return credentials;
}

}  // namespace millstream::aws
