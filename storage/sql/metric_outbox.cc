#include "storage/sql/metric_outbox.h"

#include <bit>
#include <cstring>
#include <utility>

#include "base/status_macros.h"

namespace millstream::storage {
namespace {

constexpr char kFormat = 1;
constexpr size_t kPointBytes = 24;
static_assert(std::endian::native == std::endian::little);

template <typename T>
void Put(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
bool Get(std::string_view* in, T* value) {
  if (in->size() < sizeof(*value)) return false;
  std::memcpy(value, in->data(), sizeof(*value));
  in->remove_prefix(sizeof(*value));
  return true;
}

bool GetSeries(std::string_view* in, OwnedSeries* series) {
  uint32_t size;
  if (!Get(in, &size) || in->size() < size) return false;
  series->key.assign(in->substr(0, size));
  in->remove_prefix(size);
  uint32_t count;
  if (!Get(in, &count) || in->size() / kPointBytes < count) return false;
  series->points.resize(count);
  for (MetricPoint& point : series->points) {
    Get(in, &point.timestamp_ms);
    Get(in, &point.step);
    Get(in, &point.value);
  }
  return true;
}

}  // namespace

std::string EncodeOutbox(absl::Span<const SeriesAppend> series) {
  std::string out(1, kFormat);
  for (const SeriesAppend& s : series) {
    Put(static_cast<uint32_t>(s.key.size()), &out);
    out.append(s.key);
    Put(static_cast<uint32_t>(s.points.size()), &out);
    for (const MetricPoint& point : s.points) {
      Put(point.timestamp_ms, &out);
      Put(point.step, &out);
      Put(point.value, &out);
    }
  }
  return out;
}

absl::StatusOr<std::vector<OwnedSeries>> DecodeOutbox(std::string_view blob) {
  if (blob.empty() || blob.front() != kFormat) {
    return absl::DataLossError(
        "a row of metric_outbox has a format that this version does not know");
  }
  blob.remove_prefix(1);
  std::vector<OwnedSeries> series;
  while (!blob.empty()) {
    if (!GetSeries(&blob, &series.emplace_back())) {
      return absl::DataLossError("a row of metric_outbox is cut short");
    }
  }
  return series;
}

absl::StatusOr<int64_t> AddOutboxRow(sql::Transaction& transaction,
                                     std::string_view run_id,
                                     absl::Span<const SeriesAppend> series) {
  const std::string blob = EncodeOutbox(series);
  ASSIGN_OR_RETURN(
      sql::StatementPtr statement,
      transaction.PrepareForId(
          "INSERT INTO metric_outbox (run_uuid, points) VALUES (?, ?)",
          "sequence"));
  statement->BindText(1, run_id);
  statement->BindBlob(2, blob);
  return transaction.FinishForId(*statement);
}

absl::StatusOr<std::vector<OutboxRow>> ReadOutboxRows(
    sql::Connection& connection, int64_t sequence, int limit) {
  ASSIGN_OR_RETURN(
      sql::StatementPtr row,
      connection.Query("SELECT sequence, run_uuid, points FROM metric_outbox "
                       "WHERE sequence > ? ORDER BY sequence LIMIT ?",
                       sequence, limit));
  std::vector<OutboxRow> rows;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, row->Step());
    if (!found) return rows;
    OutboxRow& outbox_row = rows.emplace_back();
    outbox_row.sequence = row->Int64(0);
    outbox_row.run_id = row->Text(1);
    ASSIGN_OR_RETURN(outbox_row.series, DecodeOutbox(row->Blob(2)));
  }
}

absl::Status RemoveOutboxRows(sql::Transaction& transaction,
                              absl::Span<const int64_t> sequences) {
  ASSIGN_OR_RETURN(
      sql::StatementPtr statement,
      transaction.Prepare("DELETE FROM metric_outbox WHERE sequence = ?"));
  for (int64_t sequence : sequences) {
    statement->Rewind();
    statement->BindInt64(1, sequence);
    RETURN_IF_ERROR(statement->Finish());
  }
  return absl::OkStatus();
}

}  // namespace millstream::storage
