// What a server keeps its data in, as its services see it: a data folder of our
// own, or a database that is MLflow's as well.
#ifndef MILLSTREAM_APP_STORES_H_
#define MILLSTREAM_APP_STORES_H_

#include <memory>

#include "absl/status/statusor.h"
#include "app/config.h"
#include "base/liveness.h"
#include "base/reading.h"
#include "storage/metric_store.h"
#include "storage/registry_store.h"
#include "storage/run_log.h"
#include "storage/tracking_store.h"

namespace millstream::app {

// Owns the stores, which are thread-safe and open while it lives. Of files see
// app/artifact_stores.h.
class Stores {
 public:
  virtual ~Stores() = default;

  virtual storage::TrackingStore* tracking() = 0;
  virtual storage::RegistryStore* registry() = 0;
  virtual storage::RunLog* run_log() = 0;
  virtual storage::MetricStore* metrics() = 0;
  // Whether other servers may write to them at the same time.
  virtual bool are_shared() const = 0;

  // Of all of them, for /metrics.
  virtual void AppendReadings(Readings* readings) const = 0;
};

// Those that the configuration asks for, with the experiment Default. A status
// of theirs, with a sentence for whoever starts the server; no password is in
// it.
// A database server that is not there yet is waited for while `starter` waits.
absl::StatusOr<std::unique_ptr<Stores>> OpenStores(const Config& config,
                                                   const Liveness& starter);

// Its two cases. Embedded: SQLite for what is relational, RocksDB for the
// points of metrics, in config.data_dir. SQL: all of it in the database
// config.backend, in MLflow's tables.
absl::StatusOr<std::unique_ptr<Stores>> OpenEmbeddedStores(
    const Config& config);
// REQUIRES: config.backend has a value.
absl::StatusOr<std::unique_ptr<Stores>> OpenSqlStores(const Config& config,
                                                      const Liveness& starter);

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_STORES_H_
