// The real stores on SQLite in a folder of their own, for tests of services.
#ifndef MILLSTREAM_STORAGE_TESTING_SQLITE_STORES_H_
#define MILLSTREAM_STORAGE_TESTING_SQLITE_STORES_H_

#include <memory>

#include "storage/registry_store.h"
#include "storage/sql/database.h"
#include "storage/testing/temp_dir.h"
#include "storage/tracking_store.h"

namespace millstream::storage::testing {

// Thread-compatible; the stores are thread-safe and wait for no disk. Aborts
// the test if they cannot be opened. The experiment Default is there; new ones
// keep their artifacts below `artifact_root`.
class SqliteStores {
 public:
  explicit SqliteStores(std::string artifact_root = "mlflow-artifacts:/");
  ~SqliteStores();

  TrackingStore* tracking() { return tracking_.get(); }
  RegistryStore* registry() { return registry_.get(); }

 private:
  const TempDir folder_;
  std::unique_ptr<sql::Database> database_;
  std::unique_ptr<TrackingStore> tracking_;
  std::unique_ptr<RegistryStore> registry_;
};

}  // namespace millstream::storage::testing

#endif  // MILLSTREAM_STORAGE_TESTING_SQLITE_STORES_H_
