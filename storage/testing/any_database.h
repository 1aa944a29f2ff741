// An empty database of each product, for tests of what runs on all of them.
#ifndef MILLSTREAM_STORAGE_TESTING_ANY_DATABASE_H_
#define MILLSTREAM_STORAGE_TESTING_ANY_DATABASE_H_

#include <memory>
#include <string>

#include "storage/sql/database.h"
#include "storage/testing/temp_dir.h"

namespace millstream::storage::testing {

// An empty database. The servers are started when first needed, one of each for
// all tests of the binary, and stopped at its end. Thread-compatible.
class AnyDatabase {
 public:
  explicit AnyDatabase(sql::Dialect dialect);

  // As one more process would open it.
  std::unique_ptr<sql::Database> Open() const;

 private:
  const sql::Dialect dialect_;
  const TempDir folder_;
  std::string uri_;
};

// "Sqlite", "Postgres", "Mysql": for names of tests.
std::string NameOf(sql::Dialect dialect);

}  // namespace millstream::storage::testing

#endif  // MILLSTREAM_STORAGE_TESTING_ANY_DATABASE_H_
