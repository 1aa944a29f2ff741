// The server's log: lines on standard error, one per event, with time and
// severity. Never holds secrets, SQL values or bodies.
//
// All functions are thread-safe; a line is written whole.
#ifndef MILLSTREAM_BASE_LOG_H_
#define MILLSTREAM_BASE_LOG_H_

#include <string_view>

#include "base/str_cat.h"

namespace millstream {

enum class Severity { kInfo, kWarning, kError };

// Writes one line; control characters in `message` are escaped, so that no
// caller can forge a line. Messages over 4 KiB are cut.
void LogLine(Severity severity, std::string_view message);

// Arguments as for StrCat.
template <typename... Args>
void LogInfo(const Args&... args) {
  LogLine(Severity::kInfo, StrCat(args...));
}
template <typename... Args>
void LogWarning(const Args&... args) {
  LogLine(Severity::kWarning, StrCat(args...));
}
template <typename... Args>
void LogError(const Args&... args) {
  LogLine(Severity::kError, StrCat(args...));
}

}  // namespace millstream

#endif  // MILLSTREAM_BASE_LOG_H_
