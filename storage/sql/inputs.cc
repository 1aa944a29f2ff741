#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
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

using DatasetKey = std::pair<std::string_view, std::string_view>;

DatasetKey KeyOf(const v1::Dataset& dataset) {
  return {dataset.name(), dataset.digest()};
}

// Datasets of one experiment and what they are called, each once.
struct Datasets {
  int64_t experiment_id = 0;
  std::map<DatasetKey, const v1::Dataset*> wanted = {};
  std::map<DatasetKey, std::string> ids = {};
};

// Fills in the ids of those that are there.
absl::Status FindDatasets(Transaction& transaction, Datasets* datasets) {
  std::vector<std::string_view> names;
  for (const auto& [key, dataset] : datasets->wanted) {
    if (names.empty() || names.back() != key.first) names.push_back(key.first);
  }
  return sql::ForEachRowIn(
      transaction, "SELECT name, digest, dataset_uuid FROM datasets WHERE name",
      names, " AND experiment_id = ?",
      [&](const Statement& row) {
        const auto found = datasets->wanted.find({row.Text(0), row.Text(1)});
        if (found == datasets->wanted.end()) return;
        datasets->ids[found->first] = std::string(row.Text(2));
      },
      datasets->experiment_id);
}

// The same for one, by what the database takes for equal: its collation may
// have found it in other letters.
absl::Status FindDataset(Transaction& transaction, const DatasetKey& key,
                         Datasets* datasets) {
  ASSIGN_OR_RETURN(
      StatementPtr row,
      transaction.Query("SELECT dataset_uuid FROM datasets WHERE "
                        "experiment_id = ? AND name = ? AND digest = ?",
                        datasets->experiment_id, key.first, key.second));
  ASSIGN_OR_RETURN(const bool found, row->Step());
  if (found) datasets->ids[key] = std::string(row->Text(0));
  return absl::OkStatus();
}

// Keeps those that have no id yet.
absl::Status AddDatasets(Transaction& transaction, Datasets* datasets) {
  static constexpr std::string_view kColumns[] = {
      "dataset_uuid",   "experiment_id",       "name",
      "digest",         "dataset_source_type", "dataset_source",
      "dataset_schema", "dataset_profile"};
  std::vector<DatasetKey> added;
  std::vector<sql::Cell> cells;
  for (const auto& [key, dataset] : datasets->wanted) {
    const auto [id, is_new] = datasets->ids.try_emplace(key);
    if (!is_new) continue;
    id->second = sql::NewOrderedId();
    added.push_back(key);
    cells.insert(cells.end(),
                 {id->second, datasets->experiment_id, key.first, key.second,
                  dataset->source_type(), dataset->source()});
    cells.push_back(dataset->has_schema() ? sql::Cell(dataset->schema())
                                          : sql::Cell());
    cells.push_back(dataset->has_profile() ? sql::Cell(dataset->profile())
                                           : sql::Cell());
  }
  if (added.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      const int64_t changes,
      transaction.InsertRows(
          {.table = "datasets",
           .columns = kColumns,
           .cells = cells,
           .after = sql::OnConflictDoNothing(transaction.dialect(), "name")}));
  if (changes == static_cast<int64_t>(added.size())) return absl::OkStatus();
  // Some were there: another server has added them meanwhile.
  for (const DatasetKey& key : added) {
    RETURN_IF_ERROR(FindDataset(transaction, key, datasets));
  }
  return absl::OkStatus();
}

// An edge between a run and something else.
struct Edge {
  std::string other;
  int64_t step = 0;
  // What the edge itself is called; empty: it was there.
  std::string id = {};
};

// The steps of those edges of a run that are there, by their other ends.
absl::StatusOr<std::map<std::string, int64_t>> FindEdges(
    Transaction& transaction, EdgeKind kind, std::string_view run_id,
    absl::Span<const Edge> edges) {
  std::map<std::string, int64_t> found;
  std::vector<std::string_view> others;
  for (const Edge& edge : edges) others.push_back(edge.other);
  const bool to_run = kind.destination_type == kDatasetToRun.destination_type;
  RETURN_IF_ERROR(sql::ForEachRowIn(
      transaction,
      to_run ? "SELECT source_id, step FROM inputs WHERE source_id"
             : "SELECT destination_id, step FROM inputs WHERE destination_id",
      others,
      to_run ? " AND destination_id = ? AND source_type = ? "
               "AND destination_type = ?"
             : " AND source_id = ? AND source_type = ? "
               "AND destination_type = ?",
      [&](const Statement& row) {
        found[std::string(row.Text(0))] = row.Int64(1);
      },
      run_id, kind.source_type, kind.destination_type));
  return found;
}

// Adds those edges that are not there, no two of which have one end, and gives
// them ids.
absl::Status AddEdges(Transaction& transaction, EdgeKind kind,
                      std::string_view run_id, absl::Span<Edge> edges) {
  if (edges.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto present,
                   FindEdges(transaction, kind, run_id, edges));
  static constexpr std::string_view kColumns[] = {
      "input_uuid",       "source_type",    "source_id",
      "destination_type", "destination_id", "step"};
  const bool to_run = kind.destination_type == kDatasetToRun.destination_type;
  std::vector<sql::Cell> cells;
  int64_t count = 0;
  for (Edge& edge : edges) {
    if (present.contains(edge.other)) continue;
    edge.id = sql::NewOrderedId();
    ++count;
    cells.insert(
        cells.end(),
        {edge.id, kind.source_type, to_run ? edge.other : run_id,
         kind.destination_type, to_run ? run_id : edge.other, edge.step});
  }
  if (count == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      const int64_t changes,
      transaction.InsertRows(
          {.table = "inputs",
           .columns = kColumns,
           .cells = cells,
           .after = sql::OnConflictDoNothing(transaction.dialect(), "step")}));
  if (changes == count) return absl::OkStatus();
  // Some were there: another server has added them meanwhile.
  std::set<std::string> ours;
  std::vector<std::string_view> ids;
  for (const Edge& edge : edges) {
    if (!edge.id.empty()) ids.push_back(edge.id);
  }
  RETURN_IF_ERROR(sql::ForEachRowIn(
      transaction, "SELECT input_uuid FROM inputs WHERE input_uuid", ids, "",
      [&](const Statement& row) { ours.insert(std::string(row.Text(0))); }));
  for (Edge& edge : edges) {
    if (!ours.contains(edge.id)) edge.id.clear();
  }
  return absl::OkStatus();
}

// Of inputs whose edges are new.
absl::Status AddInputTags(Transaction& transaction,
                          absl::Span<const v1::DatasetInput* const> inputs,
                          absl::Span<const Edge> edges) {
  static constexpr std::string_view kColumns[] = {"input_uuid", "name",
                                                  "value"};
  std::vector<sql::Cell> cells;
  for (size_t i = 0; i < edges.size(); ++i) {
    if (edges[i].id.empty()) continue;
    absl::flat_hash_set<std::string_view> keys;
    for (const v1::InputTag& tag : inputs[i]->tags()) {
      if (!keys.insert(tag.key()).second) {
        return MakeError(v1::BAD_REQUEST,
                         StrCat("The input tag '", tag.key(), "' of dataset '",
                                inputs[i]->dataset().name(),
                                "' is given twice; give each once."));
      }
      cells.insert(cells.end(), {edges[i].id, tag.key(), tag.value()});
    }
  }
  const absl::Status added = transaction.InsertRowsLater(
      {.table = "input_tags", .columns = kColumns, .cells = cells});
  if (!absl::IsAlreadyExists(added)) return added;
  // As the database's collation reads them.
  return MakeError(v1::BAD_REQUEST,
                   "An input tag is given twice; give each once.");
}

absl::Status AddDatasetInputs(
    Transaction& transaction, const sql::RunRef& run,
    const google::protobuf::RepeatedPtrField<v1::DatasetInput>& inputs) {
  Datasets datasets = {.experiment_id = run.experiment_id};
  // The first of each.
  std::vector<const v1::DatasetInput*> firsts;
  for (const v1::DatasetInput& input : inputs) {
    if (datasets.wanted.emplace(KeyOf(input.dataset()), &input.dataset())
            .second) {
      firsts.push_back(&input);
    }
  }
  if (firsts.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(FindDatasets(transaction, &datasets));
  RETURN_IF_ERROR(AddDatasets(transaction, &datasets));
  std::vector<Edge> edges;
  std::vector<const v1::DatasetInput*> edge_inputs;
  absl::flat_hash_set<std::string_view> ends;
  for (const v1::DatasetInput* input : firsts) {
    const std::string& id = datasets.ids[KeyOf(input->dataset())];
    if (!ends.insert(id).second) continue;
    edges.push_back({.other = id});
    edge_inputs.push_back(input);
  }
  RETURN_IF_ERROR(
      AddEdges(transaction, kDatasetToRun, run.run_id, absl::MakeSpan(edges)));
  return AddInputTags(transaction, edge_inputs, edges);
}

absl::Status OutputAtOtherStep(std::string_view model_id,
                               std::string_view run_id, int64_t step) {
  return MakeError(v1::BAD_REQUEST,
                   StrCat("The model '", model_id, "' is an output of run '",
                          run_id, "' already, at step ", step, "."));
}

}  // namespace

absl::Status SqlTrackingStore::LogInputs(
    std::string_view run_id,
    const google::protobuf::RepeatedPtrField<v1::DatasetInput>& datasets,
    const google::protobuf::RepeatedPtrField<v1::ModelInput>& models) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    ASSIGN_OR_RETURN(const sql::RunRef run,
                     sql::CheckRunActive(transaction, run_id));
    RETURN_IF_ERROR(AddDatasetInputs(transaction, run, datasets));
    absl::flat_hash_set<std::string_view> ids;
    std::vector<Edge> edges;
    for (const v1::ModelInput& model : models) {
      if (!ids.insert(model.model_id()).second) continue;
      edges.push_back({.other = model.model_id()});
    }
    return AddEdges(transaction, kRunToModelInput, run_id,
                    absl::MakeSpan(edges));
  });
}

absl::Status SqlTrackingStore::LogOutputs(
    std::string_view run_id,
    const google::protobuf::RepeatedPtrField<v1::ModelOutput>& models) {
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(sql::CheckRunActive(transaction, run_id).status());
    absl::flat_hash_map<std::string_view, int64_t> steps;
    std::vector<Edge> edges;
    for (const v1::ModelOutput& model : models) {
      const auto [first, is_new] =
          steps.emplace(model.model_id(), model.step());
      if (is_new) {
        edges.push_back({.other = model.model_id(), .step = model.step()});
      } else if (first->second != model.step()) {
        return OutputAtOtherStep(model.model_id(), run_id, first->second);
      }
    }
    RETURN_IF_ERROR(AddEdges(transaction, kRunToModelOutput, run_id,
                             absl::MakeSpan(edges)));
    std::vector<Edge> present;
    for (const Edge& edge : edges) {
      if (edge.id.empty()) present.push_back(edge);
    }
    if (present.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const auto found, FindEdges(transaction, kRunToModelOutput,
                                                 run_id, present));
    for (const Edge& edge : present) {
      const auto at = found.find(edge.other);
      if (at != found.end() && at->second != edge.step) {
        return OutputAtOtherStep(edge.other, run_id, at->second);
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
