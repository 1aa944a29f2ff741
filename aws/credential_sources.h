// The places that keys come from, in the order in which they are asked.
#ifndef MILLSTREAM_AWS_CREDENTIAL_SOURCES_H_
#define MILLSTREAM_AWS_CREDENTIAL_SOURCES_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "aws/credentials.h"
#include "aws/environment.h"
#include "aws/http_client.h"
#include "aws/profiles.h"
#include "aws/sts.h"
#include "base/clock.h"

namespace millstream::aws {

// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
class EnvironmentCredentials final : public CredentialSource {
 public:
  explicit EnvironmentCredentials(Environment environment)
      : environment_(std::move(environment)) {}
  absl::StatusOr<Credentials> Fetch() override;

 private:
  const Environment environment_;
};

// A token in the file AWS_WEB_IDENTITY_TOKEN_FILE, for the role AWS_ROLE_ARN.
class WebIdentityCredentials final : public CredentialSource {
 public:
  // `sts` outlives this.
  WebIdentityCredentials(Environment environment, Sts* sts)
      : environment_(std::move(environment)), sts_(sts) {}
  absl::StatusOr<Credentials> Fetch() override;

 private:
  const Environment environment_;
  Sts* const sts_;
};

// The container's own: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI (of
// this machine, the container hosts' addresses, or https), with
// AWS_CONTAINER_AUTHORIZATION_TOKEN(_FILE).
class ContainerCredentials final : public CredentialSource {
 public:
  // `http` outlives this.
  ContainerCredentials(Environment environment, HttpClient* http)
      : environment_(std::move(environment)), http_(http) {}
  absl::StatusOr<Credentials> Fetch() override;

 private:
  const Environment environment_;
  HttpClient* const http_;
};

// The role of the machine, by its metadata service; unless
// AWS_EC2_METADATA_DISABLED. AWS_EC2_METADATA_SERVICE_ENDPOINT names another
// address. By version 2, or without a token where none is to be had: the answer
// to who asks for one does not reach a container while the machine's hop limit
// is 1. UNAVAILABLE, and a line in the log, if version 2 is demanded then.
class MachineCredentials final : public CredentialSource {
 public:
  // `http` outlives this.
  MachineCredentials(Environment environment, HttpClient* http)
      : environment_(std::move(environment)), http_(http) {}
  absl::StatusOr<Credentials> Fetch() override;

 private:
  const Environment environment_;
  HttpClient* const http_;
};

// The chosen profile: keys, role_arn by source_profile, credential_source or
// web_identity_token_file, or credential_process. (Profiles of single sign-on
// are none for servers.)
class ProfileCredentials final : public CredentialSource {
 public:
  // What is passed by pointer outlives this.
  ProfileCredentials(Environment environment, Sts* sts, HttpClient* http)
      : environment_(std::move(environment)), sts_(sts), http_(http) {}
  absl::StatusOr<Credentials> Fetch() override;

 private:
  absl::StatusOr<Credentials> FetchOf(const Profiles& profiles,
                                      const std::string& name, int depth);
  absl::StatusOr<Credentials> FetchRole(const Profiles& profiles,
                                        const Profile& profile,
                                        const std::string& name, int depth);

  const Environment environment_;
  Sts* const sts_;
  HttpClient* const http_;
};

// All of them: environment, web identity, profile, container, machine. What is
// passed by pointer outlives it.
std::unique_ptr<CredentialSource> UsualCredentials(Environment environment,
                                                   Sts* sts, HttpClient* http);

// Keys as the metadata services and credential processes write them.
// UNAVAILABLE, which repeats nothing of it, if there are none in it.
absl::StatusOr<Credentials> ParseCredentialsJson(const std::string& json);

}  // namespace millstream::aws

#endif  // MILLSTREAM_AWS_CREDENTIAL_SOURCES_H_
