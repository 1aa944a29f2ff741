// What a run's fields `experiment` and `modelVersions` need beside the run,
// asked for once for many runs.
#ifndef MILLSTREAM_GATEWAY_GRAPHQL_RUN_LOOKUPS_H_
#define MILLSTREAM_GATEWAY_GRAPHQL_RUN_LOOKUPS_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millstream/v1/registry.pb.h"
#include "millstream/v1/tracking.pb.h"
#include "server/call_context.h"
#include "server/dispatcher.h"

namespace millstream::gateway::graphql {

// Lives as long as one query. Not thread-safe. What it returns lives as long
// as it does.
class RunLookups {
 public:
  // Both outlive this.
  RunLookups(server::CallContext* context, server::Dispatcher* dispatcher)
      : context_(context), dispatcher_(dispatcher) {}

  // Calls "Service.Method" with the right messages for it.
  absl::Status Call(std::string_view method,
                    const google::protobuf::Message& request,
                    google::protobuf::Message* response);

  // Of a search for datasets, leaves those experiments that the caller may
  // read; false if none is left, or if it is another request. (Over the other
  // ways in such a search is refused whole, as the reference does.)
  bool KeepReadable(google::protobuf::Message* request);

  // Tells that these runs are to be shown, so that one question may serve
  // many of them.
  void Announce(const google::protobuf::RepeatedPtrField<v1::Run>& runs);

  absl::StatusOr<const v1::Experiment*> ExperimentOf(const v1::Run& run);
  using Versions = std::vector<const v1::ModelVersion*>;
  absl::StatusOr<const Versions*> ModelVersionsOf(const v1::Run& run);

 private:
  // Fetches the versions of the announced runs from `run_id` on.
  absl::Status FetchVersions(const std::string& run_id);

  server::CallContext* const context_;
  server::Dispatcher* const dispatcher_;
  absl::flat_hash_map<std::string, std::unique_ptr<v1::GetExperimentResponse>>
      experiments_;
  std::vector<std::string> announced_;
  absl::flat_hash_map<std::string, size_t> places_;  // in announced_
  absl::flat_hash_map<std::string, std::unique_ptr<Versions>> versions_;
  std::vector<std::unique_ptr<v1::SearchModelVersionsResponse>> pages_;
};

}  // namespace millstream::gateway::graphql

#endif  // MILLSTREAM_GATEWAY_GRAPHQL_RUN_LOOKUPS_H_
