// Which runs are active, remembered: logging a point must not cost a query.
#ifndef MILLSTREAM_STORAGE_SQL_ACTIVE_RUNS_H_
#define MILLSTREAM_STORAGE_SQL_ACTIVE_RUNS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "storage/sql/database.h"

namespace millstream::storage {

// A bounded memory of runs that were found active. Whoever changes the stage of
// runs calls Forget after the commit and before the answer: from then on no
// Check calls the run active that is not.
//
// Thread-safe. The database must outlive it.
class ActiveRuns {
 public:
  // When this many are remembered, all are forgotten.
  static constexpr size_t kRunsMax = 16384;

  explicit ActiveRuns(sql::Database* database) : database_(database) {}

  // The id of the run's experiment. RESOURCE_DOES_NOT_EXIST: no such run;
  // INVALID_PARAMETER_VALUE: it is not active.
  absl::StatusOr<int64_t> Check(std::string_view run_id)
      ABSL_LOCKS_EXCLUDED(mutex_);

  void Forget(std::string_view run_id) ABSL_LOCKS_EXCLUDED(mutex_);
  void ForgetAll() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  sql::Database* const database_;

  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, int64_t> experiments_
      ABSL_GUARDED_BY(mutex_);
  // Counts Forget: what was read before it is not remembered after it.
  uint64_t changes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_SQL_ACTIVE_RUNS_H_
