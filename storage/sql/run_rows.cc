#include "storage/sql/run_rows.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/sql/in_list.h"

namespace millstream::storage::sql {
namespace {

v1::RunStatus StatusFromText(std::string_view text) {
  v1::RunStatus status = v1::RUN_STATUS_UNSPECIFIED;
  v1::RunStatus_Parse(std::string(text), &status);
  return status;
}

template <typename Parts>
void SortByKey(Parts* parts) {
  std::sort(parts->pointer_begin(), parts->pointer_end(),
            [](const auto* a, const auto* b) { return a->key() < b->key(); });
}

// In our own schema rows come so; elsewhere an order would be the database's,
// which need not be that of bytes.
void SortByKeys(v1::RunData* data) {
  SortByKey(data->mutable_metrics());
  SortByKey(data->mutable_params());
  SortByKey(data->mutable_tags());
}

// Loads one kind of part for all runs after the other.
class RunPartsLoader {
 public:
  RunPartsLoader(Connection& connection, absl::Span<v1::Run* const> runs,
                 size_t bytes_max)
      : connection_(connection), bytes_max_(bytes_max) {
    ids_.reserve(runs.size());
    by_id_.reserve(runs.size());
    for (v1::Run* run : runs) {
      ids_.push_back(run->info().run_id());
      by_id_.emplace(ids_.back(), run);
    }
  }

  absl::Status LoadTags() {
    return ForEach(
        "SELECT run_uuid, \"key\", value FROM tags WHERE run_uuid", "",
        [](const Statement& row, v1::Run* run) {
          v1::RunTag* tag = run->mutable_data()->add_tags();
          tag->set_key(std::string(row.Text(1)));
          tag->set_value(std::string(row.Text(2)));
          return tag->key().size() + tag->value().size();
        });
  }

  absl::Status LoadParams() {
    return ForEach(
        "SELECT run_uuid, \"key\", value FROM params WHERE run_uuid", "",
        [](const Statement& row, v1::Run* run) {
          v1::Param* param = run->mutable_data()->add_params();
          param->set_key(std::string(row.Text(1)));
          param->set_value(std::string(row.Text(2)));
          return param->key().size() + param->value().size();
        });
  }

  absl::Status LoadLatestMetrics() {
    return ForEach(
        "SELECT run_uuid, \"key\", value, \"timestamp\", step, is_nan "
        "FROM latest_metrics WHERE run_uuid",
        "", [](const Statement& row, v1::Run* run) {
          v1::Metric* metric = run->mutable_data()->add_metrics();
          metric->set_key(std::string(row.Text(1)));
          metric->set_value(row.Int64(5) != 0
                                ? std::numeric_limits<double>::quiet_NaN()
                                : row.Double(2));
          metric->set_timestamp(row.Int64(3));
          metric->set_step(row.Int64(4));
          return metric->key().size();
        });
  }

  // In the order in which they were logged: ids of inputs grow with time.
  absl::Status LoadDatasetInputs() {
    absl::flat_hash_map<std::string, v1::DatasetInput*> by_input;
    std::vector<std::string> inputs;
    RETURN_IF_ERROR(ForEach(
        "SELECT i.destination_id, i.input_uuid, d.name, d.digest, "
        "d.dataset_source_type, d.dataset_source, d.dataset_schema, "
        "d.dataset_profile FROM inputs i "
        "JOIN datasets d ON d.dataset_uuid = i.source_id "
        "WHERE i.destination_type = 'RUN' AND i.source_type = 'DATASET' "
        "AND i.destination_id",
        " ORDER BY i.destination_id, i.input_uuid",
        [&](const Statement& row, v1::Run* run) {
          v1::DatasetInput* input = run->mutable_inputs()->add_dataset_inputs();
          ReadDataset(row, input->mutable_dataset());
          inputs.emplace_back(row.Text(1));
          by_input[inputs.back()] = input;
          const v1::Dataset& dataset = input->dataset();
          return dataset.source().size() + dataset.schema().size() +
                 dataset.profile().size();
        }));
    return ForEachRowIn(
        connection_,
        "SELECT input_uuid, name, value FROM input_tags WHERE input_uuid",
        inputs, "", [&](const Statement& row) {
          v1::InputTag* tag = by_input[std::string(row.Text(0))]->add_tags();
          tag->set_key(std::string(row.Text(1)));
          tag->set_value(std::string(row.Text(2)));
        });
  }

  absl::Status LoadModelInputs() {
    return ForEach(
        "SELECT source_id, destination_id FROM inputs "
        "WHERE source_type = 'RUN_INPUT' AND destination_type = 'MODEL_INPUT' "
        "AND source_id",
        " ORDER BY source_id, destination_id",
        [](const Statement& row, v1::Run* run) {
          run->mutable_inputs()->add_model_inputs()->set_model_id(
              std::string(row.Text(1)));
          return size_t{0};
        });
  }

  absl::Status LoadModelOutputs() {
    return ForEach(
        "SELECT source_id, destination_id, step FROM inputs "
        "WHERE source_type = 'RUN_OUTPUT' "
        "AND destination_type = 'MODEL_OUTPUT' AND source_id",
        " ORDER BY source_id, destination_id",
        [](const Statement& row, v1::Run* run) {
          v1::ModelOutput* output = run->mutable_outputs()->add_model_outputs();
          output->set_model_id(std::string(row.Text(1)));
          output->set_step(row.Int64(2));
          return size_t{0};
        });
  }

 private:
  static void ReadDataset(const Statement& row, v1::Dataset* dataset) {
    dataset->set_name(std::string(row.Text(2)));
    dataset->set_digest(std::string(row.Text(3)));
    dataset->set_source_type(std::string(row.Text(4)));
    dataset->set_source(std::string(row.Text(5)));
    if (!row.IsNull(6)) dataset->set_schema(std::string(row.Text(6)));
    if (!row.IsNull(7)) dataset->set_profile(std::string(row.Text(7)));
  }

  // Rows whose first column is a run's id. `read` returns the size of the texts
  // that it added; it is no longer called once there is too much.
  absl::Status ForEach(
      std::string_view before, std::string_view after,
      absl::FunctionRef<size_t(const Statement&, v1::Run*)> read) {
    // Rows of one run come in sequence: most need no look-up.
    std::string_view last_id;
    v1::Run* last = nullptr;
    RETURN_IF_ERROR(ForEachRowIn(
        connection_, before, ids_, after, [&](const Statement& row) {
          if (bytes_ > bytes_max_) return;
          const std::string_view id = row.Text(0);
          if (last == nullptr || id != last_id) {
            auto found = by_id_.find(id);
            // Equal to an id by a collation alone.
            if (found == by_id_.end()) return;
            last_id = found->first;
            last = found->second;
          }
          bytes_ += kRowBytes + read(row, last);
        }));
    if (bytes_ <= bytes_max_) return absl::OkStatus();
    return absl::OutOfRangeError("more parts than an answer may have");
  }

  // Of a row besides its texts.
  static constexpr size_t kRowBytes = 32;

  Connection& connection_;
  const size_t bytes_max_;
  size_t bytes_ = 0;
  // Borrowed from the runs.
  std::vector<std::string_view> ids_;
  absl::flat_hash_map<std::string_view, v1::Run*> by_id_;
};

}  // namespace

void ReadRunInfo(const Statement& row, v1::RunInfo* info) {
  const std::string_view run_id = row.Text(0);
  info->set_run_id(run_id.data(), run_id.size());
  info->set_run_uuid(run_id.data(), run_id.size());
  info->set_experiment_id(StrCat(row.Int64(1)));
  info->set_run_name(std::string(row.Text(2)));
  if (!row.IsNull(3)) info->set_user_id(std::string(row.Text(3)));
  info->set_status(StatusFromText(row.Text(4)));
  if (!row.IsNull(5)) info->set_start_time(row.Int64(5));
  // As in MLflow an end of 0 is none.
  if (row.Int64(6) != 0) info->set_end_time(row.Int64(6));
  if (!row.IsNull(7)) info->set_artifact_uri(std::string(row.Text(7)));
  info->set_lifecycle_stage(std::string(row.Text(8)));
}

absl::Status LoadRunInfo(Connection& connection, std::string_view run_id,
                         v1::RunInfo* info) {
  ASSIGN_OR_RETURN(
      StatementPtr row,
      connection.Query("SELECT run_uuid, experiment_id, name, user_id, status, "
                       "start_time, end_time, artifact_uri, lifecycle_stage "
                       "FROM runs WHERE run_uuid = ?",
                       run_id));
  ASSIGN_OR_RETURN(const bool found, row->Step());
  if (!found) return DoesNotExist("Run with id=", run_id, " not found");
  ReadRunInfo(*row, info);
  return absl::OkStatus();
}

absl::Status LoadRunParts(Connection& connection,
                          absl::Span<v1::Run* const> runs, RunParts parts) {
  if (runs.empty()) return absl::OkStatus();
  for (v1::Run* run : runs) {
    run->mutable_data();
    run->mutable_inputs();
    run->mutable_outputs();
  }
  RunPartsLoader loader(connection, runs, parts.bytes_max);
  RETURN_IF_ERROR(loader.LoadLatestMetrics());
  RETURN_IF_ERROR(loader.LoadParams());
  RETURN_IF_ERROR(loader.LoadTags());
  RETURN_IF_ERROR(loader.LoadDatasetInputs());
  if (parts.model_inputs) RETURN_IF_ERROR(loader.LoadModelInputs());
  RETURN_IF_ERROR(loader.LoadModelOutputs());
  if (connection.schema() == Schema::kMlflow) {
    for (v1::Run* run : runs) SortByKeys(run->mutable_data());
  }
  return absl::OkStatus();
}

}  // namespace millstream::storage::sql
