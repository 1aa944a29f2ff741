// What every MetricStore must do. A backend's test instantiates the suite with
// a factory:
//
//   INSTANTIATE_TEST_SUITE_P(RocksDb, MetricStoreConformance,
//                            testing::Values(&NewRocksDbHarness));
#ifndef MILLSTREAM_STORAGE_CONFORMANCE_METRIC_STORE_CONFORMANCE_H_
#define MILLSTREAM_STORAGE_CONFORMANCE_METRIC_STORE_CONFORMANCE_H_

#include <memory>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "storage/metric_store.h"

namespace millstream::storage {

// Owns the place where one test's data lies. Not thread-safe.
class MetricStoreHarness {
 public:
  virtual ~MetricStoreHarness() = default;
  // Opens the store, with what was kept before. REQUIRES: the one opened
  // before is gone.
  virtual std::unique_ptr<MetricStore> Open() = 0;
};

using MetricStoreHarnessFactory = std::unique_ptr<MetricStoreHarness> (*)();

class MetricStoreConformance
    : public testing::TestWithParam<MetricStoreHarnessFactory> {
 protected:
  MetricStoreConformance()
      : harness_(GetParam()()), store_(harness_->Open()) {}

  void Reopen() {
    store_.reset();
    store_ = harness_->Open();
  }
  void Append(std::string_view run_id, std::string_view key,
              const std::vector<MetricPoint>& points,
              const AppendOptions& options = {});
  std::vector<MetricPoint> History(std::string_view run_id,
                                   std::string_view key);
  std::vector<MetricPoint> Sample(std::string_view run_id, std::string_view key,
                                  const StepRange& range, size_t max_points);

  std::unique_ptr<MetricStoreHarness> harness_;
  std::unique_ptr<MetricStore> store_;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_CONFORMANCE_METRIC_STORE_CONFORMANCE_H_
