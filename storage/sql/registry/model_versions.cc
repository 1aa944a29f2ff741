#include <map>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/model_versions_tag.h"
#include "storage/sql/outcome.h"
#include "storage/sql/registry/registry_rows.h"
#include "storage/sql/registry/sql_registry_store.h"

namespace millstream::storage {
namespace {

using sql::Connection;
using sql::kStageDeletedInternal;
using sql::kWorkspace;
using sql::StatementPtr;
using sql::Transaction;

constexpr std::string_view kStageNone = "None";
constexpr std::string_view kStageArchived = "Archived";

absl::Status WriteTag(Transaction& transaction, std::string_view name,
                      int64_t version, std::string_view key,
                      std::string_view value) {
  static const sql::UpsertTexts upsert(
      "model_version_tags", {"workspace", "name", "version", "key", "value"},
      4);
  return transaction.Execute(upsert.text(transaction.dialect()), kWorkspace,
                             name, version, key, value);
}

// Several, no two with one key.
absl::Status WriteTags(
    Transaction& transaction, std::string_view name, int64_t version,
    const std::map<std::string_view, std::string_view>& tags) {
  static constexpr std::string_view kColumns[] = {"workspace", "name",
                                                  "version", "key", "value"};
  std::vector<sql::Cell> cells;
  for (const auto& [key, value] : tags) {
    cells.insert(cells.end(), {kWorkspace, name, version, key, value});
  }
  return transaction.InsertRowsLater(
      {.table = "model_version_tags",
       .columns = kColumns,
       .cells = cells,
       .after = sql::OnConflictUpdate(transaction.dialect(), kColumns, 4)});
}

// The model has changed. RESOURCE_DOES_NOT_EXIST.
absl::Status TouchModel(Transaction& transaction, std::string_view name,
                        int64_t now_ms) {
  RETURN_IF_ERROR(sql::CheckModelExists(transaction, name));
  return transaction.Execute(
      "UPDATE registered_models SET last_updated_time = ? "
      "WHERE workspace = ? AND name = ?",
      now_ms, kWorkspace, name);
}

// Numbers of deleted versions stay taken. Two that count at once cannot both
// insert.
absl::StatusOr<int64_t> NextVersion(Connection& connection,
                                    std::string_view name) {
  ASSIGN_OR_RETURN(StatementPtr row,
                   connection.Query("SELECT MAX(version) FROM model_versions "
                                    "WHERE workspace = ? AND name = ?",
                                    kWorkspace, name));
  ASSIGN_OR_RETURN(const bool found, row->Step());
  return found ? row->Int64(0) + 1 : 1;
}

// Lists the version in the tag of the logged model that it is made of.
absl::Status RegisterLoggedModel(Transaction& transaction,
                                 std::string_view model_id,
                                 std::string_view name, int64_t version) {
  int64_t experiment_id = 0;
  std::string value;
  {
    ASSIGN_OR_RETURN(
        StatementPtr row,
        transaction.Query(
            StrCat("SELECT experiment_id FROM logged_models "
                   "WHERE model_id = ? AND lifecycle_stage = 'active'",
                   sql::ForUpdate(transaction.dialect())),
            model_id));
    ASSIGN_OR_RETURN(const bool found, row->Step());
    if (!found) {
      return DoesNotExist("Logged model with ID '", model_id, "' not found.");
    }
    experiment_id = row->Int64(0);
  }
  {
    ASSIGN_OR_RETURN(
        StatementPtr row,
        transaction.Query("SELECT tag_value FROM logged_model_tags "
                          "WHERE model_id = ? AND tag_key = ?",
                          model_id, kModelVersionsTag));
    ASSIGN_OR_RETURN(const bool found, row->Step());
    if (found) value = std::string(row->Text(0));
  }
  static const sql::UpsertTexts upsert(
      "logged_model_tags",
      {"model_id", "tag_key", "experiment_id", "tag_value"}, 2);
  return transaction.Execute(upsert.text(transaction.dialect()), model_id,
                             kModelVersionsTag, experiment_id,
                             AddModelVersion(value, name, version));
}

}  // namespace

absl::Status SqlRegistryStore::CreateModelVersion(
    const v1::ModelVersion& version, std::string_view storage_location,
    v1::ModelVersion* created) {
  std::map<std::string_view, std::string_view> tags;
  for (const v1::ModelVersionTag& tag : version.tags()) {
    tags[tag.key()] = tag.value();
  }
  const int64_t now_ms = version.creation_timestamp();
  int64_t number = 0;
  const auto is_made = [&](Transaction& transaction) {
    return sql::FindsRow(
        transaction,
        "SELECT 1 FROM model_versions WHERE workspace = ? AND name = ? "
        "AND version = ? AND creation_time = ? AND source = ?",
        kWorkspace, version.name(), number, now_ms, version.source());
  };
  const auto make = [&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(TouchModel(transaction, version.name(), now_ms));
    ASSIGN_OR_RETURN(number, NextVersion(transaction, version.name()));
    RETURN_IF_ERROR(transaction.Execute(
        "INSERT INTO model_versions (workspace, name, version, creation_time, "
        "last_updated_time, description, current_stage, source, "
        "storage_location, run_id, run_link, status) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        kWorkspace, version.name(), number, now_ms, now_ms,
        version.description(), kStageNone, version.source(), storage_location,
        version.run_id(), version.run_link(),
        v1::ModelVersionStatus_Name(v1::READY)));
    RETURN_IF_ERROR(WriteTags(transaction, version.name(), number, tags));
    if (!version.model_id().empty()) {
      RETURN_IF_ERROR(RegisterLoggedModel(transaction, version.model_id(),
                                          version.name(), number));
    }
    created->Clear();
    return sql::LoadModelVersion(transaction, version.name(), number, created);
  };
  return sql::WriteNew(database_, is_made, make);
}

absl::Status SqlRegistryStore::GetModelVersion(std::string_view name,
                                               int64_t version,
                                               v1::ModelVersion* found) {
  return database_->Read([&](Connection& connection) {
    return sql::LoadModelVersion(connection, name, version, found);
  });
}

absl::StatusOr<std::string> SqlRegistryStore::GetModelVersionDownloadUri(
    std::string_view name, int64_t version) {
  std::string uri;
  RETURN_IF_ERROR(
      database_->Read([&](Connection& connection) -> absl::Status {
        RETURN_IF_ERROR(sql::CheckVersionExists(connection, name, version));
        ASSIGN_OR_RETURN(
            StatementPtr row,
            connection.Query("SELECT storage_location, source "
                             "FROM model_versions WHERE workspace = ? "
                             "AND name = ? AND version = ?",
                             kWorkspace, name, version));
        ASSIGN_OR_RETURN(const bool found, row->Step());
        if (found) uri = std::string(row->Text(row->Text(0).empty() ? 1 : 0));
        return absl::OkStatus();
      }));
  return uri;
}

absl::Status SqlRegistryStore::UpdateModelVersion(
    std::string_view name, int64_t version,
    std::optional<std::string_view> description, int64_t now_ms,
    v1::ModelVersion* updated) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(sql::CheckVersionExists(transaction, name, version));
    RETURN_IF_ERROR(transaction.Execute(
        "UPDATE model_versions SET description = ?, last_updated_time = ? "
        "WHERE workspace = ? AND name = ? AND version = ?",
        description, now_ms, kWorkspace, name, version));
    updated->Clear();
    return sql::LoadModelVersion(transaction, name, version, updated);
  });
}

absl::Status SqlRegistryStore::TransitionModelVersionStage(
    std::string_view name, int64_t version, std::string_view stage,
    bool archive_existing, int64_t now_ms, v1::ModelVersion* moved) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(sql::CheckVersionExists(transaction, name, version));
    if (archive_existing) {
      RETURN_IF_ERROR(transaction.Execute(
          "UPDATE model_versions SET current_stage = ?, last_updated_time = ? "
          "WHERE workspace = ? AND name = ? AND current_stage = ? "
          "AND version <> ?",
          kStageArchived, now_ms, kWorkspace, name, stage, version));
    }
    RETURN_IF_ERROR(transaction.Execute(
        "UPDATE model_versions SET current_stage = ?, last_updated_time = ? "
        "WHERE workspace = ? AND name = ? AND version = ?",
        stage, now_ms, kWorkspace, name, version));
    RETURN_IF_ERROR(TouchModel(transaction, name, now_ms));
    moved->Clear();
    return sql::LoadModelVersion(transaction, name, version, moved);
  });
}

absl::Status SqlRegistryStore::DeleteModelVersion(std::string_view name,
                                                  int64_t version,
                                                  int64_t now_ms) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(sql::CheckVersionExists(transaction, name, version));
    RETURN_IF_ERROR(TouchModel(transaction, name, now_ms));
    RETURN_IF_ERROR(transaction.Execute(
        "DELETE FROM registered_model_aliases "
        "WHERE workspace = ? AND name = ? AND version = ?",
        kWorkspace, name, version));
    RETURN_IF_ERROR(transaction.Execute(
        "DELETE FROM model_version_tags "
        "WHERE workspace = ? AND name = ? AND version = ?",
        kWorkspace, name, version));
    // The row stays, so that the number is not given again; what it said does
    // not.
    return transaction.Execute(
        "UPDATE model_versions SET current_stage = ?, last_updated_time = ?, "
        "description = NULL, user_id = NULL, status_message = NULL, "
        "source = 'REDACTED-SOURCE-PATH', run_id = 'REDACTED-RUN-ID', "
        "run_link = 'REDACTED-RUN-LINK', storage_location = NULL "
        "WHERE workspace = ? AND name = ? AND version = ?",
        kStageDeletedInternal, now_ms, kWorkspace, name, version);
  });
}

absl::Status SqlRegistryStore::GetLatestVersions(
    std::string_view name, absl::Span<const std::string_view> stages,
    google::protobuf::RepeatedPtrField<v1::ModelVersion>* versions) {
  return database_->Read([&](Connection& connection) -> absl::Status {
    v1::RegisteredModel model;
    RETURN_IF_ERROR(sql::LoadRegisteredModel(connection, name, &model));
    std::vector<v1::ModelVersion*> chosen;
    for (v1::ModelVersion& version : *model.mutable_latest_versions()) {
      if (stages.empty() ||
          absl::c_linear_search(stages, version.current_stage())) {
        chosen.push_back(versions->Add());
        chosen.back()->Swap(&version);
      }
    }
    return sql::LoadVersionAliases(connection, name, chosen);
  });
}

absl::Status SqlRegistryStore::SetModelVersionTag(std::string_view name,
                                                  int64_t version,
                                                  std::string_view key,
                                                  std::string_view value) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(sql::CheckVersionExists(transaction, name, version));
    return WriteTag(transaction, name, version, key, value);
  });
}

absl::Status SqlRegistryStore::DeleteModelVersionTag(std::string_view name,
                                                     int64_t version,
                                                     std::string_view key) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(sql::CheckVersionExists(transaction, name, version));
    return transaction.Execute(
        "DELETE FROM model_version_tags WHERE workspace = ? AND name = ? "
        "AND version = ? AND \"key\" = ?",
        kWorkspace, name, version, key);
  });
}

}  // namespace millstream::storage
