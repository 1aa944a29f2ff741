#include "storage/sql/run_writes.h"

#include <vector>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/sql/bulk_writes.h"
#include "storage/sql/experiment_rows.h"

namespace millstream::storage::sql {
namespace {

constexpr std::string_view kValueColumns[] = {"run_uuid", "key", "value"};
constexpr std::string_view kOwnValueColumns[] = {
    "run_uuid", "key", "value", "experiment_id", "start_time"};

// Texts that write one row of a run's values, for either kind of schema.
class ValueTexts {
 public:
  ValueTexts(std::string_view table, bool overwrites)
      : own_(Text(Dialect::kSqlite, table, kOwnValueColumns, overwrites)) {
    for (Dialect dialect :
         {Dialect::kSqlite, Dialect::kPostgres, Dialect::kMysql}) {
      texts_[static_cast<size_t>(dialect)] =
          Text(dialect, table, kValueColumns, overwrites);
    }
  }

  absl::Status Execute(Transaction& transaction, const RunRef& run,
                       std::string_view key, std::string_view value) const {
    if (transaction.schema() == Schema::kOwn) {
      return transaction.Execute(own_, run.run_id, key, value,
                                 run.experiment_id, run.start_time);
    }
    return transaction.Execute(
        texts_[static_cast<size_t>(transaction.dialect())], run.run_id, key,
        value);
  }

 private:
  static std::string Text(Dialect dialect, std::string_view table,
                          absl::Span<const std::string_view> columns,
                          bool overwrites) {
    return overwrites ? UpsertSql(dialect, table, columns, 2)
                      : InsertSql(table, columns);
  }

  const std::string own_;
  std::string texts_[3];
};

// Another server may add the param meanwhile: whether it did is known once the
// row is there.
absl::Status AddParam(Transaction& transaction, const RunRef& run,
                      std::string_view key, std::string_view value) {
  const RunValue param{.run_id = run.run_id, .key = key, .value = value};
  return AddParams(transaction, {&param, 1});
}

}  // namespace

absl::StatusOr<RunRef> CheckRunActive(Connection& connection,
                                      std::string_view run_id) {
  ASSIGN_OR_RETURN(
      StatementPtr row,
      connection.Query("SELECT lifecycle_stage, experiment_id, start_time "
                       "FROM runs WHERE run_uuid = ?",
                       run_id));
  ASSIGN_OR_RETURN(const bool found, row->Step());
  if (!found) return DoesNotExist("Run with id=", run_id, " not found");
  if (row->Text(0) != kStageActive) {
    return InvalidParameter("The run ", run_id,
                            " must be in the 'active' state. Current state is ",
                            row->Text(0), ".");
  }
  RunRef run{.run_id = run_id, .experiment_id = row->Int64(1)};
  if (!row->IsNull(2)) run.start_time = row->Int64(2);
  return run;
}

absl::Status LockRun(Transaction& transaction, std::string_view run_id) {
  const std::string_view lock = ForUpdate(transaction.dialect());
  if (lock.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      StatementPtr row,
      transaction.Query(
          StrCat("SELECT 1 FROM runs WHERE run_uuid = ?", lock), run_id));
  return row->Finish();
}

absl::Status WriteParam(Transaction& transaction, const RunRef& run,
                        std::string_view key, std::string_view value) {
  if (transaction.schema() == Schema::kMlflow) {
    return AddParam(transaction, run, key, value);
  }
  static const auto& insert = *new ValueTexts("params", /*overwrites=*/false);
  // Read first: most repetitions write what is there.
  ASSIGN_OR_RETURN(
      StatementPtr row,
      transaction.Query("SELECT value FROM params WHERE run_uuid = ? "
                        "AND \"key\" = ?",
                        run.run_id, key));
  ASSIGN_OR_RETURN(const bool found, row->Step());
  if (!found) return insert.Execute(transaction, run, key, value);
  if (row->Text(0) == value) return absl::OkStatus();
  return ParamDiffers(run.run_id, key, row->Text(0), value);
}

absl::Status WriteParams(
    Transaction& transaction, const RunRef& run,
    const google::protobuf::RepeatedPtrField<v1::Param>& params) {
  for (const v1::Param& param : params) {
    RETURN_IF_ERROR(
        WriteParam(transaction, run, param.key(), param.value()));
  }
  return absl::OkStatus();
}

absl::Status AddTag(Transaction& transaction, const RunRef& run,
                    std::string_view key, std::string_view value) {
  static const auto& insert = *new ValueTexts("tags", /*overwrites=*/false);
  return insert.Execute(transaction, run, key, value);
}

absl::Status AddTags(
    Transaction& transaction, const RunRef& run,
    const google::protobuf::RepeatedPtrField<v1::RunTag>& tags) {
  if (transaction.schema() == Schema::kMlflow) {
    std::vector<RunValue> values;
    for (const v1::RunTag& tag : tags) {
      values.push_back(
          {.run_id = run.run_id, .key = tag.key(), .value = tag.value()});
    }
    return PutTags(transaction, values);
  }
  for (const v1::RunTag& tag : tags) {
    RETURN_IF_ERROR(AddTag(transaction, run, tag.key(), tag.value()));
  }
  return absl::OkStatus();
}

absl::Status WriteTag(Transaction& transaction, const RunRef& run,
                      std::string_view key, std::string_view value) {
  static const auto& upsert = *new ValueTexts("tags", /*overwrites=*/true);
  if (key == kRunNameTag) {
    // A run is never without a name.
    if (value.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(transaction.Execute(
        "UPDATE runs SET name = ? WHERE run_uuid = ?", value, run.run_id));
  }
  return upsert.Execute(transaction, run, key, value);
}

absl::Status WriteTags(
    Transaction& transaction, const RunRef& run,
    const google::protobuf::RepeatedPtrField<v1::RunTag>& tags) {
  for (const v1::RunTag& tag : tags) {
    RETURN_IF_ERROR(WriteTag(transaction, run, tag.key(), tag.value()));
  }
  return absl::OkStatus();
}

}  // namespace millstream::storage::sql
