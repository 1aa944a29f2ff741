// What every TrackingStore must do. A backend's test instantiates the suite
// with a factory:
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, TrackingStoreConformance,
//                            testing::Values(&NewSqliteHarness));
//
// Logged models have their own suite.
#ifndef MILLSTREAM_STORAGE_CONFORMANCE_TRACKING_STORE_CONFORMANCE_H_
#define MILLSTREAM_STORAGE_CONFORMANCE_TRACKING_STORE_CONFORMANCE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/testing.h"
#include "gtest/gtest.h"
#include "storage/tracking_store.h"

namespace millstream::storage {

// Owns one test's store and the place where its data lies. Not thread-safe.
class TrackingStoreHarness {
 public:
  virtual ~TrackingStoreHarness() = default;
  // Closes the store that it returned before and opens it anew, with what was
  // kept and the experiment Default. New experiments keep their artifacts below
  // "root:/".
  virtual TrackingStore* Open() = 0;
};

using TrackingStoreHarnessFactory = std::unique_ptr<TrackingStoreHarness> (*)();

class TrackingStoreConformance
    : public testing::TestWithParam<TrackingStoreHarnessFactory> {
 protected:
  TrackingStoreConformance()
      : harness_(GetParam()()), store_(harness_->Open()) {}

  void Reopen() { store_ = harness_->Open(); }

  // Makes an experiment and returns its id.
  std::string MakeExperiment(std::string_view name);
  v1::Experiment GetExperiment(std::string_view id);

  // Makes a run and returns its id, which is `name` filled up to 32 characters.
  std::string MakeRun(std::string_view experiment_id, std::string_view name,
                      int64_t start_time = 1);
  v1::Run GetRun(std::string_view run_id);
  // The runs that a search finds, by name.
  std::vector<std::string> Search(std::string_view experiment_id,
                                  std::string_view filter,
                                  std::vector<std::string_view> order_by = {});

  const std::unique_ptr<TrackingStoreHarness> harness_;
  TrackingStore* store_;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_CONFORMANCE_TRACKING_STORE_CONFORMANCE_H_
