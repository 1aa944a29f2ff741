#include "server/artifact_locations.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/error.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::server {
namespace {

using storage::ArtifactPath;
using storage::ArtifactStore;

// Where the proxy's routes begin in an http(s): URI.
constexpr std::string_view kProxyRoute = "/api/2.0/mlflow-artifacts/artifacts/";

bool IsProxyScheme(std::string_view scheme) {
  return scheme == "mlflow-artifacts" || scheme == "http" || scheme == "https";
}

// A store that somebody else owns.
std::shared_ptr<ArtifactStore> Borrowed(ArtifactStore* store) {
  return std::shared_ptr<ArtifactStore>(std::shared_ptr<void>(), store);
}

absl::StatusOr<ArtifactPath> PathOfProxied(const Uri& uri) {
  std::string_view path = uri.path;
  if (uri.scheme != "mlflow-artifacts") {
    const size_t route = path.find(kProxyRoute);
    if (route == std::string_view::npos) {
      return InvalidParameter("This server does not fetch artifacts from '",
                              uri.scheme, "://", uri.Host(), "'.");
    }
    path.remove_prefix(route + kProxyRoute.size());
  }
  path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
  return ArtifactPath::Parse(path);
}

}  // namespace

ArtifactLocations::ArtifactLocations(
    ArtifactStore* proxy, std::vector<LocalRoot> local_roots,
    std::vector<storage::ArtifactStoreOpener*> openers,
    const std::vector<std::string>& own_uris)
    : proxy_(proxy),
      local_roots_(std::move(local_roots)),
      openers_(std::move(openers)) {
  for (const std::string& uri : own_uris) own_uris_.push_back(SplitUri(uri));
  for (LocalRoot& root : local_roots_) {
    root.folder = NormalizePath(root.folder);
  }
  std::sort(local_roots_.begin(), local_roots_.end(),
            [](const LocalRoot& a, const LocalRoot& b) {
              return a.folder.size() > b.folder.size();
            });
}

absl::StatusOr<ArtifactStore*> ArtifactLocations::Proxy() const {
  if (proxy_ == nullptr) {
    return MakeError(v1::TEMPORARILY_UNAVAILABLE,
                     "Artifact serving is disabled. Start the server with "
                     "--serve-artifacts to enable it.");
  }
  return proxy_;
}

absl::StatusOr<ArtifactLocations::Location> ArtifactLocations::FindLocal(
    std::string_view path) const {
  for (const LocalRoot& root : local_roots_) {
    if (!path.starts_with(root.folder)) continue;
    std::string_view below = path.substr(root.folder.size());
    if (!below.empty() && below[0] != '/' && root.folder != "/") continue;
    below.remove_prefix(std::min(below.find_first_not_of('/'), below.size()));
    ASSIGN_OR_RETURN(ArtifactPath found, ArtifactPath::Parse(below));
    return Location{Borrowed(root.store), std::move(found)};
  }
  return InvalidParameter(
      "This server reads no artifacts from that folder of its machine; only "
      "below --artifacts-destination and --default-artifact-root.");
}

absl::StatusOr<ArtifactLocations::Location> ArtifactLocations::Find(
    std::string_view text) const {
  const Uri uri = SplitUri(text);
  if (IsProxyScheme(uri.scheme)) {
    if (proxy_ == nullptr) {
      return InvalidParameter(
          "Artifacts at '", uri.scheme,
          ":' locations are served by a server with --serve-artifacts; ask "
          "that one.");
    }
    ASSIGN_OR_RETURN(ArtifactPath path, PathOfProxied(uri));
    return Location{Borrowed(proxy_), std::move(path)};
  }
  if (uri.scheme.empty()) return FindLocal(text);
  if (uri.scheme == "file") {
    const std::string host = uri.Host();
    if (!host.empty() && host != "localhost" && host != "127.0.0.1") {
      return InvalidParameter("This server reads no artifacts from machine '",
                              host, "'.");
    }
    return FindLocal(DecodePercent(uri.path));
  }
  for (storage::ArtifactStoreOpener* opener : openers_) {
    if (uri.scheme != opener->scheme()) continue;
    ASSIGN_OR_RETURN(std::shared_ptr<ArtifactStore> store, opener->Open(text));
    return Location{std::move(store), ArtifactPath(), /*opened_by_uri=*/true};
  }
  return InvalidParameter("This server cannot reach artifacts at '", uri.scheme,
                          ":' locations; ask the storage directly.");
}

std::optional<std::string> ArtifactLocations::OwnPath(
    std::string_view text) const {
  const Uri uri = SplitUri(text);
  if (IsProxyScheme(uri.scheme)) {
    const absl::StatusOr<ArtifactPath> path = PathOfProxied(uri);
    if (path.ok()) return path->canonical();
    if (uri.scheme == "mlflow-artifacts") return uri.path;
    return std::nullopt;
  }
  if (uri.scheme.empty() || uri.scheme == "file") {
    const absl::StatusOr<Location> location = Find(text);
    if (!location.ok()) return std::nullopt;
    return location->path.canonical();
  }
  const std::vector<std::string_view> parts = SplitPath(uri.path);
  for (const Uri& root : own_uris_) {
    if (root.scheme != uri.scheme || root.authority != uri.authority) continue;
    const std::vector<std::string_view> above = SplitPath(root.path);
    const size_t common = std::min(parts.size(), above.size());
    if (!std::equal(parts.begin(), parts.begin() + common, above.begin())) {
      continue;
    }
    std::string below;
    for (size_t i = common; i < parts.size(); ++i) {
      StrAppend(&below, below.empty() ? "" : "/", parts[i]);
    }
    return below;
  }
  return std::nullopt;
}

bool IsProxiedUri(std::string_view uri) {
  return IsProxyScheme(SplitUri(uri).scheme);
}

}  // namespace millstream::server
