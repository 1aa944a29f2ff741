// Where RocksDB's own log goes: what went wrong to the server's log, the rest
// nowhere.
//
// Not to a file, as RocksDB does by default. A log that cannot be written any
// more, as the disk is full, ends the process: Debian builds RocksDB with its
// assertions, and one of them forbids to write after an error. And what nobody
// reads tells nobody that a start has left out a part of the write-ahead log:
// RocksDB replays it up to the first record that is not whole and takes that
// for the end. After a power cut it is; but a disk that has damaged what was
// synced long ago looks the same.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_STORE_LOGGER_H_
#define MILLSTREAM_STORAGE_ROCKSDB_STORE_LOGGER_H_

#include <cstdarg>

#include "rocksdb/env.h"

namespace millstream::storage {

// Thread-safe.
class StoreLogger final : public rocksdb::Logger {
 public:
  StoreLogger();
  ~StoreLogger() override;

  void LogHeader(const char* format, va_list arguments) override;
  void Logv(const char* format, va_list arguments) override;
  void Logv(rocksdb::InfoLogLevel level, const char* format,
            va_list arguments) override;

 private:
  rocksdb::Status CloseImpl() override;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_STORE_LOGGER_H_
