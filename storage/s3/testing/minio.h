// A real object store of a test's own.
#ifndef MILLSTREAM_STORAGE_S3_TESTING_MINIO_H_
#define MILLSTREAM_STORAGE_S3_TESTING_MINIO_H_

#include <sys/types.h>

#include <map>
#include <string>

#include "aws/environment.h"
#include "storage/testing/temp_dir.h"

namespace millstream::storage::testing {

// MinIO on a free port of 127.0.0.1 with one empty bucket, until this is gone.
// Aborts the test, saying what to do, if it has not been built. Thread-safe.
class Minio {
 public:
  static constexpr char kBucket[] = "artifacts";

  // Started by the first who asks, for all tests of the program.
  static const Minio& Shared();

  Minio();
  ~Minio();

  const std::string& url() const { return url_; }
  // Variables that lead to it.
  aws::Environment environment() const;

 private:
  const TempDir folder_;
  std::string url_;
  pid_t process_ = -1;
  std::map<std::string, std::string> variables_;
};

}  // namespace millstream::storage::testing

#endif  // MILLSTREAM_STORAGE_S3_TESTING_MINIO_H_
