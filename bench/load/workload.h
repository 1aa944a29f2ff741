// The workloads: what the clients of a closed loop send, and how what they
// wrote is read back and checked.
#ifndef MILLSTREAM_BENCH_LOAD_WORKLOAD_H_
#define MILLSTREAM_BENCH_LOAD_WORKLOAD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bench/load/api.h"
#include "bench/load/closed_loop.h"

namespace millstream::bench {

struct WorkloadOptions {
  size_t clients = 8;
  // Units in all; 0 means until the time is up.
  uint64_t count = 0;
  // The experiment that is written or read.
  std::string experiment = "bench";
  // Rows of a page; 0 means the workload's own.
  size_t page = 0;
  // What a full reading must find: runs or points. 0 means not known.
  uint64_t expect = 0;
  size_t artifact_mb = 64;
};

using Clients = std::vector<std::unique_ptr<Client>>;

// Used from one thread.
class Workload {
 public:
  virtual ~Workload() = default;
  // What is counted, in the plural: "points".
  virtual absl::string_view unit() const = 0;
  // Makes what must be there before, and the clients.
  virtual absl::StatusOr<Clients> Prepare(Api& api) = 0;
  // Reads back what the clients wrote. DATA_LOSS when something acknowledged
  // is missing, other than acknowledged, or there twice.
  virtual absl::Status Verify(Api& api) = 0;
};

// A name by which a workload is chosen, and what --help says of it.
struct WorkloadInfo {
  absl::string_view name;
  absl::string_view help;
  std::unique_ptr<Workload> (*make)(const WorkloadOptions&);
};

// All of them, in the order in which they are best run.
const std::vector<WorkloadInfo>& Workloads();

// FAILED_PRECONDITION, with what the server said, unless the status is 200.
absl::Status CheckOk(const Answer& answer);

// The parts that Workloads() puts together.
std::unique_ptr<Workload> MakeLogMetric(const WorkloadOptions& options);
std::unique_ptr<Workload> MakeLogBatch10(const WorkloadOptions& options);
std::unique_ptr<Workload> MakeLogBatch1000(const WorkloadOptions& options);
std::unique_ptr<Workload> MakeHistoryFill(const WorkloadOptions& options);
std::unique_ptr<Workload> MakeSweep(const WorkloadOptions& options);
std::unique_ptr<Workload> MakeFill(const WorkloadOptions& options);
std::unique_ptr<Workload> MakeGetRun(const WorkloadOptions& options);
std::unique_ptr<Workload> MakeSearchMetric(const WorkloadOptions& options);
std::unique_ptr<Workload> MakeSearchFilter(const WorkloadOptions& options);
std::unique_ptr<Workload> MakeSearchParam(const WorkloadOptions& options);
std::unique_ptr<Workload> MakeSearchRare(const WorkloadOptions& options);
std::unique_ptr<Workload> MakeSearchByParam(const WorkloadOptions& options);
std::unique_ptr<Workload> MakeSearchName(const WorkloadOptions& options);
std::unique_ptr<Workload> MakeSearchNewest(const WorkloadOptions& options);
std::unique_ptr<Workload> MakeSearchDeep(const WorkloadOptions& options);
std::unique_ptr<Workload> MakeSearchAll(const WorkloadOptions& options);
std::unique_ptr<Workload> MakeGetHistory(const WorkloadOptions& options);
std::unique_ptr<Workload> MakeHistoryInterval(const WorkloadOptions& options);
std::unique_ptr<Workload> MakeArtifactUpload(const WorkloadOptions& options);
std::unique_ptr<Workload> MakeArtifactDownload(const WorkloadOptions& options);

}  // namespace millstream::bench

#endif  // MILLSTREAM_BENCH_LOAD_WORKLOAD_H_
