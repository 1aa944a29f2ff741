#include "client/testing/histories.h"

#include <cstdio>
#include <cstdlib>

#include "absl/time/time.h"
#include "millstream/v1/tracking.pb.h"

namespace millstream::client::testing {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

void Read(Connection* connection, const char* method,
          const google::protobuf::MessageLite& request,
          google::protobuf::MessageLite* response) {
  const absl::Status status =
      connection->Call(method, request, response, kPatience, true);
  if (status.ok()) return;
  std::fprintf(stderr, "%s: %s\n", method, status.ToString().c_str());
  std::abort();
}

}  // namespace

std::vector<v1::Metric> ReadHistory(Connection* connection,
                                    const std::string& run_id,
                                    const std::string& key) {
  std::vector<v1::Metric> points;
  v1::GetMetricHistoryRequest request;
  request.set_run_id(run_id);
  request.set_metric_key(key);
  // An answer fits a message of gRPC's default size.
  request.set_max_results(20'000);
  v1::GetMetricHistoryResponse response;
  do {
    Read(connection, "TrackingService/GetMetricHistory", request, &response);
    points.insert(points.end(), response.metrics().begin(),
                  response.metrics().end());
    request.set_page_token(response.next_page_token());
  } while (!response.next_page_token().empty());
  return points;
}

v1::Run ReadRun(Connection* connection, const std::string& run_id) {
  v1::GetRunRequest request;
  request.set_run_id(run_id);
  v1::GetRunResponse response;
  Read(connection, "TrackingService/GetRun", request, &response);
  return response.run();
}

}  // namespace millstream::client::testing
