#include "storage/sql/active_runs.h"

#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/sql/run_writes.h"

namespace millstream::storage {

absl::StatusOr<int64_t> ActiveRuns::Check(std::string_view run_id) {
  uint64_t changes;
  {
    absl::ReaderMutexLock lock(&mutex_);
    auto found = experiments_.find(AbslView(run_id));
    if (found != experiments_.end()) return found->second;
    changes = changes_;
  }
  int64_t experiment_id = 0;
  RETURN_IF_ERROR(database_->Read([&](sql::Connection& connection) {
    absl::StatusOr<sql::RunRef> checked =
        sql::CheckRunActive(connection, run_id);
    if (checked.ok()) experiment_id = checked->experiment_id;
    return checked.status();
  }));
  absl::MutexLock lock(&mutex_);
  if (changes == changes_) {
    if (experiments_.size() >= kRunsMax) experiments_.clear();
    experiments_.emplace(run_id, experiment_id);
  }
  return experiment_id;
}

void ActiveRuns::Forget(std::string_view run_id) {
  absl::MutexLock lock(&mutex_);
  ++changes_;
  experiments_.erase(AbslView(run_id));
}

void ActiveRuns::ForgetAll() {
  absl::MutexLock lock(&mutex_);
  ++changes_;
  experiments_.clear();
}

}  // namespace millstream::storage
