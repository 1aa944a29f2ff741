#include "base/error.h"
#include "base/status_macros.h"
#include "storage/sql/registry/registry_rows.h"
#include "storage/sql/registry/sql_registry_store.h"

namespace millstream::storage {

using sql::Connection;
using sql::kWorkspace;
using sql::StatementPtr;
using sql::Transaction;

absl::Status SqlRegistryStore::SetRegisteredModelAlias(std::string_view name,
                                                       std::string_view alias,
                                                       int64_t version) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(sql::CheckVersionExists(transaction, name, version));
    static const sql::UpsertTexts upsert(
        "registered_model_aliases", {"workspace", "name", "alias", "version"},
        3);
    return transaction.Execute(upsert.text(transaction.dialect()), kWorkspace,
                               name, alias, version);
  });
}

absl::Status SqlRegistryStore::DeleteRegisteredModelAlias(
    std::string_view name, std::string_view alias) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(sql::CheckModelExists(transaction, name));
    return transaction.Execute(
        "DELETE FROM registered_model_aliases "
        "WHERE workspace = ? AND name = ? AND alias = ?",
        kWorkspace, name, alias);
  });
}

absl::Status SqlRegistryStore::GetModelVersionByAlias(std::string_view name,
                                                      std::string_view alias,
                                                      v1::ModelVersion* found) {
  return database_->Read([&](Connection& connection) -> absl::Status {
    RETURN_IF_ERROR(sql::CheckModelExists(connection, name));
    int64_t version = 0;
    {
      ASSIGN_OR_RETURN(
          StatementPtr row,
          connection.Query("SELECT version FROM registered_model_aliases "
                           "WHERE workspace = ? AND name = ? AND alias = ?",
                           kWorkspace, name, alias));
      ASSIGN_OR_RETURN(const bool exists, row->Step());
      if (!exists) {
        return InvalidParameter("Registered model alias ", alias,
                                " not found.");
      }
      version = row->Int64(0);
    }
    return sql::LoadModelVersion(connection, name, version, found);
  });
}

}  // namespace millstream::storage
