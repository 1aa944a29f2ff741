#include <algorithm>

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
  return sql::SearchPage(
      *database_, request, sql::kExperimentColumns,
      &search::BuildExperimentSearch, *dialect_,
      [&](const Statement& row) {
        sql::ReadExperiment(row, response->add_experiments());
      },
      [&](Connection& connection) {
        return sql::LoadExperimentTags(connection,
                                       response->mutable_experiments());
      },
      response);
}

absl::Status SqlTrackingStore::SearchRuns(const search::RunSearch& request,
                                          v1::SearchRunsResponse* response) {
  LatestMetrics* const latest = options_.latest_metrics;
  // The table cannot be written (a full disk): runs are found by what it holds,
  // and shown with what it lacks.
  const bool behind = latest != nullptr && !latest->Flush().ok();
  sql::RunParts parts = {.model_inputs = request.model_inputs,
                         .bytes_max = options_.run_parts_bytes_max};
  if (request.parts_bytes_max != 0 && request.max_results > 1) {
    parts.bytes_max = std::min(parts.bytes_max, request.parts_bytes_max);
  }
  search::RunSearch page = request;
  for (;;) {
    const absl::Status status = sql::SearchPage(
        *database_, page, sql::kRunColumns, &search::BuildRunSearch, *dialect_,
        [&](const Statement& row) {
          sql::ReadRunInfo(row, response->add_runs()->mutable_info());
        },
        [&](Connection& connection) {
          if (!request.parts) return absl::OkStatus();
          return sql::LoadRunParts(
              connection, sql::PointersTo(response->mutable_runs()), parts);
        },
        response);
    if (status.ok()) break;
    if (!absl::IsOutOfRange(status)) return status;
    if (response->runs_size() == 1) {
      if (parts.bytes_max == options_.run_parts_bytes_max) return RunTooLarge();
      parts.bytes_max = options_.run_parts_bytes_max;
    }
    page.max_results = std::max(response->runs_size() / 2, 1);
    response->Clear();
  }
  if (!behind) return absl::OkStatus();
  for (v1::Run& run : *response->mutable_runs()) {
    LatestMetrics::Overlay(latest->Candidates(run.info().run_id()),
                           run.mutable_data()->mutable_metrics());
  }
  return absl::OkStatus();
}

}  // namespace millstream::storage
