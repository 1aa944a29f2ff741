#include "server/model_source.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "base/text.h"
#include "server/uri.h"

namespace millstream::server {
namespace {

constexpr std::string_view kProxyRoute[] = {"api", "2.0", "mlflow-artifacts",
                                            "artifacts"};

absl::Status NotPlain(std::string_view source) {
  return InvalidParameter(
      "Invalid model version source: '", Shown(source),
      "'. Give an absolute path or URI without '..' and other detours.");
}

absl::Status NotAModelsUri(std::string_view source) {
  return InvalidParameter(
      "Invalid model version source: '", Shown(source),
      "'. Use models:/<model id>, models:/<name>/<version or stage or "
      "'latest'> or models:/<name>@<alias>.");
}

bool HasParentPart(std::string_view path) {
  for (std::string_view part : SplitPath(path)) {
    if (part == "..") return true;
  }
  return false;
}

// Part by part, each decoded.
std::vector<std::string> DecodedParts(std::string_view path) {
  std::vector<std::string> parts;
  for (std::string_view part : SplitPath(path)) {
    parts.push_back(DecodePercentFully(part, /*plus=*/false).value_or("%"));
  }
  return parts;
}

bool BeginsWith(const std::vector<std::string>& parts,
                const std::vector<std::string>& root) {
  return !root.empty() && parts.size() >= root.size() &&
         std::equal(root.begin(), root.end(), parts.begin());
}

// The path that a local source names; nullopt if it is not a plain absolute
// one.
std::optional<std::string> LocalPath(std::string_view source) {
  std::string encoded(source);
  if (source.starts_with("file:")) encoded = SplitUri(source).path;
  const std::optional<std::string> fully = DecodePercentFully(encoded, false);
  if (!fully.has_value() || HasParentPart(*fully) ||
      fully->find('\0') != std::string::npos) {
    return std::nullopt;
  }
  std::string path = NormalizePath(DecodePercent(encoded));
  if (!path.starts_with('/')) return std::nullopt;
  return path;
}

}  // namespace

absl::StatusOr<ModelsUri> ParseModelsUri(std::string_view source) {
  const Uri uri = SplitUri(source, /*fragments=*/false);
  if (uri.scheme != "models" || !uri.path.starts_with('/')) {
    return NotAModelsUri(source);
  }
  std::string_view path = uri.path;
  while (path.starts_with('/')) path.remove_prefix(1);
  const size_t slash = path.find('/');
  const std::string_view name = path.substr(0, slash);
  if (StripSpace(name).empty()) return NotAModelsUri(source);
  ModelsUri parsed;
  parsed.name = std::string(name);
  if (slash == std::string_view::npos) {
    const size_t at = name.rfind('@');
    if (at == std::string_view::npos) return parsed;
    parsed.kind = ModelsUri::Kind::kAlias;
    parsed.name = std::string(name.substr(0, at));
    parsed.text = std::string(name.substr(at + 1));
    if (parsed.name.empty() || StripSpace(parsed.text).empty()) {
      return NotAModelsUri(source);
    }
    return parsed;
  }
  const std::string_view suffix = path.substr(slash + 1);
  if (suffix.find('/') != std::string_view::npos ||
      StripSpace(suffix).empty()) {
    return NotAModelsUri(source);
  }
  parsed.text = std::string(suffix);
  if (std::all_of(suffix.begin(), suffix.end(), absl::ascii_isdigit)) {
    parsed.kind = ModelsUri::Kind::kVersion;
  } else if (absl::EqualsIgnoreCase(AbslView(suffix), "latest")) {
    parsed.kind = ModelsUri::Kind::kLatest;
  } else {
    parsed.kind = ModelsUri::Kind::kStage;
  }
  return parsed;
}

absl::Status CheckSource(std::string_view source) {
  RETURN_IF_ERROR(CheckLength("source", limits::kSourceLengthMax, source));
  const Uri uri = SplitUri(source);
  if (!NamesHostToCall(uri)) return absl::OkStatus();
  return InvalidParameter(
      "'source' cannot be a ", uri.scheme,
      " URI that names a host: the server would have to connect to it. Log the "
      "model to this server's artifacts and register it from there.");
}

absl::Status CheckPlainPath(std::string_view source) {
  const std::optional<std::string> decoded = DecodePercentFully(source, true);
  if (!decoded.has_value() || HasParentPart(*decoded)) return NotPlain(source);
  std::string path = SplitUri(*decoded).path;
  if (path.find('\0') != std::string::npos) return NotPlain(source);
  while (path.ends_with('/')) path.pop_back();
  // One leading slash, then parts that are none of "." and "..".
  if (!path.starts_with('/')) return NotPlain(source);
  for (std::string_view part : SplitPath(path)) {
    if (part == "." || part == "..") return NotPlain(source);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> IsLocalSource(std::string_view source) {
  const Uri uri = SplitUri(source);
  if (uri.scheme.empty()) return true;
  if (uri.scheme != "file") return false;
  const std::string host = uri.Host();
  if (!host.empty() && host != "." && !host.starts_with("localhost") &&
      !host.starts_with("127.0.0.1")) {
    return InvalidParameter("Invalid model version source: '", Shown(source),
                            "'. A file: URI cannot name another machine.");
  }
  return true;
}

bool IsProxiedSource(std::string_view source) {
  const Uri uri = SplitUri(source);
  if (uri.scheme == "mlflow-artifacts") return true;
  if (uri.scheme != "http" && uri.scheme != "https") return false;
  const std::vector<std::string> parts = DecodedParts(uri.path);
  return std::search(parts.begin(), parts.end(), std::begin(kProxyRoute),
                     std::end(kProxyRoute)) != parts.end();
}

bool IsWithinUri(std::string_view source, std::string_view root) {
  const Uri a = SplitUri(source);
  const Uri b = SplitUri(root);
  return a.scheme == b.scheme &&
         absl::EqualsIgnoreCase(a.authority, b.authority) &&
         BeginsWith(DecodedParts(a.path), DecodedParts(b.path));
}

bool IsWithinLocalPath(std::string_view source, std::string_view root) {
  const std::optional<std::string> a = LocalPath(source);
  const std::optional<std::string> b = LocalPath(root);
  if (!a.has_value() || !b.has_value()) return false;
  std::vector<std::string> parts, root_parts;
  for (std::string_view part : SplitPath(*a)) parts.emplace_back(part);
  for (std::string_view part : SplitPath(*b)) root_parts.emplace_back(part);
  return BeginsWith(parts, root_parts);
}

std::string RunOfSource(std::string_view source) {
  const Uri uri = SplitUri(source);
  if (uri.scheme != "runs" || !uri.path.starts_with('/')) return "";
  const std::string_view path = std::string_view(uri.path).substr(1);
  return std::string(path.substr(0, path.find('/')));
}

bool IsPromptPlaceholder(std::string_view source) {
  return source == "prompt-template" || source == "dummy-source";
}

}  // namespace millstream::server
