#include "storage/search/search.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "storage/experiment_id.h"
#include "storage/search/page_token.h"
#include "storage/search/semantics.h"
#include "storage/search/sql_generator.h"

namespace millstream::storage::search {
namespace {

// What all requests have in common.
template <typename Request>
absl::StatusOr<BoundSearch> Bind(const Request& request, Entity entity) {
  if (request.max_results < 0) {
    return InvalidParameter("max_results must not be negative.");
  }
  BoundSearch search;
  search.schema = &GetEntitySchema(entity);
  search.columns = request.columns;
  search.max_results = request.max_results;
  search.page_token = request.page_token;
  ASSIGN_OR_RETURN(search.filter, BindFilter(request.filter, *search.schema));
  return search;
}

Fingerprint StartFingerprint(Entity entity, std::string_view filter) {
  Fingerprint fingerprint;
  fingerprint.Add(static_cast<uint64_t>(entity));
  fingerprint.Add(filter);
  return fingerprint;
}

void AddTerms(const std::vector<std::string_view>& terms,
              Fingerprint* fingerprint) {
  fingerprint->Add(uint64_t{terms.size()});
  for (const std::string_view term : terms) fingerprint->Add(term);
}

// The ids as numbers, sorted, each once.
absl::StatusOr<std::vector<int64_t>> ParseExperimentIds(
    const std::vector<std::string_view>& ids) {
  if (ids.size() > limits::kSearchExperimentIdsMax) {
    return InvalidParameter("experiment_ids has at most ",
                            limits::kSearchExperimentIdsMax, " ids.");
  }
  std::vector<int64_t> parsed;
  parsed.reserve(ids.size());
  for (const std::string_view id : ids) {
    ASSIGN_OR_RETURN(const int64_t number, ParseExperimentId(id));
    parsed.push_back(number);
  }
  std::sort(parsed.begin(), parsed.end());
  parsed.erase(std::unique(parsed.begin(), parsed.end()), parsed.end());
  return parsed;
}

void AddIds(const std::vector<int64_t>& ids, Fingerprint* fingerprint) {
  fingerprint->Add(uint64_t{ids.size()});
  for (const int64_t id : ids) fingerprint->Add(static_cast<uint64_t>(id));
}

}  // namespace

absl::StatusOr<SearchQuery> BuildRunSearch(const RunSearch& request,
                                           const SqlDialect& dialect) {
  ASSIGN_OR_RETURN(BoundSearch search, Bind(request, Entity::kRun));
  ASSIGN_OR_RETURN(search.order, BindOrder(request.order_by, *search.schema));
  ASSIGN_OR_RETURN(search.experiment_ids,
                   ParseExperimentIds(request.experiment_ids));
  search.view = request.view;
  Fingerprint fingerprint = StartFingerprint(Entity::kRun, request.filter);
  AddTerms(request.order_by, &fingerprint);
  AddIds(search.experiment_ids, &fingerprint);
  fingerprint.Add(static_cast<uint64_t>(request.view));
  search.fingerprint = fingerprint.value();
  return GenerateSql(search, dialect);
}

absl::StatusOr<SearchQuery> BuildExperimentSearch(
    const ExperimentSearch& request, const SqlDialect& dialect) {
  ASSIGN_OR_RETURN(BoundSearch search, Bind(request, Entity::kExperiment));
  ASSIGN_OR_RETURN(search.order, BindOrder(request.order_by, *search.schema));
  search.view = request.view;
  Fingerprint fingerprint =
      StartFingerprint(Entity::kExperiment, request.filter);
  AddTerms(request.order_by, &fingerprint);
  fingerprint.Add(static_cast<uint64_t>(request.view));
  search.fingerprint = fingerprint.value();
  return GenerateSql(search, dialect);
}

namespace {

// The registry's two are alike.
template <typename Request>
absl::StatusOr<SearchQuery> BuildRegistrySearch(const Request& request,
                                                Entity entity,
                                                const SqlDialect& dialect) {
  ASSIGN_OR_RETURN(BoundSearch search, Bind(request, entity));
  ASSIGN_OR_RETURN(search.order, BindOrder(request.order_by, *search.schema));
  search.workspace = request.workspace;
  Fingerprint fingerprint = StartFingerprint(entity, request.filter);
  AddTerms(request.order_by, &fingerprint);
  fingerprint.Add(request.workspace);
  search.fingerprint = fingerprint.value();
  return GenerateSql(search, dialect);
}

}  // namespace

absl::StatusOr<SearchQuery> BuildRegisteredModelSearch(
    const RegisteredModelSearch& request, const SqlDialect& dialect) {
  return BuildRegistrySearch(request, Entity::kRegisteredModel, dialect);
}

absl::StatusOr<SearchQuery> BuildModelVersionSearch(
    const ModelVersionSearch& request, const SqlDialect& dialect) {
  return BuildRegistrySearch(request, Entity::kModelVersion, dialect);
}

absl::StatusOr<SearchQuery> BuildLoggedModelSearch(
    const LoggedModelSearch& request, const SqlDialect& dialect) {
  ASSIGN_OR_RETURN(BoundSearch search, Bind(request, Entity::kLoggedModel));
  ASSIGN_OR_RETURN(search.order, BindLoggedModelOrder(request.order_by));
  ASSIGN_OR_RETURN(search.experiment_ids,
                   ParseExperimentIds(request.experiment_ids));
  if (request.datasets.size() > limits::kSearchDatasetsMax) {
    return InvalidParameter("datasets has at most ",
                            limits::kSearchDatasetsMax, " entries.");
  }
  Fingerprint fingerprint =
      StartFingerprint(Entity::kLoggedModel, request.filter);
  AddIds(search.experiment_ids, &fingerprint);
  fingerprint.Add(uint64_t{request.datasets.size()});
  for (const LoggedModelSearch::Dataset& dataset : request.datasets) {
    if (dataset.name.empty()) {
      return InvalidParameter("Give each of datasets its dataset_name.");
    }
    fingerprint.Add(dataset.name);
    fingerprint.Add(dataset.digest);
  }
  for (const LoggedModelSearch::OrderBy& term : request.order_by) {
    fingerprint.Add(term.field_name);
    fingerprint.Add(uint64_t{term.ascending});
    fingerprint.Add(term.dataset_name);
    fingerprint.Add(term.dataset_digest);
  }
  search.datasets = request.datasets;
  search.fingerprint = fingerprint.value();
  return GenerateSql(search, dialect);
}

}  // namespace millstream::storage::search
