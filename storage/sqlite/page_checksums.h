// Checksums of the pages of our own database files.
//
// SQLite has none, so a value that the disk has changed would be served. It
// leaves room for them, though: a file may reserve bytes at the end of each of
// its pages (byte 20 of its header), which SQLite carries along and never looks
// at. A file opened through PageChecksumVfs() has there
//
//   page, but for its last 8 bytes   SQLite's
//   8 bytes, big-endian              XXH3 (64 bits, seeded with the page's
//                                    number) of all before them
//
// - Written with each page of the database file: by checkpoints, mostly. The
//   write-ahead log has pages as SQLite made them, and checksums of its own.
// - Compared with each page that is read from the database file, before SQLite
//   sees it: SQLITE_IOERR_DATA if it is another one. The number in it tells a
//   page that was written to the wrong place. An older version of a page, of a
//   write that never reached the disk, looks whole.
// - A new file gets them. A file that was made without them stays without: its
//   header says so. A header that was changed to say so is found out, for the
//   first pages have checksums then.
// - No page is mapped into memory: what SQLite reads there, nobody could check.
//
// Whoever writes to such a file by another VFS, such as sqlite3, leaves
// checksums of what was there before, which is damage.
#ifndef MILLSTREAM_STORAGE_SQLITE_PAGE_CHECKSUMS_H_
#define MILLSTREAM_STORAGE_SQLITE_PAGE_CHECKSUMS_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

struct sqlite3;

namespace millstream::storage::sqlite {

// All functions but those that take a connection are thread-safe.

// Name of the VFS, for sqlite3_open_v2. It goes on top of the default one.
const char* PageChecksumVfs();

// Has a file that `db`, opened so, is about to make keep room for checksums;
// nothing if the file has pages. Before the first write.
void ReserveForChecksums(sqlite3* db);

// Whether the file of `db` has checksums.
bool HasChecksums(sqlite3* db);

// The page that a read of this thread last found damaged: what an error
// SQLITE_IOERR_DATA is about.
int64_t DamagedPage();

// Calls `on_damage` with the number of each page of the file that is not what
// was written, also of those that hold nothing now; nothing if it has no
// checksums. Ends with what `on_page` says, called now and then, if that is an
// error. kUnavailable: it cannot be read. REQUIRES: its log is empty, as a
// crash may leave half a page in the file that the log has whole.
absl::Status ReadAllPages(sqlite3* db,
                          absl::FunctionRef<absl::Status()> on_page,
                          absl::FunctionRef<void(int64_t)> on_damage);

}  // namespace millstream::storage::sqlite

#endif  // MILLSTREAM_STORAGE_SQLITE_PAGE_CHECKSUMS_H_
