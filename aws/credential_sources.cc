#include "aws/credential_sources.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "aws/json.h"
#include "aws/service.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::aws {
namespace {

// The metadata service of a machine answers at once, or is not there.
constexpr int64_t kMachineConnectMs = 1000;
constexpr int64_t kMachineAnswerMs = 5000;
// To a container it may be silent about a token: see MachineCredentials.
constexpr int64_t kMachineTokenMs = 1000;

// A request to a neighbour: never by way of a proxy.
HttpRequest ToNeighbour(std::string method, const Endpoint& endpoint,
                        NameValues headers) {
  HttpRequest request;
  request.method = std::move(method);
  request.scheme = endpoint.scheme;
  request.host = endpoint.host;
  request.path = endpoint.path.empty() ? "/" : endpoint.path;
  request.headers = std::move(headers);
  request.connect_ms_max = kMachineConnectMs;
  request.idle_ms_max = kMachineAnswerMs;
  request.direct = true;
  return request;
}

absl::StatusOr<HttpResponse> AskNeighbour(HttpClient* http,
                                          const Endpoint& endpoint,
                                          const NameValues& headers) {
  return SendRepeatedly(
      http,
      [&]() -> absl::StatusOr<HttpRequest> {
        return ToNeighbour("GET", endpoint, headers);
      },
      limits::kServiceAnswerBytesMax);
}

// Whether keys may be asked for there without TLS: this machine, and the
// addresses that AWS gives the hosts of containers.
bool IsNeighbour(std::string_view host) {
  if (host.starts_with('[')) {
    host = host.substr(1, host.find(']') - 1);
    return host == "::1" || host == "fd00:ec2::23";
  }
  host = host.substr(0, host.find(':'));
  return host == "localhost" || host == "169.254.170.2" ||
         host == "169.254.170.23" || host.starts_with("127.");
}

}  // namespace

absl::StatusOr<Credentials> ParseCredentialsJson(const std::string& json) {
  const auto members = ParseJsonObject(json);
  if (!members.ok()) return absl::UnavailableError("no keys in the answer");
  const auto text = [&](std::string_view name) -> std::string {
    const auto found = members->find(name);
    return found == members->end() ? "" : found->second;
  };
  Credentials credentials;
  credentials.access_key_id = text("AccessKeyId");
  credentials.secret_access_key = text("SecretAccessKey");
  credentials.session_token =
      text(members->contains("Token") ? "Token" : "SessionToken");
  credentials.expires_ms = ParseExpiration(text("Expiration"));
  if (credentials.access_key_id.empty() ||
      credentials.secret_access_key.empty()) {
    return absl::UnavailableError("no keys in the answer");
  }
  return credentials;
}

absl::StatusOr<Credentials> EnvironmentCredentials::Fetch() {
  Credentials credentials;
  credentials.access_key_id = environment_("AWS_ACCESS_KEY_ID");
  credentials.secret_access_key = environment_("AWS_SECRET_ACCESS_KEY");
  credentials.session_token = environment_("AWS_SESSION_TOKEN");
  if (credentials.access_key_id.empty()) return absl::NotFoundError("");
  if (credentials.secret_access_key.empty()) {
    return absl::FailedPreconditionError(
        "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not");
  }
  return credentials;
}

absl::StatusOr<Credentials> WebIdentityCredentials::Fetch() {
  const std::string file = environment_("AWS_WEB_IDENTITY_TOKEN_FILE");
  const std::string arn = environment_("AWS_ROLE_ARN");
  if (file.empty() || arn.empty()) return absl::NotFoundError("");
  const absl::StatusOr<std::string> token = ReadSettingsFile(file);
  if (!token.ok()) {
    return absl::FailedPreconditionError(
        "the file that AWS_WEB_IDENTITY_TOKEN_FILE names cannot be read");
  }
  return sts_->AssumeRoleWithWebIdentity(
      StdView(absl::StripAsciiWhitespace(*token)),
      {.arn = arn, .session_name = environment_("AWS_ROLE_SESSION_NAME")});
}

absl::StatusOr<Credentials> ContainerCredentials::Fetch() {
  std::string url = environment_("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  if (!url.empty()) {
    url = StrCat("http://169.254.170.2", url);
  } else {
    url = environment_("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  }
  if (url.empty()) return absl::NotFoundError("");
  const absl::StatusOr<Endpoint> endpoint = Endpoint::Parse(url);
  if (!endpoint.ok() ||
      (endpoint->scheme != "https" && !IsNeighbour(endpoint->host))) {
    return absl::FailedPreconditionError(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an address of "
        "the container's host");
  }
  std::string token = environment_("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  const std::string file =
      environment_("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  if (!file.empty()) {
    ASSIGN_OR_RETURN(token, ReadSettingsFile(file));
  }
  absl::StripAsciiWhitespace(&token);
  NameValues headers = {{"Accept", "application/json"}};
  if (!token.empty()) headers.emplace_back("Authorization", token);
  ASSIGN_OR_RETURN(const HttpResponse response,
                   AskNeighbour(http_, *endpoint, headers));
  if (response.status != 200) {
    return absl::UnavailableError(
        StrCat("the container's host gives no AWS credentials (HTTP ",
               response.status, ")"));
  }
  return ParseCredentialsJson(response.body);
}

absl::StatusOr<Credentials> MachineCredentials::Fetch() {
  const std::string disabled =
      absl::AsciiStrToLower(environment_("AWS_EC2_METADATA_DISABLED"));
  if (disabled == "true") return absl::NotFoundError("");
  std::string url = environment_("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (url.empty()) url = "http://169.254.169.254";
  const absl::StatusOr<Endpoint> endpoint = Endpoint::Parse(url);
  if (!endpoint.ok()) return absl::NotFoundError("");
  const auto below = [&](std::string_view path) {
    Endpoint there = *endpoint;
    StrAppend(&there.path, path);
    return there;
  };
  // Not SendRepeatedly, until it is known that there is such a service: most
  // machines have none.
  HttpRequest ask =
      ToNeighbour("PUT", below("/latest/api/token"),
                  {{"X-aws-ec2-metadata-token-ttl-seconds", "21600"}});
  ask.idle_ms_max = kMachineTokenMs;
  const absl::StatusOr<HttpResponse> token =
      http_->Send(ask, limits::kServiceAnswerBytesMax);
  NameValues headers;
  if (token.ok() && token->status == 200) {
    headers = {{"X-aws-ec2-metadata-token", token->body}};
  } else if (token.ok() && token->status != 403 && token->status != 404 &&
             token->status != 405) {
    return absl::NotFoundError("");
  }
  constexpr char kRoles[] = "/latest/meta-data/iam/security-credentials/";
  const absl::StatusOr<HttpResponse> roles =
      headers.empty()
          ? http_->Send(ToNeighbour("GET", below(kRoles), {}),
                        limits::kServiceAnswerBytesMax)
          : AskNeighbour(http_, below(kRoles), headers);
  // Nobody there.
  if (!roles.ok() && headers.empty()) return absl::NotFoundError("");
  RETURN_IF_ERROR(roles.status());
  if (roles->status == 401 && headers.empty()) {
    constexpr std::string_view kAdvice =
        "this machine's metadata service wants a token and gives none to a "
        "container: raise the hop limit to 2 (aws ec2 "
        "modify-instance-metadata-options --http-put-response-hop-limit 2)";
    LogWarning("AWS credentials: ", kAdvice, ".");
    return absl::UnavailableError(AbslView(kAdvice));
  }
  const std::string role(absl::StripAsciiWhitespace(
      absl::string_view(roles->body).substr(0, roles->body.find('\n'))));
  if (roles->status != 200 || role.empty()) return absl::NotFoundError("");
  ASSIGN_OR_RETURN(
      const HttpResponse keys,
      AskNeighbour(http_, below(StrCat(kRoles, PercentEncode(role))), headers));
  if (keys.status != 200) {
    return absl::UnavailableError(
        StrCat("this machine gives no AWS credentials of its role (HTTP ",
               keys.status, ")"));
  }
  return ParseCredentialsJson(keys.body);
}

std::unique_ptr<CredentialSource> UsualCredentials(Environment environment,
                                                   Sts* sts, HttpClient* http) {
  std::vector<std::unique_ptr<CredentialSource>> sources;
  sources.push_back(std::make_unique<EnvironmentCredentials>(environment));
  sources.push_back(std::make_unique<WebIdentityCredentials>(environment, sts));
  sources.push_back(
      std::make_unique<ProfileCredentials>(environment, sts, http));
  sources.push_back(std::make_unique<ContainerCredentials>(environment, http));
  sources.push_back(std::make_unique<MachineCredentials>(environment, http));
  return std::make_unique<CredentialChain>(std::move(sources));
}

}  // namespace millstream::aws
