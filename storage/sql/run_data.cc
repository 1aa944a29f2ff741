#include <optional>
#include <string>

#include "base/error.h"
#include "base/status_macros.h"
#include "storage/sql/run_writes.h"
#include "storage/sql/sql_tracking_store.h"

namespace millstream::storage {
using sql::StatementPtr;
using sql::Transaction;

absl::Status SqlTrackingStore::LogParam(std::string_view run_id,
                                        std::string_view key,
                                        std::string_view value) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    ASSIGN_OR_RETURN(const sql::RunRef run,
                     sql::CheckRunActive(transaction, run_id));
    return sql::WriteParam(transaction, run, key, value);
  });
}

absl::Status SqlTrackingStore::SetRunTag(std::string_view run_id,
                                         std::string_view key,
                                         std::string_view value) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    ASSIGN_OR_RETURN(const sql::RunRef run,
                     sql::CheckRunActive(transaction, run_id));
    return sql::WriteTag(transaction, run, key, value);
  });
}

absl::Status SqlTrackingStore::DeleteRunTag(std::string_view run_id,
                                            std::string_view key) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(sql::CheckRunActive(transaction, run_id).status());
    RETURN_IF_ERROR(transaction.Execute(
        "DELETE FROM tags WHERE run_uuid = ? AND \"key\" = ?", run_id, key));
    if (transaction.changes() > 0) return absl::OkStatus();
    return DoesNotExist("No tag with name: ", key, " in run with id ", run_id);
  });
}

absl::Status SqlTrackingStore::UpdateRunTag(
    std::string_view run_id, std::string_view key,
    absl::FunctionRef<
        absl::StatusOr<std::string>(std::optional<std::string_view>)>
        update) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(sql::LockRun(transaction, run_id));
    ASSIGN_OR_RETURN(const sql::RunRef run,
                     sql::CheckRunActive(transaction, run_id));
    std::string value;
    {
      ASSIGN_OR_RETURN(
          StatementPtr row,
          transaction.Query("SELECT value FROM tags WHERE run_uuid = ? "
                            "AND \"key\" = ?",
                            run_id, key));
      ASSIGN_OR_RETURN(const bool found, row->Step());
      std::optional<std::string_view> present;
      if (found) present = row->Text(0);
      ASSIGN_OR_RETURN(value, update(present));
    }
    return sql::WriteTag(transaction, run, key, value);
  });
}

}  // namespace millstream::storage
