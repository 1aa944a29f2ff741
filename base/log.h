// The server's log: lines on standard error, one per event, with time, severity
// and fields. Never holds secrets, SQL values or bodies.
//
// Text:  2026-01-31T12:00:00.000Z INFO  request method=GET status=200
// JSON:  {"time":"2026-01-31T12:00:00.000Z","severity":"INFO",
//         "message":"request","method":"GET","status":200}    (in one line)
//
// All functions are thread-safe; a line is written whole.
#ifndef MILLSTREAM_BASE_LOG_H_
#define MILLSTREAM_BASE_LOG_H_

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <variant>

#include "base/str_cat.h"

namespace millstream {

enum class Severity { kInfo, kWarning, kError };

enum class LogFormat { kText, kJson };

// The form of all lines from now on; text before.
void SetLogFormat(LogFormat format);

// What belongs to an event besides its message. Borrows its text.
struct LogField {
  template <std::integral T>
  LogField(std::string_view name, T value)
      : name(name), value(static_cast<int64_t>(value)) {}
  LogField(std::string_view name, double value) : name(name), value(value) {}
  LogField(std::string_view name, std::string_view value)
      : name(name), value(value) {}

  // Constant, a plain word.
  std::string_view name;
  std::variant<int64_t, double, std::string_view> value;
};

// Writes one line; control characters are escaped, so that no caller can forge
// a line. Messages and values over 4 KiB are cut.
void LogEvent(Severity severity, std::string_view message,
              std::initializer_list<LogField> fields);

// Arguments as for StrCat.
template <typename... Args>
void LogInfo(const Args&... args) {
  LogEvent(Severity::kInfo, StrCat(args...), {});
}
template <typename... Args>
void LogWarning(const Args&... args) {
  LogEvent(Severity::kWarning, StrCat(args...), {});
}
template <typename... Args>
void LogError(const Args&... args) {
  LogEvent(Severity::kError, StrCat(args...), {});
}

// A line without its end, as LogEvent writes it.
std::string LogText(LogFormat format, Severity severity, int64_t time_ms,
                    std::string_view message,
                    std::initializer_list<LogField> fields);

}  // namespace millstream

#endif  // MILLSTREAM_BASE_LOG_H_
