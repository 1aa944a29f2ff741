// A moment of a SQLite file that others go on writing to, and a copy of it.
#ifndef MILLSTREAM_STORAGE_SQLITE_SQLITE_SNAPSHOT_H_
#define MILLSTREAM_STORAGE_SQLITE_SQLITE_SNAPSHOT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;

namespace millstream::storage::sqlite {

// Not thread-safe. While it lives, writers go on and the log is not cut back.
class SqliteSnapshot {
 public:
  // All that was committed when it returns and nothing later, whichever process
  // wrote it. The file is not changed. kUnavailable: it cannot be opened;
  // kDataLoss: no SQLite database, or a damaged one.
  static absl::StatusOr<std::unique_ptr<SqliteSnapshot>> Take(
      const std::string& path);

  ~SqliteSnapshot();
  SqliteSnapshot(const SqliteSnapshot&) = delete;
  SqliteSnapshot& operator=(const SqliteSnapshot&) = delete;

  // Bytes that the copy has.
  absl::StatusOr<int64_t> Size() const;

  // Writes the database of that moment to `path`, one file without a log,
  // readable by its owner alone; not forced to the disk. Its pages have
  // checksums (page_checksums.h) if those of the file have. A page that is
  // damaged, also one that holds nothing any more, is kDataLoss. Ends with what
  // `on_bytes` says, called as the copy grows, if that is an error.
  // kResourceExhausted: the disk is full. After an error the file is of no use.
  // REQUIRES: there is no such file.
  absl::Status CopyTo(const std::string& path,
                      absl::FunctionRef<absl::Status(int64_t)> on_bytes);

 private:
  explicit SqliteSnapshot(sqlite3* db) : db_(db) {}

  sqlite3* const db_;
};

// Makes the database at `path` anew in the same place, with checksums of its
// pages. The disk has room for a second one meanwhile, or kResourceExhausted;
// after an error the file is as it was. kDataLoss: it is damaged. REQUIRES:
// nobody has it open, it has no log, and rows of its tables are not known by
// numbers that only SQLite gave them.
absl::Status AddChecksums(const std::string& path);

}  // namespace millstream::storage::sqlite

#endif  // MILLSTREAM_STORAGE_SQLITE_SQLITE_SNAPSHOT_H_
