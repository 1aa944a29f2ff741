// The last frame of each writer and run (streams.proto), in a table of our own
// beside MLflow's, made when the first writer comes. MLflow and Alembic pass
// over it.
#ifndef MILLSTREAM_STORAGE_SQL_WRITER_FRAMES_H_
#define MILLSTREAM_STORAGE_SQL_WRITER_FRAMES_H_

#include <atomic>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/metric_store.h"
#include "storage/sql/database.h"

namespace millstream::storage::sql {

// Thread-safe. The database must outlive it. Statuses are those of the
// database.
class WriterFrames {
 public:
  explicit WriterFrames(Database* database) : database_(database) {}

  // Makes the table unless it is there. Called before Write, outside of any
  // transaction: some databases commit when they make a table.
  absl::Status Prepare();

  // Keeps `frame` as the last of its writer and run.
  // REQUIRES: frame.number > 0.
  static absl::Status Write(Transaction& transaction, std::string_view run_id,
                            const WriterFrame& frame);

  // 0: none.
  absl::StatusOr<uint64_t> Read(std::string_view run_id,
                                std::string_view writer_id);

 private:
  Database* const database_;
  // The table is there; it is never removed.
  std::atomic<bool> prepared_{false};
};

}  // namespace millstream::storage::sql

#endif  // MILLSTREAM_STORAGE_SQL_WRITER_FRAMES_H_
