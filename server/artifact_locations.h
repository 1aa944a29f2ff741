// Where the files of runs, logged models and model versions are: from the URI
// kept with them to a store of this server and a path in it.
#ifndef MILLSTREAM_SERVER_ARTIFACT_LOCATIONS_H_
#define MILLSTREAM_SERVER_ARTIFACT_LOCATIONS_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/uri.h"
#include "storage/artifact_path.h"
#include "storage/artifact_store.h"

namespace millstream::server {

// Immutable, so thread-safe.
class ArtifactLocations {
 public:
  // A folder of this machine whose files may be named by path or file: URI.
  struct LocalRoot {
    std::string folder;  // absolute
    storage::ArtifactStore* store = nullptr;
  };

  struct Location {
    // What it hands out may outlive it.
    std::shared_ptr<storage::ArtifactStore> store;
    storage::ArtifactPath path;
    // By an opener: no root of this server's says what may be read there.
    bool opened_by_uri = false;
  };

  // `proxy` serves mlflow-artifacts: URIs, and http(s): URIs of the artifact
  // proxy; null with --no-serve-artifacts. `openers` open roots of further
  // schemes, wherever they are: whoever may write there is theirs to say.
  // `own_uris` are those of them where the proxy, or experiments without a
  // location of their own, keep files. Stores and openers must outlive this.
  ArtifactLocations(storage::ArtifactStore* proxy,
                    std::vector<LocalRoot> local_roots,
                    std::vector<storage::ArtifactStoreOpener*> openers = {},
                    const std::vector<std::string>& own_uris = {});

  // INVALID_PARAMETER_VALUE: nothing that this server may read, or a kind of
  // storage it cannot reach. (MLflow breaks there; a code below 500 keeps
  // clients from asking again.)
  absl::StatusOr<Location> Find(std::string_view uri) const;

  // The path that `uri` has below the proxy or another root that holds files of
  // all experiments; empty for the root, and for a folder above it. Nothing for
  // what lies elsewhere. A path that is none is returned as it is.
  std::optional<std::string> OwnPath(std::string_view uri) const;

  // The proxy's store. TEMPORARILY_UNAVAILABLE: this server has none.
  absl::StatusOr<storage::ArtifactStore*> Proxy() const;

 private:
  absl::StatusOr<Location> FindLocal(std::string_view path) const;

  storage::ArtifactStore* const proxy_;
  std::vector<LocalRoot> local_roots_;  // deepest first
  const std::vector<storage::ArtifactStoreOpener*> openers_;
  std::vector<Uri> own_uris_;
};

// Whether `uri` is one that the artifact proxy serves, of this server or
// another.
bool IsProxiedUri(std::string_view uri);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_ARTIFACT_LOCATIONS_H_
