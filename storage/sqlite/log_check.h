// Whether a database's write-ahead log can be read to its end.
//
// SQLite reads it up to the first frame whose checksum is wrong and takes that
// for the end: right after a crash, which leaves the last commit half written,
// and silently wrong when the disk has damaged what was synced long ago. The
// frames behind tell the two apart. Each commit is forced to the disk before
// the next is written, so a crash leaves one commit behind the end at most.
#ifndef MILLSTREAM_STORAGE_SQLITE_LOG_CHECK_H_
#define MILLSTREAM_STORAGE_SQLITE_LOG_CHECK_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace millstream::storage::sqlite {

struct LogCheck {
  // Frames up to the end that SQLite sees.
  int64_t frames = 0;
  // Ends of commits, of the same generation of the log, that lie behind it.
  int64_t commits_behind = 0;
  // The log has content and a header that nobody can read.
  bool header_damaged = false;

  // No crash leaves a log so if every commit was forced to the disk.
  bool damaged() const { return header_damaged || commits_behind > 1; }
};

// Reads the log of the database at `path`; one that is not there is empty.
// kUnavailable: it cannot be read. Thread-safe; nobody writes to it meanwhile.
absl::StatusOr<LogCheck> CheckLog(const std::string& path);

}  // namespace millstream::storage::sqlite

#endif  // MILLSTREAM_STORAGE_SQLITE_LOG_CHECK_H_
