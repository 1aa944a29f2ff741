#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
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
  search::RegisteredModelSearch with_columns = request;
  with_columns.max_results = std::max<int64_t>(request.max_results, 0);
  with_columns.columns.assign(std::begin(sql::kRegisteredModelColumns),
                              std::end(sql::kRegisteredModelColumns));
  ASSIGN_OR_RETURN(const search::SearchQuery query,
                   search::BuildRegisteredModelSearch(with_columns, *dialect_));
  if (request.max_results < 0) {
    response->set_next_page_token(query.NextPageToken({}));
    return absl::OkStatus();
  }
  return database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(
        std::string next_page_token,
        sql::ReadPage(connection, query,
                      std::size(sql::kRegisteredModelColumns),
                      [&](const Statement& row) {
                        sql::ReadRegisteredModel(
                            row, response->add_registered_models());
                      }));
    if (!next_page_token.empty()) {
      response->set_next_page_token(std::move(next_page_token));
    }
    const std::vector<v1::RegisteredModel*> models(
        response->mutable_registered_models()->pointer_begin(),
        response->mutable_registered_models()->pointer_end());
    return sql::LoadModelParts(connection, models, sql::StageOrder::kByName);
  });
}

absl::Status SqlRegistryStore::SearchModelVersions(
    const search::ModelVersionSearch& request,
    v1::SearchModelVersionsResponse* response) {
  search::ModelVersionSearch with_columns = request;
  with_columns.columns.assign(std::begin(sql::kModelVersionColumns),
                              std::end(sql::kModelVersionColumns));
  ASSIGN_OR_RETURN(const search::SearchQuery query,
                   search::BuildModelVersionSearch(with_columns, *dialect_));
  return database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(
        std::string next_page_token,
        sql::ReadPage(connection, query, std::size(sql::kModelVersionColumns),
                      [&](const Statement& row) {
                        sql::ReadModelVersion(row,
                                              response->add_model_versions());
                      }));
    if (!next_page_token.empty()) {
      response->set_next_page_token(std::move(next_page_token));
    }
    const std::vector<v1::ModelVersion*> versions(
        response->mutable_model_versions()->pointer_begin(),
        response->mutable_model_versions()->pointer_end());
    return sql::LoadVersionTags(connection, versions);
  });
}

}  // namespace millstream::storage
