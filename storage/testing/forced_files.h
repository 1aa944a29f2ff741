// What a test's process has forced to the disk, and what a cut of the power
// would therefore leave.
#ifndef MILLSTREAM_STORAGE_TESTING_FORCED_FILES_H_
#define MILLSTREAM_STORAGE_TESTING_FORCED_FILES_H_

#include <string>

namespace millstream::storage {

// A program that this is linked into has fsync(), fdatasync() and syncfs() that
// do the same as ever and note of what, for its libraries too. Thread-safe.
//
// A file counts as forced if its size and time of change are still what they
// were when it was forced, a name if its folder was forced with it.

// Whether the file or folder is there after a power cut: by this name, and a
// file with all that it has now. Not asked: names of the folders above it.
bool IsForced(const std::string& path);

// Whether there is something by that name after a power cut. What was removed
// comes back unless its folder was forced since.
bool IsNameForced(const std::string& path);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_TESTING_FORCED_FILES_H_
