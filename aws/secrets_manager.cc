#include "aws/secrets_manager.h"

#include "aws/credential_sources.h"
#include "aws/digest.h"
#include "aws/json.h"
#include "aws/service.h"
#include "aws/signer.h"
#include "aws/sts.h"
#include "base/limits.h"
#include "base/python_json.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::aws {
namespace {

std::string UrlOf(const Environment& environment, const Profiles& profiles) {
  std::string url = environment("AWS_ENDPOINT_URL_SECRETS_MANAGER");
  return url.empty() ? ServiceUrl(environment, profiles, "secretsmanager")
                     : url;
}

// What the service's refusal means. `type`: its "__type", perhaps after a "#".
absl::Status Refusal(std::string_view name, std::string_view type, int status) {
  const size_t hash = type.rfind('#');
  if (hash != std::string_view::npos) type.remove_prefix(hash + 1);
  const std::string message =
      StrCat("AWS Secrets Manager does not give secret '", name, "' (", type,
             ", HTTP ", status, ")");
  if (type == "ResourceNotFoundException") return absl::NotFoundError(message);
  if (IsTransientStatus(status)) return absl::UnavailableError(message);
  return absl::PermissionDeniedError(message);
}

}  // namespace

SecretsManager::SecretsManager(const Environment& environment,
                               const Profiles& profiles, HttpClient* http,
                               CredentialKeeper* credentials,
                               const Clock* clock)
    : url_(UrlOf(environment, profiles)),
      region_(RegionOrUsual(environment, profiles)),
      http_(http),
      credentials_(credentials),
      clock_(clock) {}

absl::StatusOr<std::map<std::string, std::string, std::less<>>>
SecretsManager::Get(std::string_view name_or_arn) {
  std::string json = "{\"SecretId\":";
  AppendPythonJsonString(name_or_arn, &json);
  json += '}';
  TextBody body(std::move(json));
  ASSIGN_OR_RETURN(const Endpoint endpoint, Endpoint::Parse(url_));
  const auto make = [&]() -> absl::StatusOr<HttpRequest> {
    HttpRequest request;
    request.method = "POST";
    request.scheme = endpoint.scheme;
    request.host = endpoint.host;
    request.path = StrCat(endpoint.path, "/");
    request.headers = {{"Content-Type", "application/x-amz-json-1.1"},
                       {"X-Amz-Target", "secretsmanager.GetSecretValue"}};
    request.body = &body;
    ASSIGN_OR_RETURN(const Credentials keys, credentials_->Get());
    SignRequest(keys, {region_, "secretsmanager", clock_->NowMs()},
                Hex(Sha256(body.text())), &request);
    return request;
  };
  ASSIGN_OR_RETURN(const HttpResponse response,
                   SendRepeatedly(http_, make, limits::kServiceAnswerBytesMax));
  const auto answer = ParseJsonObject(response.body);
  const auto member = [&](std::string_view name) -> std::string_view {
    if (!answer.ok()) return "";
    const auto found = answer->find(name);
    return found == answer->end() ? "" : std::string_view(found->second);
  };
  if (response.status != 200) {
    return Refusal(name_or_arn, member("__type"), response.status);
  }
  auto secret = ParseJsonObject(member("SecretString"));
  if (secret.ok()) return secret;
  return absl::InvalidArgumentError(
      StrCat("Secret '", name_or_arn, "' is no JSON object."));
}

absl::StatusOr<std::map<std::string, std::string, std::less<>>> ReadSecret(
    const Environment& environment, std::string_view name_or_arn) {
  HttpClient http({.ca_bundle = environment("AWS_CA_BUNDLE")});
  const Profiles profiles = Profiles::Load(environment);
  Sts sts(environment, profiles, &http, &Clock::System());
  CredentialKeeper credentials(UsualCredentials(environment, &sts, &http),
                               &Clock::System());
  return SecretsManager(environment, profiles, &http, &credentials,
                        &Clock::System())
      .Get(name_or_arn);
}

}  // namespace millstream::aws
