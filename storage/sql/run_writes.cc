#include "storage/sql/run_writes.h"

#include "base/error.h"
#include "base/status_macros.h"
#include "storage/sql/experiment_rows.h"

namespace millstream::storage::sql {

absl::StatusOr<int64_t> CheckRunActive(Connection& connection,
                                       std::string_view run_id) {
  ASSIGN_OR_RETURN(
      StatementPtr row,
      connection.Query("SELECT lifecycle_stage, experiment_id FROM runs "
                       "WHERE run_uuid = ?",
                       run_id));
  ASSIGN_OR_RETURN(const bool found, row->Step());
  if (!found) return DoesNotExist("Run with id=", run_id, " not found");
  if (row->Text(0) != kStageActive) {
    return InvalidParameter("The run ", run_id,
                            " must be in the 'active' state. Current state is ",
                            row->Text(0), ".");
  }
  return row->Int64(1);
}

absl::Status WriteParam(Transaction& transaction, std::string_view run_id,
                        std::string_view key, std::string_view value) {
  // Read first: most repetitions write what is there.
  ASSIGN_OR_RETURN(
      StatementPtr row,
      transaction.Query("SELECT value FROM params WHERE run_uuid = ? "
                        "AND \"key\" = ?",
                        run_id, key));
  ASSIGN_OR_RETURN(const bool found, row->Step());
  if (!found) {
    return transaction.Execute(
        "INSERT INTO params (run_uuid, \"key\", value) VALUES (?, ?, ?)",
        run_id, key, value);
  }
  if (row->Text(0) == value) return absl::OkStatus();
  return InvalidParameter(
      "Changing param values is not allowed: run '", run_id, "' has param '",
      key, "' with value '", Shown(row->Text(0)), "', and the request wants '",
      Shown(value), "'. Log the new value under another key, or in a new run.");
}

absl::Status WriteParams(
    Transaction& transaction, std::string_view run_id,
    const google::protobuf::RepeatedPtrField<v1::Param>& params) {
  for (const v1::Param& param : params) {
    RETURN_IF_ERROR(
        WriteParam(transaction, run_id, param.key(), param.value()));
  }
  return absl::OkStatus();
}

absl::Status WriteTag(Transaction& transaction, std::string_view run_id,
                      std::string_view key, std::string_view value) {
  static const UpsertTexts& upsert =
      *new UpsertTexts("tags", {"run_uuid", "key", "value"}, 2);
  if (key == kRunNameTag) {
    // A run is never without a name.
    if (value.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(transaction.Execute(
        "UPDATE runs SET name = ? WHERE run_uuid = ?", value, run_id));
  }
  return transaction.Execute(upsert.text(transaction.dialect()), run_id, key,
                             value);
}

absl::Status WriteTags(
    Transaction& transaction, std::string_view run_id,
    const google::protobuf::RepeatedPtrField<v1::RunTag>& tags) {
  for (const v1::RunTag& tag : tags) {
    RETURN_IF_ERROR(WriteTag(transaction, run_id, tag.key(), tag.value()));
  }
  return absl::OkStatus();
}

}  // namespace millstream::storage::sql
