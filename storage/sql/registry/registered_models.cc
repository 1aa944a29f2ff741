#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/status_macros.h"
#include "storage/sql/outcome.h"
#include "storage/sql/registry/registry_rows.h"
#include "storage/sql/registry/sql_registry_store.h"

namespace millstream::storage {
namespace {

using sql::Connection;
using sql::kWorkspace;
using sql::StatementPtr;
using sql::Transaction;

absl::StatusOr<bool> IsPrompt(Connection& connection, std::string_view name) {
  ASSIGN_OR_RETURN(
      StatementPtr row,
      connection.Query("SELECT 1 FROM registered_model_tags WHERE "
                       "workspace = ? AND name = ? AND \"key\" = ?",
                       kWorkspace, name, kIsPromptTag));
  return row->Step();
}

bool HasPromptTag(const v1::RegisteredModel& model) {
  for (const v1::RegisteredModelTag& tag : model.tags()) {
    if (tag.key() == kIsPromptTag) return true;
  }
  return false;
}

// Why `model` cannot be made: its name is taken.
absl::Status NameIsTaken(Connection& connection,
                         const v1::RegisteredModel& model) {
  ASSIGN_OR_RETURN(const bool old_is_prompt,
                   IsPrompt(connection, model.name()));
  const bool new_is_prompt = HasPromptTag(model);
  if (old_is_prompt != new_is_prompt) {
    return AlreadyExists("The name '", model.name(), "' is taken by a ",
                         old_is_prompt ? "prompt" : "registered model",
                         "; choose another one for the ",
                         new_is_prompt ? "prompt." : "registered model.");
  }
  return AlreadyExists(new_is_prompt ? "Prompt" : "Registered Model",
                       " (name=", model.name(), ") already exists.");
}

absl::Status WriteTag(Transaction& transaction, std::string_view name,
                      std::string_view key, std::string_view value) {
  static const sql::UpsertTexts upsert(
      "registered_model_tags", {"workspace", "name", "key", "value"}, 3);
  return transaction.Execute(upsert.text(transaction.dialect()), kWorkspace,
                             name, key, value);
}

// Several, no two with one key.
absl::Status WriteTags(
    Transaction& transaction, std::string_view name,
    const std::map<std::string_view, std::string_view>& tags) {
  static constexpr std::string_view kColumns[] = {"workspace", "name", "key",
                                                  "value"};
  std::vector<sql::Cell> cells;
  for (const auto& [key, value] : tags) {
    cells.insert(cells.end(), {kWorkspace, name, key, value});
  }
  return transaction
      .InsertRows({.table = "registered_model_tags",
                   .columns = kColumns,
                   .cells = cells,
                   .after = sql::OnConflictUpdate(transaction.dialect(),
                                                  kColumns, 3)})
      .status();
}

}  // namespace

SqlRegistryStore::SqlRegistryStore(sql::Database* database,
                                   const search::SqlDialect* dialect)
    : database_(database), dialect_(dialect) {}

absl::Status SqlRegistryStore::CreateRegisteredModel(
    const v1::RegisteredModel& model, v1::RegisteredModel* created) {
  std::map<std::string_view, std::string_view> tags;
  for (const v1::RegisteredModelTag& tag : model.tags()) {
    tags[tag.key()] = tag.value();
  }
  const auto is_made = [&](Transaction& transaction) {
    return sql::FindsRow(transaction,
                         "SELECT 1 FROM registered_models WHERE workspace = ? "
                         "AND name = ? AND creation_time = ?",
                         kWorkspace, model.name(), model.creation_timestamp());
  };
  absl::Status status = sql::WriteNew(
      database_, is_made, [&](Transaction& transaction) -> absl::Status {
        RETURN_IF_ERROR(transaction.Execute(
            "INSERT INTO registered_models (workspace, name, creation_time, "
            "last_updated_time, description) VALUES (?, ?, ?, ?, ?)",
            kWorkspace, model.name(), model.creation_timestamp(),
            model.creation_timestamp(), model.description()));
        return WriteTags(transaction, model.name(), tags);
      });
  if (absl::IsAlreadyExists(status)) {
    absl::Status taken;
    RETURN_IF_ERROR(database_->Read([&](Connection& connection) {
      taken = NameIsTaken(connection, model);
      return absl::OkStatus();
    }));
    return taken;
  }
  RETURN_IF_ERROR(status);
  created->set_name(model.name());
  created->set_creation_timestamp(model.creation_timestamp());
  created->set_last_updated_timestamp(model.creation_timestamp());
  if (!model.description().empty()) {
    created->set_description(model.description());
  }
  for (const auto& [key, value] : tags) {
    v1::RegisteredModelTag* tag = created->add_tags();
    tag->set_key(std::string(key));
    tag->set_value(std::string(value));
  }
  return absl::OkStatus();
}

absl::Status SqlRegistryStore::GetRegisteredModel(std::string_view name,
                                                  v1::RegisteredModel* model) {
  return database_->Read([&](Connection& connection) {
    return sql::LoadRegisteredModel(connection, name, model);
  });
}

absl::Status SqlRegistryStore::UpdateRegisteredModel(
    std::string_view name, std::string_view description, int64_t now_ms,
    v1::RegisteredModel* model) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(transaction.Execute(
        "UPDATE registered_models SET description = ?, last_updated_time = ? "
        "WHERE workspace = ? AND name = ?",
        description, now_ms, kWorkspace, name));
    model->Clear();
    return sql::LoadRegisteredModel(transaction, name, model);
  });
}

absl::Status SqlRegistryStore::RenameRegisteredModel(
    std::string_view name, std::string_view new_name, int64_t now_ms,
    v1::RegisteredModel* model) {
  absl::Status status =
      database_->Write([&](Transaction& transaction) -> absl::Status {
        RETURN_IF_ERROR(sql::CheckModelExists(transaction, name));
        // Versions, tags and aliases follow by their foreign keys.
        RETURN_IF_ERROR(transaction.Execute(
            "UPDATE registered_models SET name = ?, last_updated_time = ? "
            "WHERE workspace = ? AND name = ?",
            new_name, now_ms, kWorkspace, name));
        RETURN_IF_ERROR(transaction.Execute(
            "UPDATE model_versions SET last_updated_time = ? "
            "WHERE workspace = ? AND name = ?",
            now_ms, kWorkspace, new_name));
        model->Clear();
        return sql::LoadRegisteredModel(transaction, new_name, model);
      });
  if (!absl::IsAlreadyExists(status)) return status;
  return AlreadyExists("Registered Model (name=", new_name,
                       ") already exists.");
}

absl::Status SqlRegistryStore::DeleteRegisteredModel(std::string_view name) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(sql::CheckModelExists(transaction, name));
    // Children first.
    for (std::string_view text : {
             "DELETE FROM model_version_tags WHERE workspace = ? AND name = ?",
             "DELETE FROM model_versions WHERE workspace = ? AND name = ?",
             "DELETE FROM registered_model_tags "
             "WHERE workspace = ? AND name = ?",
             "DELETE FROM registered_model_aliases "
             "WHERE workspace = ? AND name = ?",
             "DELETE FROM registered_models WHERE workspace = ? AND name = ?",
         }) {
      RETURN_IF_ERROR(transaction.Execute(text, kWorkspace, name));
    }
    return absl::OkStatus();
  });
}

absl::Status SqlRegistryStore::SetRegisteredModelTag(std::string_view name,
                                                     std::string_view key,
                                                     std::string_view value) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(sql::CheckModelExists(transaction, name));
    return WriteTag(transaction, name, key, value);
  });
}

absl::Status SqlRegistryStore::DeleteRegisteredModelTag(std::string_view name,
                                                        std::string_view key) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(sql::CheckModelExists(transaction, name));
    return transaction.Execute(
        "DELETE FROM registered_model_tags "
        "WHERE workspace = ? AND name = ? AND \"key\" = ?",
        kWorkspace, name, key);
  });
}

}  // namespace millstream::storage
