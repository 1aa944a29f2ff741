// What every RunLog must do. A backend's test instantiates the suite:
//
//   INSTANTIATE_TEST_SUITE_P(Mine, RunLogConformance,
//                            testing::Values(&NewMyHarness));
#ifndef MILLSTREAM_STORAGE_CONFORMANCE_RUN_LOG_CONFORMANCE_H_
#define MILLSTREAM_STORAGE_CONFORMANCE_RUN_LOG_CONFORMANCE_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "storage/metric_store.h"
#include "storage/run_log.h"
#include "storage/tracking_store.h"

namespace millstream::storage {

// Owns the place where one test's data lies, and the stores on it, which have
// the experiment Default. Not thread-safe; the stores are.
class RunLogHarness {
 public:
  virtual ~RunLogHarness() = default;
  // Closes the stores and opens them with what was kept.
  virtual void Reopen() = 0;

  virtual RunLog& log() = 0;
  virtual TrackingStore& tracking() = 0;
  virtual MetricStore& metrics() = 0;
};

using RunLogHarnessFactory = std::unique_ptr<RunLogHarness> (*)();

class RunLogConformance : public testing::TestWithParam<RunLogHarnessFactory> {
 protected:
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  using Points = std::map<std::string, std::vector<MetricPoint>>;

  RunLogConformance() : harness_(GetParam()()) {}

  // Makes a run whose id is `name` filled up to 32 characters, and returns it.
  std::string MakeRun(std::string_view name);
  // The same of a logged model.
  std::string MakeModel(std::string_view name);

  absl::Status Log(std::string_view run_id, const Points& metrics,
                   const Pairs& params = {}, const Pairs& tags = {},
                   const std::vector<v1::Metric>& model_metrics = {});

  // "key=value", by key; of metrics the latest "key=value@step".
  std::vector<std::string> Params(std::string_view run_id);
  std::vector<std::string> Tags(std::string_view run_id);
  std::vector<std::string> Latest(std::string_view run_id);
  size_t HistorySize(std::string_view run_id, std::string_view key);

  const std::unique_ptr<RunLogHarness> harness_;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_CONFORMANCE_RUN_LOG_CONFORMANCE_H_
