#include "storage/rocksdb/replay_logger.h"

#include <cstdarg>
#include <cstdio>
#include <string_view>
#include <utility>

#include "base/log.h"

namespace millstream::storage {
namespace {

// As RocksDB's reader of logs words it.
constexpr std::string_view kDropping = "dropping";

}  // namespace

ReplayLogger::ReplayLogger(std::shared_ptr<rocksdb::Logger> file)
    : Logger(file->GetInfoLogLevel()), file_(std::move(file)) {}

ReplayLogger::~ReplayLogger() { Close().PermitUncheckedError(); }

rocksdb::Status ReplayLogger::CloseImpl() { return file_->Close(); }

void ReplayLogger::LogHeader(const char* format, va_list arguments) {
  file_->LogHeader(format, arguments);
}

void ReplayLogger::Logv(const char* format, va_list arguments) {
  file_->Logv(format, arguments);
}

void ReplayLogger::Logv(rocksdb::InfoLogLevel level, const char* format,
                        va_list arguments) {
  if (level == rocksdb::InfoLogLevel::WARN_LEVEL &&
      std::string_view(format).find(kDropping) != std::string_view::npos) {
    va_list copy;
    va_copy(copy, arguments);
    char text[512];
    vsnprintf(text, sizeof(text), format, copy);
    va_end(copy);
    LogError("The metric store's log cannot be read to its end, and what "
             "follows is left out. After a power cut that is nothing that was "
             "acknowledged; else the disk has damaged the log, and metrics are "
             "lost. ", std::string_view(text));
  }
  file_->Logv(level, format, arguments);
}

size_t ReplayLogger::GetLogFileSize() const { return file_->GetLogFileSize(); }

void ReplayLogger::Flush() { file_->Flush(); }

}  // namespace millstream::storage
