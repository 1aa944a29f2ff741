#include "storage/mlflow_schema/key_collation.h"

#include <string_view>

#include "base/status_macros.h"

namespace millstream::storage::mlflow {
namespace {

bool IsLoose(std::string_view collation) {
  return !collation.empty() && collation != "binary" &&
         !collation.ends_with("_bin") && !collation.ends_with("_cs");
}

}  // namespace

absl::StatusOr<std::string> LooseKeyCollation(sql::Database* database) {
  std::string loose;
  RETURN_IF_ERROR(
      database->Read([&](sql::Connection& connection) -> absl::Status {
        if (connection.dialect() != sql::Dialect::kMysql) {
          return absl::OkStatus();
        }
        ASSIGN_OR_RETURN(
            sql::StatementPtr row,
            connection.Query("SELECT collation_name "
                             "FROM information_schema.columns "
                             "WHERE table_schema = database() "
                             "AND table_name = 'params' "
                             "AND column_name = 'key'"));
        ASSIGN_OR_RETURN(const bool found, row->Step());
        if (found && IsLoose(row->Text(0))) loose = std::string(row->Text(0));
        return absl::OkStatus();
      }));
  return loose;
}

}  // namespace millstream::storage::mlflow
