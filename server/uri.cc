#include "server/uri.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <iterator>

#include "absl/strings/ascii.h"
#include "base/limits.h"

namespace millstream::server {
namespace {

bool IsSchemeCharacter(char c) {
  return absl::ascii_isalnum(c) || c == '+' || c == '-' || c == '.';
}

// Length of the scheme that `text` begins with; 0 if there is none.
size_t SchemeLength(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 ||
      !absl::ascii_isalpha(text[0])) {
    return 0;
  }
  return std::all_of(text.begin(), text.begin() + colon, IsSchemeCharacter)
             ? colon
             : 0;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string Uri::Host() const {
  std::string_view host = authority;
  if (size_t at = host.rfind('@'); at != std::string_view::npos) {
    host.remove_prefix(at + 1);
  }
  if (!host.empty() && host[0] == '[') {
    host.remove_prefix(1);
    host = host.substr(0, host.find(']'));
  } else {
    host = host.substr(0, host.find(':'));
  }
  std::string lower(host);
  absl::AsciiStrToLower(&lower);
  return lower;
}

Uri SplitUri(std::string_view text, bool fragments) {
  while (!text.empty() && static_cast<unsigned char>(text[0]) <= ' ') {
    text.remove_prefix(1);
  }
  std::string clean;
  for (char c : text) {
    if (c != '\t' && c != '\r' && c != '\n') clean += c;
  }
  std::string_view rest = clean;
  Uri uri;
  if (const size_t length = SchemeLength(rest); length > 0) {
    uri.scheme = std::string(rest.substr(0, length));
    absl::AsciiStrToLower(&uri.scheme);
    rest.remove_prefix(length + 1);
  }
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    const size_t end = std::min(rest.find_first_of("/?#"), rest.size());
    uri.authority = std::string(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  if (fragments) rest = rest.substr(0, rest.find('#'));
  uri.path = std::string(rest.substr(0, rest.find('?')));
  return uri;
}

bool NamesHostToCall(const Uri& uri) {
  static constexpr std::string_view kSchemes[] = {
      "ftp", "sftp", "hdfs", "viewfs", "http", "https", "r2", "b2", "abfss"};
  if (uri.scheme == "mlflow-artifacts") return !uri.authority.empty();
  return std::find(std::begin(kSchemes), std::end(kSchemes), uri.scheme) !=
         std::end(kSchemes);
}

std::string DecodePercent(std::string_view text, bool plus) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 &&
        HexValue(text[i + 2]) >= 0) {
      decoded += static_cast<char>(HexValue(text[i + 1]) * 16 +
                                   HexValue(text[i + 2]));
      i += 2;
    } else {
      decoded += plus && text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

std::optional<std::string> DecodePercentFully(std::string_view text,
                                              bool plus) {
  std::string decoded(text);
  for (int i = 0; i <= limits::kEncodingsMax; ++i) {
    std::string next = DecodePercent(decoded, plus);
    if (next == decoded) return decoded;
    decoded = std::move(next);
  }
  return std::nullopt;
}

std::vector<std::string_view> SplitPath(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    if (end > 0) parts.push_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return parts;
}

}  // namespace millstream::server
