#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/artifact_uri.h"
#include "storage/experiment_id.h"
#include "storage/sql/active_runs.h"
#include "storage/sql/experiment_rows.h"
#include "storage/sql/latest_metrics.h"
#include "storage/sql/outcome.h"
#include "storage/sql/run_rows.h"
#include "storage/sql/run_writes.h"
#include "storage/sql/sql_tracking_store.h"

namespace millstream::storage {

using sql::Connection;
using sql::StatementPtr;
using sql::Transaction;

absl::Status SqlTrackingStore::CreateRun(
    const v1::RunInfo& info,
    const google::protobuf::RepeatedPtrField<v1::RunTag>& tags, v1::Run* run) {
  ASSIGN_OR_RETURN(const int64_t experiment_id,
                   ParseExperimentId(info.experiment_id()));
  std::string artifact_uri;
  const auto is_made = [&](Transaction& transaction) {
    return sql::FindsRow(transaction, "SELECT 1 FROM runs WHERE run_uuid = ?",
                         info.run_id());
  };
  RETURN_IF_ERROR(sql::WriteNew(
      database_, is_made, [&](Transaction& transaction) -> absl::Status {
        ASSIGN_OR_RETURN(
            const std::string location,
            sql::HoldExperimentActive(transaction, experiment_id));
        artifact_uri =
            AppendToUri(location, StrCat(info.run_id(), "/artifacts"));
        const absl::Status added = transaction.Execute(
            "INSERT INTO runs (run_uuid, name, source_type, source_name, "
            "entry_point_name, user_id, status, start_time, source_version, "
            "lifecycle_stage, artifact_uri, experiment_id) VALUES "
            "(?, ?, 'UNKNOWN', '', '', ?, ?, ?, '', 'active', ?, ?)",
            info.run_id(), info.run_name(), info.user_id(),
            v1::RunStatus_Name(info.status()), info.start_time(), artifact_uri,
            experiment_id);
        if (absl::IsAlreadyExists(added)) {
          return AlreadyExists("Run(run_id=", info.run_id(),
                               ") already exists.");
        }
        RETURN_IF_ERROR(added);
        const sql::RunRef created{.run_id = info.run_id(),
                                  .experiment_id = experiment_id,
                                  .start_time = info.start_time()};
        return sql::AddTags(transaction, created, tags);
      }));
  v1::RunInfo* kept = run->mutable_info();
  *kept = info;
  kept->set_run_uuid(info.run_id());
  kept->set_experiment_id(StrCat(experiment_id));
  kept->set_user_id(info.user_id());
  kept->set_artifact_uri(std::move(artifact_uri));
  kept->set_lifecycle_stage(std::string(sql::kStageActive));
  *run->mutable_data()->mutable_tags() = tags;
  run->mutable_inputs();
  return absl::OkStatus();
}

absl::Status SqlTrackingStore::RunTooLarge() const {
  return InvalidParameter("A run of those asked for has more than ",
                          options_.run_parts_bytes_max,
                          " bytes of params, tags, metrics and inputs, which "
                          "no answer takes. Delete tags of it.");
}

absl::Status SqlTrackingStore::GetRun(std::string_view run_id, v1::Run* run) {
  // Before the table is read: what is flushed in between is in both.
  LatestMetrics::Points candidates;
  if (options_.latest_metrics != nullptr) {
    candidates = options_.latest_metrics->Candidates(run_id);
  }
  const sql::RunParts parts = {.model_inputs = true,
                               .bytes_max = options_.run_parts_bytes_max};
  absl::Status status =
      database_->Read([&](Connection& connection) -> absl::Status {
        RETURN_IF_ERROR(
            sql::LoadRunInfo(connection, run_id, run->mutable_info()));
        return sql::LoadRunParts(connection, {run}, parts);
      });
  if (absl::IsOutOfRange(status)) return RunTooLarge();
  RETURN_IF_ERROR(status);
  LatestMetrics::Overlay(candidates, run->mutable_data()->mutable_metrics());
  return absl::OkStatus();
}

absl::Status SqlTrackingStore::GetRunInfo(std::string_view run_id,
                                          v1::RunInfo* info) {
  return database_->Read([&](Connection& connection) {
    return sql::LoadRunInfo(connection, run_id, info);
  });
}

absl::Status SqlTrackingStore::UpdateRun(std::string_view run_id,
                                         const RunUpdate& update,
                                         v1::RunInfo* info) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    ASSIGN_OR_RETURN(const sql::RunRef run,
                     sql::CheckRunActive(transaction, run_id));
    if (update.status.has_value() || update.end_time.has_value()) {
      std::optional<std::string> status;
      if (update.status) status = v1::RunStatus_Name(*update.status);
      RETURN_IF_ERROR(transaction.Execute(
          "UPDATE runs SET status = coalesce(?, status), "
          "end_time = coalesce(?, end_time) WHERE run_uuid = ?",
          status, update.end_time, run_id));
    }
    if (update.run_name.has_value()) {
      RETURN_IF_ERROR(sql::WriteTag(transaction, run, sql::kRunNameTag,
                                    *update.run_name));
    }
    info->Clear();
    return sql::LoadRunInfo(transaction, run_id, info);
  });
}

absl::Status SqlTrackingStore::DeleteRun(std::string_view run_id,
                                         int64_t now_ms) {
  auto change = [&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(transaction.Execute(
        "UPDATE runs SET lifecycle_stage = 'deleted', deleted_time = ? "
        "WHERE run_uuid = ?",
        now_ms, run_id));
    if (transaction.changes() > 0) return absl::OkStatus();
    return DoesNotExist("Run with id=", run_id, " not found");
  };
  absl::Status status = database_->Write(change);
  if (options_.active_runs != nullptr) options_.active_runs->Forget(run_id);
  return status;
}

absl::Status SqlTrackingStore::RestoreRun(std::string_view run_id) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(transaction.Execute(
        "UPDATE runs SET lifecycle_stage = 'active', deleted_time = NULL "
        "WHERE run_uuid = ?",
        run_id));
    if (transaction.changes() > 0) return absl::OkStatus();
    return DoesNotExist("Run with id=", run_id, " not found");
  });
}

}  // namespace millstream::storage
