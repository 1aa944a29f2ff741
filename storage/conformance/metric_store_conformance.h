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

// What a store need not do that is one with the database of runs.
struct MetricStoreTraits {
  // Tells -0.0 from 0.0 and keeps infinities.
  bool every_double = true;
  // Takes zero bytes in keys.
  bool zero_bytes = true;
  bool marks = true;
  size_t run_id_bytes_max = 256;
};

// Owns the place where one test's data lies. Not thread-safe.
class MetricStoreHarness {
 public:
  virtual ~MetricStoreHarness() = default;
  virtual MetricStoreTraits traits() const { return {}; }
  // Called before a run is appended to, once or more, by one thread.
  virtual void AddRun(std::string_view run_id) {}
  // Opens the store, with what was kept before. REQUIRES: the one opened
  // before is gone.
  virtual std::unique_ptr<MetricStore> Open() = 0;
};

using MetricStoreHarnessFactory = std::unique_ptr<MetricStoreHarness> (*)();

class MetricStoreConformance
    : public testing::TestWithParam<MetricStoreHarnessFactory> {
 protected:
  MetricStoreConformance();

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
