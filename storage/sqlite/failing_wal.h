// A disk that fails where it is told to, for tests of what a database does
// then.
#ifndef MILLSTREAM_STORAGE_SQLITE_FAILING_WAL_H_
#define MILLSTREAM_STORAGE_SQLITE_FAILING_WAL_H_

#include <atomic>

struct sqlite3_vfs;

namespace millstream::storage::sqlite {

// While this lives, SQLite opens its files through it; those that were opened
// so are closed before it is destroyed. One at a time. The flags may be set
// from any thread.
class FailingWal {
 public:
  FailingWal();
  ~FailingWal();
  FailingWal(const FailingWal&) = delete;
  FailingWal& operator=(const FailingWal&) = delete;

  // What write-ahead logs answer with an I/O error meanwhile. A sync that fails
  // has synced nothing, a write that fails has written nothing.
  std::atomic<bool> fail_syncs{false};
  std::atomic<bool> fail_writes{false};

 private:
  sqlite3_vfs* const disk_;
};

}  // namespace millstream::storage::sqlite

#endif  // MILLSTREAM_STORAGE_SQLITE_FAILING_WAL_H_
