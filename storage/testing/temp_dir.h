// A folder of a test's own.
#ifndef MILLSTREAM_STORAGE_TESTING_TEMP_DIR_H_
#define MILLSTREAM_STORAGE_TESTING_TEMP_DIR_H_

#include <string>

namespace millstream::storage::testing {

// Made empty when constructed, removed with all it holds when destroyed.
// Thread-compatible. Aborts the test if it cannot be made.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace millstream::storage::testing

#endif  // MILLSTREAM_STORAGE_TESTING_TEMP_DIR_H_
