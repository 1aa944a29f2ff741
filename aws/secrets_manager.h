// AWS Secrets Manager: a secret by its name.
#ifndef MILLSTREAM_AWS_SECRETS_MANAGER_H_
#define MILLSTREAM_AWS_SECRETS_MANAGER_H_

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "aws/credentials.h"
#include "aws/environment.h"
#include "aws/http_client.h"
#include "aws/profiles.h"
#include "base/clock.h"

namespace millstream::aws {

// Thread-safe.
class SecretsManager {
 public:
  // Where the service is: AWS_ENDPOINT_URL_SECRETS_MANAGER, AWS_ENDPOINT_URL,
  // or the region's own. What is passed by pointer outlives this.
  SecretsManager(const Environment& environment, const Profiles& profiles,
                 HttpClient* http, CredentialKeeper* credentials,
                 const Clock* clock);

  // The members of a secret that is a JSON object of texts and numbers, as
  // those of databases are. NOT_FOUND: no such secret; PERMISSION_DENIED;
  // INVALID_ARGUMENT: it is no JSON object; UNAVAILABLE: the service cannot be
  // asked. Messages never hold what is in it.
  absl::StatusOr<std::map<std::string, std::string, std::less<>>> Get(
      std::string_view name_or_arn);

 private:
  const std::string url_;
  const std::string region_;
  HttpClient* const http_;
  CredentialKeeper* const credentials_;
  const Clock* const clock_;
};

// One secret, with the usual credentials and this process's environment: what
// a server reads at its start.
absl::StatusOr<std::map<std::string, std::string, std::less<>>> ReadSecret(
    const Environment& environment, std::string_view name_or_arn);

}  // namespace millstream::aws

#endif  // MILLSTREAM_AWS_SECRETS_MANAGER_H_
