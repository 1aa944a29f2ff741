// ProfileCredentials: keys by a profile of ~/.aws.
#include <string>

#include "absl/strings/ascii.h"
#include "absl/time/time.h"
#include "aws/credential_sources.h"
#include "aws/process_output.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::aws {
namespace {

// Profiles that lead to one another.
constexpr int kDepthMax = 8;

std::string Get(const Profile& profile, std::string_view name) {
  const auto found = profile.find(name);
  return found == profile.end() ? "" : found->second;
}

// A profile's program, which may ask somebody over the network.
constexpr absl::Duration kProcessMax = absl::Minutes(1);

// Runs it and reads the keys that it writes.
absl::StatusOr<Credentials> RunProcess(const std::string& command,
                                       const std::string& profile) {
  const auto json =
      OutputOf(command, kProcessMax, limits::kSettingsFileBytesMax);
  if (json.ok()) return ParseCredentialsJson(*json);
  return absl::UnavailableError(
      StrCat("the credential_process of profile '", profile,
             "' failed: ", StdView(json.status().message())));
}

// Those who sign on by a browser leave tokens that last for hours at most.
absl::Status SignsOn(const std::string& profile) {
  return absl::FailedPreconditionError(StrCat(
      "profile '", profile,
      "' signs on by SSO, which takes a person: give the server a role or "
      "keys, or a profile with credential_process = aws configure "
      "export-credentials --profile ",
      profile, " --format process"));
}

}  // namespace

absl::StatusOr<Credentials> ProfileCredentials::Fetch() {
  // The files may have changed: read anew.
  const Profiles profiles = Profiles::Load(environment_);
  if (profiles.Find(profiles.chosen()) == nullptr) {
    if (!profiles.is_chosen()) return absl::NotFoundError("");
    return absl::FailedPreconditionError(
        StrCat("AWS_PROFILE names profile '", profiles.chosen(),
               "', which ~/.aws does not have"));
  }
  return FetchOf(profiles, profiles.chosen(), 0);
}

absl::StatusOr<Credentials> ProfileCredentials::FetchOf(
    const Profiles& profiles, const std::string& name, int depth) {
  const Profile* profile = profiles.Find(name);
  if (profile == nullptr) {
    return absl::FailedPreconditionError(
        StrCat("~/.aws has no profile '", name, "'"));
  }
  if (depth > kDepthMax) {
    return absl::FailedPreconditionError(
        StrCat("profile '", name, "' leads in a circle"));
  }
  // A profile may name itself as the source of the keys that it has.
  if (!Get(*profile, "role_arn").empty() &&
      !(depth > 0 && Get(*profile, "source_profile") == name)) {
    return FetchRole(profiles, *profile, name, depth);
  }
  Credentials credentials;
  credentials.access_key_id = Get(*profile, "aws_access_key_id");
  credentials.secret_access_key = Get(*profile, "aws_secret_access_key");
  credentials.session_token = Get(*profile, "aws_session_token");
  if (!credentials.access_key_id.empty() &&
      !credentials.secret_access_key.empty()) {
    return credentials;
  }
  const std::string process = Get(*profile, "credential_process");
  if (!process.empty()) return RunProcess(process, name);
  if (!Get(*profile, "sso_session").empty() ||
      !Get(*profile, "sso_start_url").empty()) {
    // The container or machine may have a role, unless the profile was asked
    // for.
    const absl::Status signs_on = SignsOn(name);
    return depth > 0 || profiles.is_chosen()
               ? signs_on
               : absl::NotFoundError(signs_on.message());
  }
  if (depth == 0) return absl::NotFoundError("");
  return absl::FailedPreconditionError(
      StrCat("profile '", name, "' has no keys"));
}

absl::StatusOr<Credentials> ProfileCredentials::FetchRole(
    const Profiles& profiles, const Profile& profile, const std::string& name,
    int depth) {
  const Role role = {.arn = Get(profile, "role_arn"),
                     .session_name = Get(profile, "role_session_name"),
                     .external_id = Get(profile, "external_id"),
                     .duration_seconds = Get(profile, "duration_seconds")};
  const std::string token_file = Get(profile, "web_identity_token_file");
  if (!token_file.empty()) {
    ASSIGN_OR_RETURN(const std::string token, ReadSettingsFile(token_file));
    return sts_->AssumeRoleWithWebIdentity(
        StdView(absl::StripAsciiWhitespace(token)), role);
  }
  const std::string source = Get(profile, "source_profile");
  if (!source.empty()) {
    ASSIGN_OR_RETURN(const Credentials by,
                     FetchOf(profiles, source, depth + 1));
    return sts_->AssumeRole(by, role);
  }
  const std::string place = Get(profile, "credential_source");
  absl::StatusOr<Credentials> by = absl::FailedPreconditionError(
      StrCat("profile '", name,
             "' has a role_arn, but neither "
             "source_profile nor credential_source"));
  if (place == "Environment") {
    by = EnvironmentCredentials(environment_).Fetch();
  } else if (place == "EcsContainer") {
    by = ContainerCredentials(environment_, http_).Fetch();
  } else if (place == "Ec2InstanceMetadata") {
    by = MachineCredentials(environment_, http_).Fetch();
  }
  if (absl::IsNotFound(by.status())) {
    return absl::FailedPreconditionError(StrCat(
        "profile '", name, "': credential_source ", place, " has no keys"));
  }
  RETURN_IF_ERROR(by.status());
  return sts_->AssumeRole(*by, role);
}

}  // namespace millstream::aws
