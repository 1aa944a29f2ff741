// What every RegistryStore must do, and every TrackingStore about logged
// models, which versions are made of. A backend's test instantiates both:
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, RegistryStoreConformance,
//                            testing::Values(&NewSqliteHarness));
//   INSTANTIATE_TEST_SUITE_P(Sqlite, LoggedModelConformance,
//                            testing::Values(&NewSqliteHarness));
#ifndef MILLSTREAM_STORAGE_CONFORMANCE_REGISTRY_STORE_CONFORMANCE_H_
#define MILLSTREAM_STORAGE_CONFORMANCE_REGISTRY_STORE_CONFORMANCE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "gtest/gtest.h"
#include "storage/registry_store.h"
#include "storage/tracking_store.h"

namespace millstream::storage {

// Owns the place where one test's data lies, and the stores. Not thread-safe;
// the stores are.
class RegistryStoreHarness {
 public:
  virtual ~RegistryStoreHarness() = default;

  // Closes the stores and opens them with what was kept.
  virtual void Reopen() = 0;

  virtual RegistryStore& registry() = 0;
  // New experiments keep their artifacts below "root:/".
  virtual TrackingStore& tracking() = 0;

  // Keeps a point of a logged model's metric, as a RunLog on the data does.
  virtual absl::Status AddModelMetric(const v1::Metric& metric) = 0;

  // Statements that the stores have prepared since the last call.
  virtual int64_t TakeStatements() = 0;
};

using RegistryStoreHarnessFactory = std::unique_ptr<RegistryStoreHarness> (*)();

// What both suites use.
class RegistryFixture
    : public testing::TestWithParam<RegistryStoreHarnessFactory> {
 protected:
  RegistryFixture() : harness_(GetParam()()) {}

  RegistryStore& registry() { return harness_->registry(); }
  TrackingStore& tracking() { return harness_->tracking(); }

  // Makes things, and fails the test if it cannot.
  v1::RegisteredModel MakeModel(
      std::string_view name, int64_t now_ms = 1000,
      std::vector<std::pair<std::string, std::string>> tags = {});
  v1::ModelVersion MakeVersion(
      std::string_view name, int64_t now_ms = 2000,
      std::vector<std::pair<std::string, std::string>> tags = {});
  std::string MakeExperiment(std::string_view name);
  // Its id is "m-" and `name` filled up to 32 characters.
  std::string MakeLoggedModel(std::string_view experiment_id,
                              std::string_view name, int64_t now_ms = 3000);

  v1::RegisteredModel GetModel(std::string_view name);
  v1::ModelVersion GetVersion(std::string_view name, int64_t version);
  v1::LoggedModel GetLoggedModel(std::string_view model_id);

  // Names, in the order found.
  std::vector<std::string> SearchModels(
      std::string_view filter, std::vector<std::string_view> order_by = {});
  // "name/version".
  std::vector<std::string> SearchVersions(
      std::string_view filter, std::vector<std::string_view> order_by = {});

  const std::unique_ptr<RegistryStoreHarness> harness_;
};

class RegistryStoreConformance : public RegistryFixture {};
class LoggedModelConformance : public RegistryFixture {};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_CONFORMANCE_REGISTRY_STORE_CONFORMANCE_H_
