// What requests to all of AWS's services have in common: where a service is,
// and when a request is sent again.
#ifndef MILLSTREAM_AWS_SERVICE_H_
#define MILLSTREAM_AWS_SERVICE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "aws/environment.h"
#include "aws/http_client.h"
#include "aws/profiles.h"

namespace millstream::aws {

// The region, "us-east-1" if none is said.
std::string RegionOrUsual(const Environment& environment,
                          const Profiles& profiles);

// "https://sts.eu-west-1.amazonaws.com" for "sts", unless
// AWS_ENDPOINT_URL_<SERVICE> or AWS_ENDPOINT_URL say otherwise.
std::string ServiceUrl(const Environment& environment, const Profiles& profiles,
                       std::string_view service);
// The domain that a region's services are in.
std::string_view DomainOf(std::string_view region);

// Whether a status tells of a fault that goes away: 500, 502, 503, 504, 429.
bool IsTransientStatus(int status);

// When to send a request again: at most five times, after waits that grow from
// 100 ms to 5 s and are partly chance. Not thread-safe.
class Backoff {
 public:
  static constexpr int kTriesMax = 5;

  // After a try that failed: waits and returns true, or false if it was the
  // last.
  bool Wait();

 private:
  int tries_ = 0;
};

// Sends what `make` makes, anew each time, until it is answered with a status
// that is not transient, or the last try has been.
absl::StatusOr<HttpResponse> SendRepeatedly(
    HttpClient* http, const std::function<absl::StatusOr<HttpRequest>()>& make,
    size_t body_bytes_max);

}  // namespace millstream::aws

#endif  // MILLSTREAM_AWS_SERVICE_H_
