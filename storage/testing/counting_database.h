// A database that counts what is asked of it, to show that pages are loaded
// with a constant number of statements.
#ifndef MILLSTREAM_STORAGE_TESTING_COUNTING_DATABASE_H_
#define MILLSTREAM_STORAGE_TESTING_COUNTING_DATABASE_H_

#include <atomic>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "storage/sql/database.h"

namespace millstream::storage::testing {

// Thread-safe. Forwards to `database`, which must outlive it.
class CountingDatabase final : public sql::Database {
 public:
  explicit CountingDatabase(sql::Database* database) : database_(database) {}

  absl::Status ReadFor(
      const Liveness& caller,
      absl::FunctionRef<absl::Status(sql::Connection&)> body) override;
  absl::Status Write(
      absl::FunctionRef<absl::Status(sql::Transaction&)> body) override;
  absl::Status Sync() override { return database_->Sync(); }

  // Statements prepared since the last call.
  int64_t TakeStatements() { return statements_.exchange(0); }

 private:
  sql::Database* const database_;
  std::atomic<int64_t> statements_{0};
};

}  // namespace millstream::storage::testing

#endif  // MILLSTREAM_STORAGE_TESTING_COUNTING_DATABASE_H_
