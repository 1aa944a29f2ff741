#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/status_macros.h"
#include "storage/search/search.h"
#include "storage/sql/experiment_rows.h"
#include "storage/sql/latest_metrics.h"
#include "storage/sql/page_reader.h"
#include "storage/sql/run_rows.h"
#include "storage/sql/sql_tracking_store.h"

namespace millstream::storage {

using sql::Connection;
using sql::Statement;

absl::Status SqlTrackingStore::SearchExperiments(
    const search::ExperimentSearch& request,
    v1::SearchExperimentsResponse* response) {
  search::ExperimentSearch with_columns = request;
  with_columns.columns.assign(std::begin(sql::kExperimentColumns),
                              std::end(sql::kExperimentColumns));
  ASSIGN_OR_RETURN(const search::SearchQuery query,
                   search::BuildExperimentSearch(with_columns, *dialect_));
  return database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(
        std::string next_page_token,
        sql::ReadPage(connection, query,
                      std::size(sql::kExperimentColumns),
                      [&](const Statement& row) {
                        sql::ReadExperiment(row, response->add_experiments());
                      }));
    if (!next_page_token.empty()) {
      response->set_next_page_token(std::move(next_page_token));
    }
    return sql::LoadExperimentTags(connection,
                                   response->mutable_experiments());
  });
}

absl::Status SqlTrackingStore::SearchRuns(const search::RunSearch& request,
                                          v1::SearchRunsResponse* response) {
  search::RunSearch with_columns = request;
  with_columns.columns.assign(std::begin(sql::kRunColumns),
                              std::end(sql::kRunColumns));
  ASSIGN_OR_RETURN(const search::SearchQuery query,
                   search::BuildRunSearch(with_columns, *dialect_));
  LatestMetrics* const latest = options_.latest_metrics;
  // The table cannot be written (a full disk): runs are found by what it holds,
  // and shown with what it lacks.
  const bool behind = latest != nullptr && !latest->Flush().ok();
  RETURN_IF_ERROR(database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(
        std::string next_page_token,
        sql::ReadPage(connection, query, std::size(sql::kRunColumns),
                      [&](const Statement& row) {
                        sql::ReadRunInfo(
                            row, response->add_runs()->mutable_info());
                      }));
    if (!next_page_token.empty()) {
      response->set_next_page_token(std::move(next_page_token));
    }
    std::vector<v1::Run*> runs(response->mutable_runs()->pointer_begin(),
                               response->mutable_runs()->pointer_end());
    return sql::LoadRunParts(connection, runs, {});
  }));
  if (!behind) return absl::OkStatus();
  for (v1::Run& run : *response->mutable_runs()) {
    LatestMetrics::Overlay(latest->Candidates(run.info().run_id()),
                           run.mutable_data()->mutable_metrics());
  }
  return absl::OkStatus();
}

}  // namespace millstream::storage
