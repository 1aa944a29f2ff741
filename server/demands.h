// What a request needs: from the demands beside its rpc to rights on what the
// request names.
#ifndef MILLSTREAM_SERVER_DEMANDS_H_
#define MILLSTREAM_SERVER_DEMANDS_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "millstream/v1/options.pb.h"
#include "server/owner_cache.h"
#include "server/rights.h"

namespace millstream::storage {
class RegistryStore;
class TrackingStore;
}  // namespace millstream::storage

namespace millstream::server {

// Thread-safe.
class Demands {
 public:
  using Message = google::protobuf::Message;
  // The path below the artifact proxy of what a URI names, if that is where
  // this server keeps the files of all: see ArtifactLocations::OwnPath.
  using OwnPath =
      std::function<std::optional<std::string>(std::string_view uri)>;

  // Both stores must outlive this. REQUIRES: own_path != nullptr.
  Demands(storage::TrackingStore* tracking, storage::RegistryStore* registry,
          OwnPath own_path)
      : tracking_(tracking),
        registry_(registry),
        own_path_(std::move(own_path)) {}

  // Adds what all demands of an rpc need for one request. PERMISSION_DENIED for
  // what is not there, where the reference denies it: an answer must not tell
  // which runs there are.
  absl::Status Collect(const v1::Access& access, const Message& request,
                       Needs* needs);

  // Looks a registered model up by a name that may be written in another way
  // than it is stored, where the database takes both for the same. What is not
  // there is no prompt and has the name that was asked for.
  struct ModelName {
    std::string stored;
    bool is_prompt = false;
  };
  absl::StatusOr<ModelName> FindModel(const std::string& name) const;

 private:
  // Adds what one demand needs for one name.
  absl::Status Add(const v1::Demand& demand, const std::string& name,
                   const Message& request, Needs* needs);
  absl::Status AddModel(const v1::Demand& demand, const std::string& name,
                        const Message& request, Needs* needs) const;
  absl::Status AddArtifactUri(const v1::Demand& demand, const std::string& uri,
                              const Message& request, Needs* needs);
  absl::StatusOr<std::string> ExperimentOfRun(const std::string& run_id);
  absl::StatusOr<std::string> ExperimentOfModel(const std::string& model_id);

  storage::TrackingStore* const tracking_;
  storage::RegistryStore* const registry_;
  const OwnPath own_path_;
  // Experiments of runs and of logged models.
  OwnerCache experiments_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_DEMANDS_H_
