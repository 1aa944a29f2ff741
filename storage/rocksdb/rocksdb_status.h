// RocksDB's statuses as ours (storage/metric_store.h lists them).
#ifndef MILLSTREAM_STORAGE_ROCKSDB_ROCKSDB_STATUS_H_
#define MILLSTREAM_STORAGE_ROCKSDB_ROCKSDB_STATUS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/disk_full.h"
#include "rocksdb/slice.h"
#include "rocksdb/status.h"

namespace millstream::storage {

inline absl::Status FromRocksDb(const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = status.ToString();
  if (status.IsNoSpace()) return DiskFullError(text);
  if (status.IsCorruption()) return absl::DataLossError(text);
  if (status.severity() >= rocksdb::Status::kHardError || status.IsBusy() ||
      status.IsShutdownInProgress()) {
    return absl::UnavailableError(text);
  }
  return absl::InternalError(text);
}

inline std::string_view View(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}
inline rocksdb::Slice ToSlice(std::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_ROCKSDB_STATUS_H_
