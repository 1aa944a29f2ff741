#include "storage/sql/experiment_rows.h"

#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/experiment_id.h"
#include "storage/sql/in_list.h"

namespace millstream::storage::sql {

void ReadExperiment(const Statement& row, v1::Experiment* experiment) {
  experiment->set_experiment_id(StrCat(row.Int64(0)));
  experiment->set_name(std::string(row.Text(1)));
  experiment->set_artifact_location(std::string(row.Text(2)));
  experiment->set_lifecycle_stage(std::string(row.Text(3)));
  // MLflow had none once.
  if (!row.IsNull(4)) experiment->set_creation_time(row.Int64(4));
  if (!row.IsNull(5)) experiment->set_last_update_time(row.Int64(5));
  experiment->set_workspace("default");
}

absl::Status LoadExperimentTags(
    Connection& connection,
    google::protobuf::RepeatedPtrField<v1::Experiment>* experiments) {
  std::vector<int64_t> ids;
  absl::flat_hash_map<int64_t, v1::Experiment*> by_id;
  for (v1::Experiment& experiment : *experiments) {
    ASSIGN_OR_RETURN(const int64_t id,
                     ParseExperimentId(experiment.experiment_id()));
    ids.push_back(id);
    by_id[id] = &experiment;
  }
  return ForEachRowIn(
      connection,
      "SELECT experiment_id, \"key\", value FROM experiment_tags "
      "WHERE experiment_id",
      ids, " ORDER BY experiment_id, \"key\"", [&](const Statement& row) {
        v1::ExperimentTag* tag = by_id[row.Int64(0)]->add_tags();
        tag->set_key(std::string(row.Text(1)));
        tag->set_value(std::string(row.Text(2)));
      });
}

namespace {

// The artifact location, from the columns lifecycle_stage and artifact_location
// of one row.
absl::StatusOr<std::string> IfActive(StatementPtr row, int64_t experiment_id) {
  ASSIGN_OR_RETURN(const bool found, row->Step());
  if (!found) {
    return DoesNotExist("No Experiment with id=", experiment_id, " exists");
  }
  if (row->Text(0) != kStageActive) {
    return InvalidParameter("The experiment ", experiment_id,
                            " must be in the 'active' state. Current state is ",
                            row->Text(0), ".");
  }
  return std::string(row->Text(1));
}

constexpr char kSelectStage[] =
    "SELECT lifecycle_stage, artifact_location FROM experiments "
    "WHERE experiment_id = ?";
constexpr char kHoldStage[] =
    "SELECT lifecycle_stage, artifact_location FROM experiments "
    "WHERE experiment_id = ? FOR SHARE";

}  // namespace

absl::StatusOr<std::string> CheckExperimentActive(Connection& connection,
                                                  int64_t experiment_id) {
  ASSIGN_OR_RETURN(StatementPtr row,
                   connection.Query(kSelectStage, experiment_id));
  return IfActive(std::move(row), experiment_id);
}

absl::StatusOr<std::string> HoldExperimentActive(Transaction& transaction,
                                                 int64_t experiment_id) {
  const bool asks = transaction.dialect() == Dialect::kPostgres;
  ASSIGN_OR_RETURN(
      StatementPtr row,
      transaction.Query(asks ? kHoldStage : kSelectStage, experiment_id));
  return IfActive(std::move(row), experiment_id);
}

}  // namespace millstream::storage::sql
