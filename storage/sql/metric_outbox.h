// Points on their way from a SQL transaction to the metric store: rows of the
// table metric_outbox. storage/sql/sql_run_log.h says when they come and go.
//
// A row's blob, numbers little-endian: 1 byte format (1), then for each series
// its key's length (4 bytes) and bytes, the number of points (4 bytes), and for
// each point timestamp, step and value (8 bytes each). It reaches the disk, and
// the next start may be that of another version: do not change it, add a
// format.
//
// All functions are thread-safe.
#ifndef MILLSTREAM_STORAGE_SQL_METRIC_OUTBOX_H_
#define MILLSTREAM_STORAGE_SQL_METRIC_OUTBOX_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/metric_store.h"
#include "storage/sql/database.h"

namespace millstream::storage {

// Points that own their memory.
struct OwnedSeries {
  std::string key;
  std::vector<MetricPoint> points;
};

std::string EncodeOutbox(absl::Span<const SeriesAppend> series);
// kDataLoss: malformed, or of a format that this version does not know.
absl::StatusOr<std::vector<OwnedSeries>> DecodeOutbox(std::string_view blob);

struct OutboxRow {
  int64_t sequence = 0;
  std::string run_id;
  std::vector<OwnedSeries> series;
};

// Adds a row; returns its sequence.
absl::StatusOr<int64_t> AddOutboxRow(sql::Transaction& transaction,
                                     std::string_view run_id,
                                     absl::Span<const SeriesAppend> series);

// The first rows after `sequence`, in order, `limit` at most.
absl::StatusOr<std::vector<OutboxRow>> ReadOutboxRows(
    sql::Connection& connection, int64_t sequence, int limit);

absl::Status RemoveOutboxRows(sql::Transaction& transaction,
                              absl::Span<const int64_t> sequences);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_SQL_METRIC_OUTBOX_H_
