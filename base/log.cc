#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/python_json.h"

namespace millstream {
namespace {

constexpr size_t kTextBytesMax = 4096;

std::atomic<LogFormat> log_format{LogFormat::kText};

const char* Name(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "INFO";
    case Severity::kWarning:
      return "WARN";
    case Severity::kError:
      return "ERROR";
  }
  return "";
}

// Not in the middle of a character.
std::string_view Cut(std::string_view text) {
  if (text.size() <= kTextBytesMax) return text;
  size_t end = kTextBytesMax;
  while (end > 0 && (text[end] & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

std::string Escaped(std::string_view text) {
  text = Cut(text);
  return absl::Utf8SafeCEscape(absl::string_view(text.data(), text.size()));
}

// In quotes unless it is one plain word.
std::string Quoted(std::string_view text) {
  bool plain = !text.empty();
  for (const char c : text) {
    plain = plain && absl::ascii_isgraph(static_cast<unsigned char>(c)) &&
            c != '"' && c != '\\' && c != '=';
  }
  if (plain) return std::string(Cut(text));
  return absl::StrCat("\"", Escaped(text), "\"");
}

std::string AsText(Severity severity, std::string_view time,
                   std::string_view message,
                   std::initializer_list<LogField> fields) {
  std::string line =
      StrCat(time, " ", Name(severity),
             std::string(5 - std::string_view(Name(severity)).size(), ' '),
             " ", Escaped(message));
  for (const LogField& field : fields) {
    StrAppend(&line, " ", field.name, "=");
    if (const auto* text = std::get_if<std::string_view>(&field.value)) {
      line += Quoted(*text);
    } else if (const auto* number = std::get_if<int64_t>(&field.value)) {
      StrAppend(&line, *number);
    } else {
      StrAppend(&line, std::get<double>(field.value));
    }
  }
  return line;
}

std::string AsJson(Severity severity, std::string_view time,
                   std::string_view message,
                   std::initializer_list<LogField> fields) {
  std::string line = StrCat("{\"time\":\"", time, "\",\"severity\":\"",
                            Name(severity), "\",\"message\":");
  AppendPythonJsonString(Cut(message), &line);
  for (const LogField& field : fields) {
    StrAppend(&line, ",\"", field.name, "\":");
    if (const auto* text = std::get_if<std::string_view>(&field.value)) {
      AppendPythonJsonString(Cut(*text), &line);
    } else if (const auto* number = std::get_if<int64_t>(&field.value)) {
      StrAppend(&line, *number);
    } else {
      StrAppend(&line, std::get<double>(field.value));
    }
  }
  line += "}";
  return line;
}

}  // namespace

void SetLogFormat(LogFormat format) { log_format.store(format); }

std::string LogText(LogFormat format, Severity severity, int64_t time_ms,
                    std::string_view message,
                    std::initializer_list<LogField> fields) {
  const std::string time =
      absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMillis(time_ms),
                       absl::UTCTimeZone());
  return format == LogFormat::kJson
             ? AsJson(severity, time, message, fields)
             : AsText(severity, time, message, fields);
}

void LogEvent(Severity severity, std::string_view message,
              std::initializer_list<LogField> fields) {
  std::string line = LogText(log_format.load(), severity,
                             Clock::System().NowMs(), message, fields);
  line += "\n";
  // One write, so that lines of several threads do not mix. Where it cannot be
  // written there is nobody left to tell.
  [[maybe_unused]] ssize_t written =
      write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace millstream
