#include "base/log.h"

#include <unistd.h>

#include <string>

#include "absl/strings/escaping.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace millstream {
namespace {

constexpr size_t kMessageBytesMax = 4096;

const char* Name(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "INFO ";
    case Severity::kWarning:
      return "WARN ";
    case Severity::kError:
      return "ERROR";
  }
  return "";
}

}  // namespace

void LogLine(Severity severity, std::string_view message) {
  message = message.substr(0, kMessageBytesMax);
  std::string line = absl::StrCat(
      absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(),
                       absl::UTCTimeZone()),
      " ", Name(severity), " ",
      absl::Utf8SafeCEscape(absl::string_view(message.data(), message.size())),
      "\n");
  // One write, so that lines of several threads do not mix. Where it cannot be
  // written there is nobody left to tell.
  [[maybe_unused]] ssize_t written =
      write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace millstream
