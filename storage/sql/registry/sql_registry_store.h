// RegistryStore on any SQL database: registered_models.cc, model_versions.cc,
// aliases.cc, registry_search.cc.
#ifndef MILLSTREAM_STORAGE_SQL_REGISTRY_SQL_REGISTRY_STORE_H_
#define MILLSTREAM_STORAGE_SQL_REGISTRY_SQL_REGISTRY_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/registry_store.h"
#include "storage/sql/database.h"

namespace millstream::storage {
namespace search {
class SqlDialect;
}  // namespace search

// Thread-safe. See RegistryStore.
class SqlRegistryStore final : public RegistryStore {
 public:
  // Both must outlive the store. `dialect` is that of `database`, which holds
  // the logged models too.
  SqlRegistryStore(sql::Database* database, const search::SqlDialect* dialect);

  absl::Status CreateRegisteredModel(const v1::RegisteredModel& model,
                                     v1::RegisteredModel* created) override;
  absl::Status GetRegisteredModel(std::string_view name,
                                  v1::RegisteredModel* model) override;
  absl::Status UpdateRegisteredModel(std::string_view name,
                                     std::string_view description,
                                     int64_t now_ms,
                                     v1::RegisteredModel* model) override;
  absl::Status RenameRegisteredModel(std::string_view name,
                                     std::string_view new_name, int64_t now_ms,
                                     v1::RegisteredModel* model) override;
  absl::Status DeleteRegisteredModel(std::string_view name) override;
  absl::Status SearchRegisteredModels(
      const search::RegisteredModelSearch& request,
      v1::SearchRegisteredModelsResponse* response) override;
  absl::Status SetRegisteredModelTag(std::string_view name,
                                     std::string_view key,
                                     std::string_view value) override;
  absl::Status DeleteRegisteredModelTag(std::string_view name,
                                        std::string_view key) override;

  absl::Status CreateModelVersion(const v1::ModelVersion& version,
                                  std::string_view storage_location,
                                  v1::ModelVersion* created) override;
  absl::Status GetModelVersion(std::string_view name, int64_t version,
                               v1::ModelVersion* found) override;
  absl::StatusOr<std::string> GetModelVersionDownloadUri(
      std::string_view name, int64_t version) override;
  absl::Status UpdateModelVersion(std::string_view name, int64_t version,
                                  std::optional<std::string_view> description,
                                  int64_t now_ms,
                                  v1::ModelVersion* updated) override;
  absl::Status TransitionModelVersionStage(std::string_view name,
                                           int64_t version,
                                           std::string_view stage,
                                           bool archive_existing,
                                           int64_t now_ms,
                                           v1::ModelVersion* moved) override;
  absl::Status DeleteModelVersion(std::string_view name, int64_t version,
                                  int64_t now_ms) override;
  absl::Status GetLatestVersions(
      std::string_view name, absl::Span<const std::string_view> stages,
      google::protobuf::RepeatedPtrField<v1::ModelVersion>* versions) override;
  absl::Status SearchModelVersions(
      const search::ModelVersionSearch& request,
      v1::SearchModelVersionsResponse* response) override;
  absl::Status SetModelVersionTag(std::string_view name, int64_t version,
                                  std::string_view key,
                                  std::string_view value) override;
  absl::Status DeleteModelVersionTag(std::string_view name, int64_t version,
                                     std::string_view key) override;

  absl::Status SetRegisteredModelAlias(std::string_view name,
                                       std::string_view alias,
                                       int64_t version) override;
  absl::Status DeleteRegisteredModelAlias(std::string_view name,
                                          std::string_view alias) override;
  absl::Status GetModelVersionByAlias(std::string_view name,
                                      std::string_view alias,
                                      v1::ModelVersion* found) override;

 private:
  sql::Database* const database_;
  const search::SqlDialect* const dialect_;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_SQL_REGISTRY_SQL_REGISTRY_STORE_H_
