#include <optional>
#include <string>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/experiment_id.h"
#include "storage/sql/experiment_rows.h"
#include "storage/sql/in_list.h"
#include "storage/sql/run_writes.h"
#include "storage/sql/sql_tracking_store.h"
#include "storage/sql/unique_id.h"

namespace millstream::storage {
namespace {

using sql::Statement;
using sql::StatementPtr;
using sql::Transaction;

// How an edge of the table inputs is called, by what it connects.
struct EdgeKind {
  std::string_view source_type;
  std::string_view destination_type;
};
constexpr EdgeKind kDatasetToRun = {"DATASET", "RUN"};
constexpr EdgeKind kRunToModelInput = {"RUN_INPUT", "MODEL_INPUT"};
constexpr EdgeKind kRunToModelOutput = {"RUN_OUTPUT", "MODEL_OUTPUT"};

// The id of a dataset; empty if it is not there.
absl::StatusOr<std::string> FindDataset(Transaction& transaction,
                                        int64_t experiment_id,
                                        const v1::Dataset& dataset) {
  ASSIGN_OR_RETURN(
      StatementPtr row,
      transaction.Query("SELECT dataset_uuid FROM datasets WHERE "
                        "experiment_id = ? AND name = ? AND digest = ?",
                        experiment_id, dataset.name(), dataset.digest()));
  ASSIGN_OR_RETURN(const bool found, row->Step());
  return found ? std::string(row->Text(0)) : std::string();
}

// The id of a dataset, kept now unless it is there.
absl::StatusOr<std::string> FindOrAddDataset(Transaction& transaction,
                                             int64_t experiment_id,
                                             const v1::Dataset& dataset) {
  ASSIGN_OR_RETURN(const std::string present,
                   FindDataset(transaction, experiment_id, dataset));
  if (!present.empty()) return present;
  std::optional<std::string_view> schema, profile;
  if (dataset.has_schema()) schema = dataset.schema();
  if (dataset.has_profile()) profile = dataset.profile();
  std::string id = sql::NewOrderedId();
  RETURN_IF_ERROR(transaction.Execute(
      StrCat("INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, "
             "dataset_source_type, dataset_source, dataset_schema, "
             "dataset_profile) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
             sql::OnConflictDoNothing(transaction.dialect(), "name")),
      id, experiment_id, dataset.name(), dataset.digest(),
      dataset.source_type(), dataset.source(), schema, profile));
  if (transaction.changes() > 0) return id;
  // Another server has added it meanwhile.
  return FindDataset(transaction, experiment_id, dataset);
}

// The step of an edge, if it is there.
absl::StatusOr<std::optional<int64_t>> FindEdge(Transaction& transaction,
                                                EdgeKind kind,
                                                std::string_view source_id,
                                                std::string_view destination) {
  ASSIGN_OR_RETURN(
      StatementPtr row,
      transaction.Query(
          "SELECT step FROM inputs WHERE source_type = ? AND source_id = ? "
          "AND destination_type = ? AND destination_id = ?",
          kind.source_type, source_id, kind.destination_type, destination));
  ASSIGN_OR_RETURN(const bool found, row->Step());
  if (!found) return std::optional<int64_t>();
  return std::optional<int64_t>(row->Int64(0));
}

// The new edge's id; empty if another server has added the edge meanwhile.
absl::StatusOr<std::string> AddEdge(Transaction& transaction, EdgeKind kind,
                                    std::string_view source_id,
                                    std::string_view destination,
                                    int64_t step) {
  std::string id = sql::NewOrderedId();
  RETURN_IF_ERROR(transaction.Execute(
      StrCat("INSERT INTO inputs (input_uuid, source_type, source_id, "
             "destination_type, destination_id, step) "
             "VALUES (?, ?, ?, ?, ?, ?)",
             sql::OnConflictDoNothing(transaction.dialect(), "step")),
      id, kind.source_type, source_id, kind.destination_type, destination,
      step));
  if (transaction.changes() == 0) id.clear();
  return id;
}

absl::Status AddDatasetInput(Transaction& transaction, int64_t experiment_id,
                             std::string_view run_id,
                             const v1::DatasetInput& input) {
  ASSIGN_OR_RETURN(
      const std::string dataset_id,
      FindOrAddDataset(transaction, experiment_id, input.dataset()));
  ASSIGN_OR_RETURN(
      const std::optional<int64_t> edge,
      FindEdge(transaction, kDatasetToRun, dataset_id, run_id));
  if (edge.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      const std::string input_id,
      AddEdge(transaction, kDatasetToRun, dataset_id, run_id, /*step=*/0));
  if (input_id.empty()) return absl::OkStatus();
  for (const v1::InputTag& tag : input.tags()) {
    absl::Status added = transaction.Execute(
        "INSERT INTO input_tags (input_uuid, name, value) VALUES (?, ?, ?)",
        input_id, tag.key(), tag.value());
    if (absl::IsAlreadyExists(added)) {
      return MakeError(
          v1::BAD_REQUEST,
          StrCat("The input tag '", tag.key(), "' of dataset '",
                 input.dataset().name(), "' is given twice; give each once."));
    }
    RETURN_IF_ERROR(added);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SqlTrackingStore::LogInputs(
    std::string_view run_id,
    const google::protobuf::RepeatedPtrField<v1::DatasetInput>& datasets,
    const google::protobuf::RepeatedPtrField<v1::ModelInput>& models) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    ASSIGN_OR_RETURN(const sql::RunRef run,
                     sql::CheckRunActive(transaction, run_id));
    for (const v1::DatasetInput& input : datasets) {
      RETURN_IF_ERROR(
          AddDatasetInput(transaction, run.experiment_id, run_id, input));
    }
    for (const v1::ModelInput& model : models) {
      ASSIGN_OR_RETURN(
          const std::optional<int64_t> edge,
          FindEdge(transaction, kRunToModelInput, run_id, model.model_id()));
      if (edge.has_value()) continue;
      RETURN_IF_ERROR(AddEdge(transaction, kRunToModelInput, run_id,
                              model.model_id(), /*step=*/0)
                          .status());
    }
    return absl::OkStatus();
  });
}

absl::Status SqlTrackingStore::LogOutputs(
    std::string_view run_id,
    const google::protobuf::RepeatedPtrField<v1::ModelOutput>& models) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(sql::CheckRunActive(transaction, run_id).status());
    for (const v1::ModelOutput& model : models) {
      ASSIGN_OR_RETURN(const std::string added,
                       AddEdge(transaction, kRunToModelOutput, run_id,
                               model.model_id(), model.step()));
      if (!added.empty()) continue;
      ASSIGN_OR_RETURN(
          const std::optional<int64_t> step,
          FindEdge(transaction, kRunToModelOutput, run_id, model.model_id()));
      if (step.has_value() && *step != model.step()) {
        return MakeError(
            v1::BAD_REQUEST,
            StrCat("The model '", model.model_id(), "' is an output of run '",
                   run_id, "' already, at step ", *step, "."));
      }
    }
    return absl::OkStatus();
  });
}

absl::Status SqlTrackingStore::SearchDatasets(
    absl::Span<const std::string_view> experiment_ids, int max_results,
    google::protobuf::RepeatedPtrField<v1::DatasetSummary>* summaries) {
  std::vector<int64_t> ids;
  for (std::string_view text : experiment_ids) {
    ASSIGN_OR_RETURN(ids.emplace_back(), ParseExperimentId(text));
  }
  return database_->Read([&](sql::Connection& connection) {
    return sql::ForEachRowIn(
        connection,
        "SELECT DISTINCT d.experiment_id, d.name, d.digest, t.value "
        "FROM datasets d JOIN inputs i ON i.source_type = 'DATASET' "
        "AND i.source_id = d.dataset_uuid "
        "LEFT JOIN input_tags t ON t.input_uuid = i.input_uuid "
        "AND t.name = 'mlflow.data.context' WHERE d.experiment_id",
        ids, " ORDER BY d.experiment_id, d.name, d.digest, t.value LIMIT ?",
        [&](const Statement& row) {
          if (summaries->size() >= max_results) return;
          v1::DatasetSummary* summary = summaries->Add();
          summary->set_experiment_id(StrCat(row.Int64(0)));
          summary->set_name(std::string(row.Text(1)));
          summary->set_digest(std::string(row.Text(2)));
          if (!row.IsNull(3)) summary->set_context(std::string(row.Text(3)));
        },
        max_results);
  });
}

}  // namespace millstream::storage
