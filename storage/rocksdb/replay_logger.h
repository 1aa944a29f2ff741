// Tells the server's log when a start leaves out a part of RocksDB's
// write-ahead log.
//
// RocksDB replays the log up to the first record that is not whole and takes
// that for the end. After a power cut it is; but a disk that has damaged what
// was synced long ago looks the same, and only RocksDB's own log, which nobody
// reads, would say what is gone.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_REPLAY_LOGGER_H_
#define MILLSTREAM_STORAGE_ROCKSDB_REPLAY_LOGGER_H_

#include <memory>

#include "rocksdb/env.h"

namespace millstream::storage {

// Hands everything on to RocksDB's own logger as well. Thread-safe.
class ReplayLogger final : public rocksdb::Logger {
 public:
  explicit ReplayLogger(std::shared_ptr<rocksdb::Logger> file);
  // Closed before it goes, as RocksDB wants it.
  ~ReplayLogger() override;

  using rocksdb::Logger::Logv;
  void LogHeader(const char* format, va_list arguments) override;
  void Logv(const char* format, va_list arguments) override;
  void Logv(rocksdb::InfoLogLevel level, const char* format,
            va_list arguments) override;
  size_t GetLogFileSize() const override;
  void Flush() override;

 private:
  rocksdb::Status CloseImpl() override;

  const std::shared_ptr<rocksdb::Logger> file_;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_REPLAY_LOGGER_H_
