#include "storage/sqlite/failing_wal.h"

#include <sqlite3.h>

namespace millstream::storage::sqlite {
namespace {

// The one that lives.
FailingWal* failing = nullptr;
sqlite3_vfs* disk = nullptr;
sqlite3_vfs shim;

// A file keeps its own methods but these two.
struct Methods {
  sqlite3_io_methods ours;  // first: a file's pMethods points to it
  const sqlite3_io_methods* theirs = nullptr;
};
Methods wal_methods;

const sqlite3_io_methods& Theirs(sqlite3_file* file) {
  return *reinterpret_cast<const Methods*>(file->pMethods)->theirs;
}

int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 at) {
  if (failing->fail_writes) return SQLITE_IOERR_WRITE;
  return Theirs(file).xWrite(file, data, size, at);
}

int Sync(sqlite3_file* file, int flags) {
  if (failing->fail_syncs) return SQLITE_IOERR_FSYNC;
  return Theirs(file).xSync(file, flags);
}

int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags,
         int* out_flags) {
  const int code = disk->xOpen(disk, name, file, flags, out_flags);
  if (code != SQLITE_OK || (flags & SQLITE_OPEN_WAL) == 0) return code;
  wal_methods.theirs = file->pMethods;
  wal_methods.ours = *file->pMethods;
  wal_methods.ours.xWrite = Write;
  wal_methods.ours.xSync = Sync;
  file->pMethods = &wal_methods.ours;
  return code;
}

}  // namespace

FailingWal::FailingWal() : disk_(sqlite3_vfs_find(nullptr)) {
  failing = this;
  disk = disk_;
  shim = *disk_;
  shim.zName = "failing wal";
  shim.pNext = nullptr;
  shim.xOpen = Open;
  sqlite3_vfs_register(&shim, /*makeDflt=*/1);
}

FailingWal::~FailingWal() {
  sqlite3_vfs_unregister(&shim);
  sqlite3_vfs_register(disk_, /*makeDflt=*/1);
}

}  // namespace millstream::storage::sqlite
