#include "storage/rocksdb/store_logger.h"

#include <cstdio>
#include <string_view>

#include "base/log.h"

namespace millstream::storage {
namespace {

// As RocksDB's reader of logs words it.
constexpr std::string_view kDropping = "dropping";

}  // namespace

StoreLogger::StoreLogger() : Logger(rocksdb::InfoLogLevel::WARN_LEVEL) {}

StoreLogger::~StoreLogger() { Close().PermitUncheckedError(); }

rocksdb::Status StoreLogger::CloseImpl() { return rocksdb::Status::OK(); }

void StoreLogger::LogHeader(const char*, va_list) {}

void StoreLogger::Logv(const char*, va_list) {}

void StoreLogger::Logv(rocksdb::InfoLogLevel level, const char* format,
                       va_list arguments) {
  const bool drops = level == rocksdb::InfoLogLevel::WARN_LEVEL &&
                     std::string_view(format).find(kDropping) !=
                         std::string_view::npos;
  const bool failed = level == rocksdb::InfoLogLevel::ERROR_LEVEL ||
                      level == rocksdb::InfoLogLevel::FATAL_LEVEL;
  if (!drops && !failed) return;
  char text[512];
  vsnprintf(text, sizeof(text), format, arguments);
  if (failed) return LogWarning("RocksDB: ", std::string_view(text));
  LogError("The log of the metric store cannot be read to its end, and what "
           "follows is left out. After a power cut that is nothing that was "
           "acknowledged; else the disk has damaged the log, and metrics are "
           "lost. ", std::string_view(text));
}

}  // namespace millstream::storage
