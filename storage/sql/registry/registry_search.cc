#include "storage/search/search.h"
#include "storage/sql/page_reader.h"
#include "storage/sql/registry/registry_rows.h"
#include "storage/sql/registry/sql_registry_store.h"

namespace millstream::storage {

using sql::Connection;
using sql::Statement;

absl::Status SqlRegistryStore::SearchRegisteredModels(
    const search::RegisteredModelSearch& request,
    v1::SearchRegisteredModelsResponse* response) {
  return sql::SearchPage(
      *database_, request, sql::kRegisteredModelColumns,
      &search::BuildRegisteredModelSearch, *dialect_,
      [&](const Statement& row) {
        sql::ReadRegisteredModel(row, response->add_registered_models());
      },
      [&](Connection& connection) {
        return sql::LoadModelParts(
            connection,
            sql::PointersTo(response->mutable_registered_models()),
            sql::StageOrder::kByName);
      },
      response);
}

absl::Status SqlRegistryStore::SearchModelVersions(
    const search::ModelVersionSearch& request,
    v1::SearchModelVersionsResponse* response) {
  return sql::SearchPage(
      *database_, request, sql::kModelVersionColumns,
      &search::BuildModelVersionSearch, *dialect_,
      [&](const Statement& row) {
        sql::ReadModelVersion(row, response->add_model_versions());
      },
      [&](Connection& connection) {
        return sql::LoadVersionTags(
            connection, sql::PointersTo(response->mutable_model_versions()));
      },
      response);
}

}  // namespace millstream::storage
