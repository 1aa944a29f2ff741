#include "aws/service.h"

#include <algorithm>

#include "absl/random/random.h"
#include "absl/strings/ascii.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::aws {
namespace {

constexpr int64_t kFirstWaitMs = 100;
constexpr int64_t kWaitMsMax = 5000;

}  // namespace

std::string RegionOrUsual(const Environment& environment,
                          const Profiles& profiles) {
  const std::string region = RegionOf(environment, profiles);
  return region.empty() ? "us-east-1" : region;
}

std::string_view DomainOf(std::string_view region) {
  if (region.starts_with("cn-")) return "amazonaws.com.cn";
  if (region.starts_with("us-iso-")) return "c2s.ic.gov";
  if (region.starts_with("us-isob-")) return "sc2s.sgov.gov";
  return "amazonaws.com";
}

std::string ServiceUrl(const Environment& environment, const Profiles& profiles,
                       std::string_view service) {
  std::string variable =
      absl::AsciiStrToUpper(StrCat("AWS_ENDPOINT_URL_", service));
  std::string url = environment(variable.c_str());
  if (url.empty()) url = environment("AWS_ENDPOINT_URL");
  if (url.empty()) url = profiles.Setting("endpoint_url");
  if (!url.empty()) return url;
  const std::string region = RegionOrUsual(environment, profiles);
  return StrCat("https://", service, ".", region, ".", DomainOf(region));
}

bool IsTransientStatus(int status) {
  return status == 500 || status == 502 || status == 503 || status == 504 ||
         status == 429;
}

bool Backoff::Wait() {
  if (++tries_ >= kTriesMax) return false;
  const int64_t most_ms =
      std::min(kWaitMsMax, kFirstWaitMs << (2 * (tries_ - 1)));
  absl::BitGen random;
  absl::SleepFor(absl::Milliseconds(absl::Uniform<int64_t>(
      absl::IntervalClosed, random, most_ms / 2, most_ms)));
  return true;
}

absl::StatusOr<HttpResponse> SendRepeatedly(
    HttpClient* http, const std::function<absl::StatusOr<HttpRequest>()>& make,
    size_t body_bytes_max) {
  Backoff backoff;
  for (;;) {
    ASSIGN_OR_RETURN(const HttpRequest request, make());
    absl::StatusOr<HttpResponse> response = http->Send(request, body_bytes_max);
    const bool transient = response.ok()
                               ? IsTransientStatus(response->status)
                               : absl::IsUnavailable(response.status());
    if (!transient || !backoff.Wait()) return response;
  }
}

}  // namespace millstream::aws
