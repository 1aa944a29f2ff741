#include "storage/sql/logged_model_rows.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/sql/in_list.h"

namespace millstream::storage::sql {
namespace {

using ModelsById = absl::flat_hash_map<std::string_view, v1::LoggedModel*>;

absl::Status NoSuchModel(std::string_view model_id) {
  return DoesNotExist("Logged model with ID '", model_id, "' not found.");
}

void ReadMetric(const Statement& row, v1::Metric* metric) {
  metric->set_model_id(std::string(row.Text(0)));
  metric->set_key(std::string(row.Text(1)));
  metric->set_timestamp(row.Int64(2));
  metric->set_step(row.Int64(3));
  metric->set_value(row.Double(4));
  metric->set_run_id(std::string(row.Text(5)));
  if (!row.IsNull(6)) metric->set_dataset_name(std::string(row.Text(6)));
  if (!row.IsNull(7)) metric->set_dataset_digest(std::string(row.Text(7)));
}

}  // namespace

void ReadLoggedModelInfo(const Statement& row, v1::LoggedModelInfo* info) {
  info->set_model_id(std::string(row.Text(0)));
  info->set_experiment_id(StrCat(row.Int64(1)));
  info->set_name(std::string(row.Text(2)));
  info->set_creation_timestamp_ms(row.Int64(3));
  info->set_last_updated_timestamp_ms(row.Int64(4));
  info->set_artifact_uri(std::string(row.Text(5)));
  const int status = static_cast<int>(row.Int64(6));
  info->set_status(v1::LoggedModelStatus_IsValid(status)
                       ? static_cast<v1::LoggedModelStatus>(status)
                       : v1::LOGGED_MODEL_STATUS_UNSPECIFIED);
  if (!row.IsNull(7)) info->set_model_type(std::string(row.Text(7)));
  if (!row.IsNull(8)) info->set_source_run_id(std::string(row.Text(8)));
  if (!row.IsNull(9)) info->set_status_message(std::string(row.Text(9)));
}

absl::Status LoadLoggedModel(Connection& connection, std::string_view model_id,
                             bool allow_deleted, v1::LoggedModel* model) {
  {
    ASSIGN_OR_RETURN(
        StatementPtr row,
        connection.Query(
            "SELECT model_id, experiment_id, name, creation_timestamp_ms, "
            "last_updated_timestamp_ms, artifact_location, status, model_type, "
            "source_run_id, status_message, lifecycle_stage "
            "FROM logged_models WHERE model_id = ?",
            model_id));
    ASSIGN_OR_RETURN(const bool found, row->Step());
    if (!found || (row->Text(10) == "deleted" && !allow_deleted)) {
      return NoSuchModel(model_id);
    }
    ReadLoggedModelInfo(*row, model->mutable_info());
  }
  // MLflow shows it even if there is nothing in it.
  model->mutable_data();
  return LoadLoggedModelParts(connection, {model});
}

absl::Status LoadLoggedModelParts(Connection& connection,
                                  absl::Span<v1::LoggedModel* const> models) {
  std::vector<std::string> ids;
  ModelsById by_id;
  for (v1::LoggedModel* model : models) {
    model->mutable_data();
    ids.push_back(model->info().model_id());
    by_id[model->info().model_id()] = model;
  }
  RETURN_IF_ERROR(ForEachRowIn(
      connection,
      "SELECT model_id, tag_key, tag_value FROM logged_model_tags "
      "WHERE model_id",
      ids, " ORDER BY model_id, tag_key", [&](const Statement& row) {
        v1::LoggedModel* const model = FindOrNull(by_id, row.Text(0));
        if (model == nullptr) return;
        v1::LoggedModelTag* tag = model->mutable_info()->add_tags();
        tag->set_key(std::string(row.Text(1)));
        tag->set_value(std::string(row.Text(2)));
      }));
  RETURN_IF_ERROR(ForEachRowIn(
      connection,
      "SELECT model_id, param_key, param_value FROM logged_model_params "
      "WHERE model_id",
      ids, " ORDER BY model_id, param_key", [&](const Statement& row) {
        v1::LoggedModel* const model = FindOrNull(by_id, row.Text(0));
        if (model == nullptr) return;
        v1::LoggedModelParameter* param = model->mutable_data()->add_params();
        param->set_key(std::string(row.Text(1)));
        param->set_value(std::string(row.Text(2)));
      }));
  return ForEachRowIn(
      connection,
      "SELECT model_id, metric_name, metric_timestamp_ms, metric_step, "
      "metric_value, run_id, dataset_name, dataset_digest "
      "FROM logged_model_metrics WHERE model_id",
      ids,
      " ORDER BY model_id, metric_name, metric_timestamp_ms, metric_step, "
      "run_id",
      [&](const Statement& row) {
        v1::LoggedModel* const model = FindOrNull(by_id, row.Text(0));
        if (model == nullptr) return;
        ReadMetric(row, model->mutable_data()->add_metrics());
      });
}

absl::StatusOr<int64_t> FindLoggedModel(Connection& connection,
                                        std::string_view model_id) {
  ASSIGN_OR_RETURN(StatementPtr row,
                   connection.Query("SELECT experiment_id FROM logged_models "
                                    "WHERE model_id = ?",
                                    model_id));
  ASSIGN_OR_RETURN(const bool found, row->Step());
  if (!found) return NoSuchModel(model_id);
  return row->Int64(0);
}

absl::Status WriteLoggedModelTags(
    Transaction& transaction, std::string_view model_id, int64_t experiment_id,
    const google::protobuf::RepeatedPtrField<v1::LoggedModelTag>& tags) {
  static constexpr std::string_view kColumns[] = {"model_id", "tag_key",
                                                  "experiment_id", "tag_value"};
  // Of a key that comes twice the last value stays.
  std::map<std::string_view, std::string_view> values;
  for (const v1::LoggedModelTag& tag : tags) values[tag.key()] = tag.value();
  std::vector<Cell> cells;
  for (const auto& [key, value] : values) {
    cells.insert(cells.end(), {model_id, key, experiment_id, value});
  }
  return transaction.InsertRowsLater(
      {.table = "logged_model_tags",
       .columns = kColumns,
       .cells = cells,
       .after = OnConflictUpdate(transaction.dialect(), kColumns, 2)});
}

absl::Status WriteLoggedModelParams(
    Transaction& transaction, std::string_view model_id, int64_t experiment_id,
    const google::protobuf::RepeatedPtrField<v1::LoggedModelParameter>&
        params) {
  static constexpr std::string_view kColumns[] = {"model_id", "experiment_id",
                                                  "param_key", "param_value"};
  const auto is_taken = [](std::string_view which) {
    return MakeError(v1::BAD_REQUEST,
                     StrCat("The param ", which,
                            "of the logged model is set already; params are "
                            "written once."));
  };
  std::set<std::string_view> keys;
  std::vector<Cell> cells;
  for (const v1::LoggedModelParameter& param : params) {
    if (!keys.insert(param.key()).second) {
      return is_taken(StrCat("'", Shown(param.key()), "' "));
    }
    cells.insert(cells.end(),
                 {model_id, experiment_id, param.key(), param.value()});
  }
  const absl::Status status =
      transaction
          .InsertRows({.table = "logged_model_params",
                       .columns = kColumns,
                       .cells = cells})
          .status();
  if (!absl::IsAlreadyExists(status)) return status;
  return is_taken(params.size() == 1
                      ? StrCat("'", Shown(params[0].key()), "' ")
                      : "");
}

}  // namespace millstream::storage::sql
