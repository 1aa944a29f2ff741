// Looks through a metric store that nobody has open, and changes nothing in it:
// whether its files are whole, every record can be read, and what is derived
// (summaries, rollups) agrees with the points.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_METRIC_CHECK_H_
#define MILLSTREAM_STORAGE_ROCKSDB_METRIC_CHECK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/liveness.h"
#include "storage/metric_point.h"

namespace millstream::storage {

// Not thread-safe.
class MetricStoreCheck {
 public:
  // Is told what is found, on the caller's thread. Views live during the call.
  class Listener {
   public:
    virtual ~Listener() = default;

    // A sentence.
    virtual void OnFault(std::string fault) = 0;
    // The run has a mark (metric_store.h). All marks come before all series.
    virtual void OnMark(std::string_view run_id) = 0;
    // Once for each series that can be read, those of a run one after the
    // other: its last point in step order, and how many there are, those that
    // are kept twice counted twice.
    virtual void OnSeries(std::string_view run_id, std::string_view key,
                          const MetricPoint& latest, uint64_t points) = 0;
    // So many more bytes of files have been read.
    virtual void OnBytes(uint64_t bytes) = 0;
  };

  // kFailedPrecondition: of a newer version; kDataLoss: damaged, or a file is
  // missing; others as OpenRocksDbMetricStore.
  static absl::StatusOr<std::unique_ptr<MetricStoreCheck>> Open(
      const std::string& folder);

  virtual ~MetricStoreCheck() = default;

  // Whether the log reads to its end; what is behind a damaged place in it,
  // Open has left out. OK, or kDataLoss.
  virtual absl::Status CheckLog() = 0;

  // Sizes of all tables.
  virtual uint64_t TableBytes() const = 0;

  // Compares the checksums of all blocks of all tables. What `caller` says once
  // it no longer waits.
  virtual absl::Status CheckTables(const Liveness& caller,
                                   Listener* listener) = 0;

  // Reads all records. kDataLoss: could not read on; what comes behind was not
  // seen. What `caller` says once it no longer waits.
  virtual absl::Status CheckRecords(const Liveness& caller,
                                    Listener* listener) = 0;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_METRIC_CHECK_H_
