// TrackingService: searches.
#include "storage/search/search.h"

#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "server/tracking_service.h"
#include "server/validation.h"
#include "storage/tracking_store.h"

namespace millstream::server {
namespace {

// An unknown number is as good as none.
storage::search::ViewType ViewOf(v1::ViewType view) {
  switch (view) {
    case v1::DELETED_ONLY:
      return storage::search::ViewType::kDeletedOnly;
    case v1::ALL:
      return storage::search::ViewType::kAll;
    default:
      return storage::search::ViewType::kActiveOnly;
  }
}

template <typename Strings>
std::vector<std::string_view> Views(const Strings& strings) {
  return std::vector<std::string_view>(strings.begin(), strings.end());
}

}  // namespace

absl::Status TrackingService::SearchExperiments(
    CallContext& context, const v1::SearchExperimentsRequest& request,
    v1::SearchExperimentsResponse* response) {
  RETURN_IF_ERROR(
      CheckMaxResults(request.max_results(), limits::kSearchResultsMax));
  storage::search::ExperimentSearch search;
  search.filter = request.filter();
  search.view = ViewOf(request.view_type());
  search.order_by = Views(request.order_by());
  search.max_results = request.max_results();
  search.page_token = request.page_token();
  search.caller = &context;
  return store_->SearchExperiments(search, response);
}

absl::Status TrackingService::SearchRuns(CallContext& context,
                                         const v1::SearchRunsRequest& request,
                                         v1::SearchRunsResponse* response) {
  const int64_t max_results = request.has_max_results()
                                  ? request.max_results()
                                  : limits::kSearchRunsResultsDefault;
  RETURN_IF_ERROR(CheckMaxResults(max_results, limits::kSearchResultsMax));
  storage::search::RunSearch search;
  search.experiment_ids = Views(request.experiment_ids());
  search.filter = request.filter();
  search.view = ViewOf(request.run_view_type());
  search.order_by = Views(request.order_by());
  search.max_results = max_results;
  search.page_token = request.page_token();
  search.caller = &context;
  return store_->SearchRuns(search, response);
}

absl::Status TrackingService::SearchDatasets(
    CallContext&, const v1::SearchDatasetsRequest& request,
    v1::SearchDatasetsResponse* response) {
  if (request.experiment_ids().empty()) {
    return InvalidParameter("Name at least one experiment in experiment_ids.");
  }
  if (request.experiment_ids_size() > limits::kDatasetExperimentsMax) {
    return InvalidParameter("Name at most ", limits::kDatasetExperimentsMax,
                            " experiments in experiment_ids; ",
                            request.experiment_ids_size(), " are named.");
  }
  return store_->SearchDatasets(Views(request.experiment_ids()),
                                limits::kDatasetSummariesMax,
                                response->mutable_dataset_summaries());
}

}  // namespace millstream::server
