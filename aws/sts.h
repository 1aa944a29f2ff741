// AWS's Security Token Service: keys for a role.
#ifndef MILLSTREAM_AWS_STS_H_
#define MILLSTREAM_AWS_STS_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "aws/environment.h"
#include "aws/http_client.h"
#include "aws/profiles.h"
#include "aws/signer.h"
#include "base/clock.h"

namespace millstream::aws {

struct Role {
  std::string arn;
  // Empty for a name of our own.
  std::string session_name;
  // Empty for none.
  std::string external_id = {};
  // Empty for the hour that is usual.
  std::string duration_seconds = {};
};

// Thread-safe.
class Sts {
 public:
  // Where the service is: AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, or the
  // region's own. What is passed by pointer outlives this.
  Sts(const Environment& environment, const Profiles& profiles,
      HttpClient* http, const Clock* clock);

  // Errors: PERMISSION_DENIED if the service refuses, UNAVAILABLE if it cannot
  // be asked.
  absl::StatusOr<Credentials> AssumeRole(const Credentials& by,
                                         const Role& role);
  absl::StatusOr<Credentials> AssumeRoleWithWebIdentity(std::string_view token,
                                                        const Role& role);

 private:
  absl::StatusOr<Credentials> Ask(const Credentials* by, NameValues parameters,
                                  const Role& role);

  const std::string url_;
  const std::string region_;
  HttpClient* const http_;
  const Clock* const clock_;
};

// The keys in the answer to an action. UNAVAILABLE, which repeats nothing of
// it, if there are none in it.
absl::StatusOr<Credentials> ParseStsAnswer(std::string_view action,
                                           std::string_view xml);

// Milliseconds since the Unix epoch of a time as AWS writes it; 0 if it is
// none.
int64_t ParseExpiration(std::string_view text);

}  // namespace millstream::aws

#endif  // MILLSTREAM_AWS_STS_H_
