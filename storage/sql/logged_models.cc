#include <string>

#include "absl/container/flat_hash_set.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/artifact_uri.h"
#include "storage/experiment_id.h"
#include "storage/search/search.h"
#include "storage/sql/experiment_rows.h"
#include "storage/sql/logged_model_rows.h"
#include "storage/sql/outcome.h"
#include "storage/sql/page_reader.h"
#include "storage/sql/sql_tracking_store.h"

namespace millstream::storage {
namespace {

using sql::Connection;
using sql::Statement;
using sql::Transaction;

absl::Status CheckTagsDistinct(const v1::LoggedModel& model) {
  absl::flat_hash_set<std::string_view> keys;
  for (const v1::LoggedModelTag& tag : model.info().tags()) {
    if (!keys.insert(tag.key()).second) {
      return MakeError(
          v1::BAD_REQUEST,
          StrCat("The tag '", Shown(tag.key()),
                 "' of the logged model comes twice; give it once."));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SqlTrackingStore::CreateLoggedModel(const v1::LoggedModel& model,
                                                 v1::LoggedModel* created) {
  const v1::LoggedModelInfo& info = model.info();
  ASSIGN_OR_RETURN(const int64_t experiment_id,
                   ParseExperimentId(info.experiment_id()));
  RETURN_IF_ERROR(CheckTagsDistinct(model));
  const auto is_made = [&](Transaction& transaction) {
    return sql::FindsRow(transaction,
                         "SELECT 1 FROM logged_models WHERE model_id = ?",
                         info.model_id());
  };
  const auto make = [&](Transaction& transaction) -> absl::Status {
    ASSIGN_OR_RETURN(const std::string location,
                     sql::HoldExperimentActive(transaction, experiment_id));
    RETURN_IF_ERROR(transaction.Execute(
        "INSERT INTO logged_models (model_id, experiment_id, name, "
        "artifact_location, creation_timestamp_ms, last_updated_timestamp_ms, "
        "status, lifecycle_stage, model_type, source_run_id) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        info.model_id(), experiment_id, info.name(),
        AppendToUri(location, StrCat("models/", info.model_id(), "/artifacts")),
        info.creation_timestamp_ms(), info.creation_timestamp_ms(),
        static_cast<int>(info.status()), sql::kStageActive, info.model_type(),
        info.source_run_id()));
    RETURN_IF_ERROR(sql::WriteLoggedModelParams(
        transaction, info.model_id(), experiment_id, model.data().params()));
    RETURN_IF_ERROR(sql::WriteLoggedModelTags(transaction, info.model_id(),
                                              experiment_id, info.tags()));
    created->Clear();
    return sql::LoadLoggedModel(transaction, info.model_id(),
                                /*allow_deleted=*/false, created);
  };
  return sql::WriteNew(database_, is_made, make);
}

absl::Status SqlTrackingStore::GetLoggedModel(std::string_view model_id,
                                              bool allow_deleted,
                                              v1::LoggedModel* model) {
  return database_->Read([&](Connection& connection) {
    return sql::LoadLoggedModel(connection, model_id, allow_deleted, model);
  });
}

absl::Status SqlTrackingStore::SearchLoggedModels(
    const search::LoggedModelSearch& request,
    v1::SearchLoggedModelsResponse* response) {
  return sql::SearchPage(
      *database_, request, sql::kLoggedModelColumns,
      &search::BuildLoggedModelSearch, *dialect_,
      [&](const Statement& row) {
        sql::ReadLoggedModelInfo(row, response->add_models()->mutable_info());
      },
      [&](Connection& connection) {
        return sql::LoadLoggedModelParts(
            connection, sql::PointersTo(response->mutable_models()));
      },
      response);
}

absl::Status SqlTrackingStore::FinalizeLoggedModel(std::string_view model_id,
                                                   v1::LoggedModelStatus status,
                                                   int64_t now_ms,
                                                   v1::LoggedModel* model) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(transaction.Execute(
        "UPDATE logged_models SET status = ?, last_updated_timestamp_ms = ? "
        "WHERE model_id = ?",
        static_cast<int>(status), now_ms, model_id));
    model->Clear();
    return sql::LoadLoggedModel(transaction, model_id, /*allow_deleted=*/true,
                                model);
  });
}

absl::Status SqlTrackingStore::DeleteLoggedModel(std::string_view model_id,
                                                 int64_t now_ms) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(sql::FindLoggedModel(transaction, model_id).status());
    return transaction.Execute(
        "UPDATE logged_models SET lifecycle_stage = ?, "
        "last_updated_timestamp_ms = ? WHERE model_id = ?",
        sql::kStageDeleted, now_ms, model_id);
  });
}

absl::Status SqlTrackingStore::SetLoggedModelTags(
    std::string_view model_id,
    const google::protobuf::RepeatedPtrField<v1::LoggedModelTag>& tags) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    ASSIGN_OR_RETURN(const int64_t experiment_id,
                     sql::FindLoggedModel(transaction, model_id));
    return sql::WriteLoggedModelTags(transaction, model_id, experiment_id,
                                     tags);
  });
}

absl::Status SqlTrackingStore::DeleteLoggedModelTag(std::string_view model_id,
                                                    std::string_view key) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(sql::FindLoggedModel(transaction, model_id).status());
    RETURN_IF_ERROR(transaction.Execute(
        "DELETE FROM logged_model_tags WHERE model_id = ? AND tag_key = ?",
        model_id, key));
    if (transaction.changes() > 0) return absl::OkStatus();
    return DoesNotExist("No tag with key '", Shown(key),
                        "' found for model with ID '", model_id, "'.");
  });
}

absl::Status SqlTrackingStore::LogLoggedModelParams(
    std::string_view model_id,
    const google::protobuf::RepeatedPtrField<v1::LoggedModelParameter>&
        params) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    ASSIGN_OR_RETURN(const int64_t experiment_id,
                     sql::FindLoggedModel(transaction, model_id));
    return sql::WriteLoggedModelParams(transaction, model_id, experiment_id,
                                       params);
  });
}

}  // namespace millstream::storage
