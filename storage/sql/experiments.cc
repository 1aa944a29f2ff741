#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/artifact_uri.h"
#include "storage/experiment_id.h"
#include "storage/sql/active_runs.h"
#include "storage/sql/experiment_rows.h"
#include "storage/sql/outcome.h"
#include "storage/sql/sql_tracking_store.h"

namespace millstream::storage {
namespace {

using sql::Connection;
using sql::StatementPtr;
using sql::Transaction;

absl::Status NameIsTaken(std::string_view name) {
  return AlreadyExists(
      "Experiment(name=", name,
      ") already exists. If it was deleted, restore it, or choose another "
      "name.");
}

// Fills *experiment from a statement that selects kExperimentColumns.
absl::StatusOr<bool> ReadOne(Connection& connection, StatementPtr row,
                             v1::Experiment* experiment) {
  ASSIGN_OR_RETURN(const bool found, row->Step());
  if (!found) return false;
  sql::ReadExperiment(*row, experiment);
  ASSIGN_OR_RETURN(
      StatementPtr tags,
      connection.Query("SELECT \"key\", value FROM experiment_tags "
                       "WHERE experiment_id = ? ORDER BY \"key\"",
                       row->Int64(0)));
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, tags->Step());
    if (!more) return true;
    v1::ExperimentTag* tag = experiment->add_tags();
    tag->set_key(std::string(tags->Text(0)));
    tag->set_value(std::string(tags->Text(1)));
  }
}

// kExperimentColumns, for a condition to follow.
constexpr std::string_view kSelectExperiment =
    "SELECT experiment_id, name, artifact_location, lifecycle_stage, "
    "creation_time, last_update_time FROM experiments WHERE ";

absl::Status WriteTag(Transaction& transaction, int64_t experiment_id,
                      std::string_view key, std::string_view value) {
  return transaction.Execute(
      sql::UpsertSql(transaction.dialect(), "experiment_tags",
                     {"experiment_id", "key", "value"}, 2),
      experiment_id, key, value);
}

// Of a key that comes twice the last value stays.
absl::Status WriteTags(Transaction& transaction, int64_t experiment_id,
                       const v1::Experiment& experiment) {
  std::map<std::string_view, std::string_view> tags;
  for (const v1::ExperimentTag& tag : experiment.tags()) {
    tags[tag.key()] = tag.value();
  }
  if (tags.empty()) return absl::OkStatus();
  static constexpr std::string_view kColumns[] = {"experiment_id", "key",
                                                  "value"};
  std::vector<sql::Cell> cells;
  for (const auto& [key, value] : tags) {
    cells.insert(cells.end(), {experiment_id, key, value});
  }
  return transaction
      .InsertRows({.table = "experiment_tags",
                   .columns = kColumns,
                   .cells = cells})
      .status();
}

// With the id that the database gives it.
absl::StatusOr<int64_t> InsertExperiment(Transaction& transaction,
                                         const v1::Experiment& experiment) {
  absl::StatusOr<int64_t> id = transaction.InsertForId(
      "INSERT INTO experiments (name, artifact_location, lifecycle_stage, "
      "creation_time, last_update_time, workspace) "
      "VALUES (?, ?, ?, ?, ?, 'default')",
      "experiment_id", experiment.name(), experiment.artifact_location(),
      sql::kStageActive, experiment.creation_time(),
      experiment.creation_time());
  if (absl::IsAlreadyExists(id.status())) return NameIsTaken(experiment.name());
  return id;
}

}  // namespace

SqlTrackingStore::SqlTrackingStore(sql::Database* database,
                                   const search::SqlDialect* dialect,
                                   Options options)
    : database_(database), dialect_(dialect), options_(std::move(options)) {}

absl::Status SqlTrackingStore::CreateDefaultExperiment(int64_t now_ms) {
  bool found = false;
  const auto find = [&found](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(
        StatementPtr row,
        connection.Query("SELECT 1 FROM experiments WHERE experiment_id = 0"));
    ASSIGN_OR_RETURN(found, row->Step());
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(database_->Read(find));
  if (found) return absl::OkStatus();
  const absl::Status made =
      database_->Write([&](Transaction& transaction) -> absl::Status {
        return transaction.Execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location, "
            "lifecycle_stage, creation_time, last_update_time, workspace) "
            "VALUES (0, 'Default', ?, ?, ?, ?, 'default')",
            AppendToUri(options_.default_artifact_root, "0"),
            sql::kStageActive, now_ms, now_ms);
      });
  if (made.ok()) return absl::OkStatus();
  // Another server may have made it meanwhile.
  RETURN_IF_ERROR(database_->Read(find));
  return found ? absl::OkStatus() : made;
}

absl::StatusOr<std::string> SqlTrackingStore::CreateExperiment(
    const v1::Experiment& experiment) {
  int64_t id = 0;
  const auto is_made = [&](Transaction& transaction) -> absl::StatusOr<bool> {
    ASSIGN_OR_RETURN(StatementPtr row,
                     transaction.Query("SELECT experiment_id FROM experiments "
                                       "WHERE name = ? AND creation_time = ?",
                                       experiment.name(),
                                       experiment.creation_time()));
    ASSIGN_OR_RETURN(const bool made, row->Step());
    if (made) id = row->Int64(0);
    return made;
  };
  RETURN_IF_ERROR(sql::WriteNew(
      database_, is_made, [&](Transaction& transaction) -> absl::Status {
        ASSIGN_OR_RETURN(id, InsertExperiment(transaction, experiment));
        if (experiment.artifact_location().empty()) {
          RETURN_IF_ERROR(transaction.Execute(
              "UPDATE experiments SET artifact_location = ? "
              "WHERE experiment_id = ?",
              AppendToUri(options_.default_artifact_root, StrCat(id)), id));
        }
        return WriteTags(transaction, id, experiment);
      }));
  return StrCat(id);
}

absl::Status SqlTrackingStore::GetExperiment(std::string_view experiment_id,
                                             v1::Experiment* experiment) {
  ASSIGN_OR_RETURN(const int64_t id, ParseExperimentId(experiment_id));
  return database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(
        StatementPtr row,
        connection.Query(StrCat(kSelectExperiment, "experiment_id = ?"), id));
    ASSIGN_OR_RETURN(const bool found,
                     ReadOne(connection, std::move(row), experiment));
    if (found) return absl::OkStatus();
    return DoesNotExist("No Experiment with id=", id, " exists");
  });
}

absl::Status SqlTrackingStore::GetExperimentByName(
    std::string_view name, v1::Experiment* experiment) {
  return database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(
        StatementPtr row,
        connection.Query(
            StrCat(kSelectExperiment, "workspace = 'default' AND name = ?"),
            name));
    ASSIGN_OR_RETURN(const bool found,
                     ReadOne(connection, std::move(row), experiment));
    if (found) return absl::OkStatus();
    return DoesNotExist("Could not find experiment with name '", name, "'");
  });
}

absl::Status SqlTrackingStore::RenameExperiment(std::string_view experiment_id,
                                                std::string_view name,
                                                int64_t now_ms) {
  ASSIGN_OR_RETURN(const int64_t id, ParseExperimentId(experiment_id));
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    absl::Status active = sql::CheckExperimentActive(transaction, id).status();
    if (!active.ok()) {
      if (GetErrorCode(active) != v1::INVALID_PARAMETER_VALUE) return active;
      return MakeError(v1::INVALID_STATE,
                       "A deleted experiment cannot be renamed; restore it "
                       "first.");
    }
    absl::Status renamed = transaction.Execute(
        "UPDATE experiments SET name = ?, last_update_time = ? "
        "WHERE experiment_id = ?",
        name, now_ms, id);
    if (absl::IsAlreadyExists(renamed)) {
      return MakeError(v1::BAD_REQUEST,
                       StrCat("Another experiment, maybe a deleted one, is "
                              "called '",
                              name, "'; choose another name."));
    }
    return renamed;
  });
}

absl::Status SqlTrackingStore::SetExperimentStage(
    std::string_view experiment_id, std::string_view stage, int64_t now_ms) {
  ASSIGN_OR_RETURN(const int64_t id, ParseExperimentId(experiment_id));
  auto change = [&](Transaction& transaction) -> absl::Status {
    // Who makes a run in the experiment is waited for (HoldExperimentActive),
    // and that run must be seen then: not so on a snapshot from before.
    if (transaction.dialect() == sql::Dialect::kPostgres) {
      RETURN_IF_ERROR(transaction.ExecuteLater(
          "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"));
    }
    RETURN_IF_ERROR(transaction.Execute(
        "UPDATE experiments SET lifecycle_stage = ?, last_update_time = ? "
        "WHERE experiment_id = ? AND lifecycle_stage <> ?",
        stage, now_ms, id, stage));
    if (transaction.changes() == 0) {
      return DoesNotExist(
          "No Experiment with id=", id, " exists",
          stage == sql::kStageDeleted ? "" : " among the deleted ones");
    }
    std::optional<int64_t> deleted_time;
    if (stage == sql::kStageDeleted) deleted_time = now_ms;
    return transaction.Execute(
        "UPDATE runs SET lifecycle_stage = ?, deleted_time = ? "
        "WHERE experiment_id = ? AND lifecycle_stage <> ?",
        stage, deleted_time, id, stage);
  };
  absl::Status status = database_->Write(change);
  if (options_.active_runs != nullptr) options_.active_runs->ForgetAll();
  return status;
}

absl::Status SqlTrackingStore::DeleteExperiment(std::string_view experiment_id,
                                                int64_t now_ms) {
  return SetExperimentStage(experiment_id, sql::kStageDeleted, now_ms);
}

absl::Status SqlTrackingStore::RestoreExperiment(
    std::string_view experiment_id, int64_t now_ms) {
  return SetExperimentStage(experiment_id, sql::kStageActive, now_ms);
}

absl::Status SqlTrackingStore::SetExperimentTag(std::string_view experiment_id,
                                                std::string_view key,
                                                std::string_view value) {
  ASSIGN_OR_RETURN(const int64_t id, ParseExperimentId(experiment_id));
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(sql::CheckExperimentActive(transaction, id).status());
    return WriteTag(transaction, id, key, value);
  });
}

absl::Status SqlTrackingStore::DeleteExperimentTag(
    std::string_view experiment_id, std::string_view key) {
  ASSIGN_OR_RETURN(const int64_t id, ParseExperimentId(experiment_id));
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(sql::CheckExperimentActive(transaction, id).status());
    RETURN_IF_ERROR(transaction.Execute(
        "DELETE FROM experiment_tags WHERE experiment_id = ? AND \"key\" = ?",
        id, key));
    if (transaction.changes() > 0) return absl::OkStatus();
    return DoesNotExist("No tag with name: ", key, " in experiment with id ",
                        id);
  });
}

}  // namespace millstream::storage
