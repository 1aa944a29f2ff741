#include "storage/rocksdb/log_guard_file_system.h"

#include <atomic>
#include <string_view>
#include <utility>

namespace millstream::storage {

using rocksdb::FSDirectory;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

namespace {

constexpr std::string_view kLogSuffix = ".log";

thread_local bool writes_log = false;

std::filesystem::path FolderOf(const std::string& name) {
  return std::filesystem::path(name).lexically_normal().parent_path();
}

}  // namespace

// Of one log. Outlives its file: it is asked for the newest.
class LogGuardFileSystem::Health {
 public:
  explicit Health(const OnFailure* on_failure) : on_failure_(on_failure) {}

  bool failed() const { return failed_.load(); }
  void Fail(const IOStatus& status) {
    if (!failed_.exchange(true)) (*on_failure_)(status);
  }

 private:
  const OnFailure* const on_failure_;
  std::atomic<bool> failed_ = false;
};

// What stands for a log that could not be created.
class LogGuardFileSystem::NoLog final : public FSWritableFile {
 public:
  IOStatus Append(const Slice&, const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();
  }
  IOStatus Append(const Slice&, const IOOptions&,
                  const rocksdb::DataVerificationInfo&,
                  IODebugContext*) override {
    return IOStatus::OK();
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();
  }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();
  }
  bool IsSyncThreadSafe() const override { return true; }
};

class LogGuardFileSystem::Log final
    : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  Log(std::unique_ptr<FSWritableFile> file, std::shared_ptr<Health> health)
      : FSWritableFileOwnerWrapper(std::move(file)),
        health_(std::move(health)) {}

  IOStatus Append(const Slice& data, const IOOptions& options,
                  IODebugContext* debug) override {
    return Do([&] { return target()->Append(data, options, debug); });
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& info,
                  IODebugContext* debug) override {
    return Do([&] { return target()->Append(data, options, info, debug); });
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset,
                            const IOOptions& options,
                            IODebugContext* debug) override {
    return Do([&] {
      return target()->PositionedAppend(data, offset, options, debug);
    });
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset,
                            const IOOptions& options,
                            const rocksdb::DataVerificationInfo& info,
                            IODebugContext* debug) override {
    return Do([&] {
      return target()->PositionedAppend(data, offset, options, info, debug);
    });
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options,
                    IODebugContext* debug) override {
    return Do([&] { return target()->Truncate(size, options, debug); });
  }
  IOStatus Flush(const IOOptions& options, IODebugContext* debug) override {
    return Do([&] { return target()->Flush(options, debug); });
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return Do([&] { return target()->Sync(options, debug); });
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Do([&] { return target()->Fsync(options, debug); });
  }
  IOStatus RangeSync(uint64_t offset, uint64_t size, const IOOptions& options,
                     IODebugContext* debug) override {
    return Do(
        [&] { return target()->RangeSync(offset, size, options, debug); });
  }
  // Whoever closes a log has synced it, or needs it no more.
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    target()->Close(options, debug).PermitUncheckedError();
    return IOStatus::OK();
  }

 private:
  template <typename Operation>
  IOStatus Do(Operation operation) {
    if (health_->failed()) return IOStatus::OK();
    if (IOStatus status = operation(); !status.ok()) health_->Fail(status);
    return IOStatus::OK();
  }

  const std::shared_ptr<Health> health_;
};

class LogGuardFileSystem::Folder final : public rocksdb::FSDirectoryWrapper {
 public:
  Folder(const LogGuardFileSystem* system, std::unique_ptr<FSDirectory> folder)
      : FSDirectoryWrapper(std::move(folder)), system_(system) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Guarded(FSDirectoryWrapper::Fsync(options, debug));
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions& why) override {
    return Guarded(
        FSDirectoryWrapper::FsyncWithDirOptions(options, debug, why));
  }

 private:
  IOStatus Guarded(IOStatus status) {
    if (status.ok() || !writes_log) return status;
    if (auto log = system_->NewestLog(); log != nullptr) log->Fail(status);
    return IOStatus::OK();
  }

  const LogGuardFileSystem* const system_;
};

LogGuardFileSystem::LogScope::LogScope()
    : outer_(std::exchange(writes_log, true)) {}

LogGuardFileSystem::LogScope::~LogScope() { writes_log = outer_; }

LogGuardFileSystem::LogGuardFileSystem(
    std::shared_ptr<rocksdb::FileSystem> base, const std::string& folder,
    OnFailure on_failure)
    : FileSystemWrapper(std::move(base)),
      folder_(FolderOf(folder + "/log")),
      on_failure_(std::move(on_failure)) {}

bool LogGuardFileSystem::IsLog(const std::string& name) const {
  return std::string_view(name).ends_with(kLogSuffix) &&
         FolderOf(name) == folder_;
}

std::shared_ptr<LogGuardFileSystem::Health> LogGuardFileSystem::NewestLog()
    const {
  absl::MutexLock lock(&mutex_);
  return newest_;
}

bool LogGuardFileSystem::LogHasFailed() const {
  const std::shared_ptr<Health> log = NewestLog();
  return log != nullptr && log->failed();
}

IOStatus LogGuardFileSystem::NewWritableFile(
    const std::string& name, const rocksdb::FileOptions& options,
    std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) {
  if (!IsLog(name)) {
    return target()->NewWritableFile(name, options, file, debug);
  }
  auto health = std::make_shared<Health>(&on_failure_);
  std::unique_ptr<FSWritableFile> made;
  IOStatus status = target()->NewWritableFile(name, options, &made, debug);
  if (!status.ok()) {
    health->Fail(status);
    made = std::make_unique<NoLog>();
  }
  *file = std::make_unique<Log>(std::move(made), health);
  absl::MutexLock lock(&mutex_);
  newest_ = std::move(health);
  return IOStatus::OK();
}

IOStatus LogGuardFileSystem::NewDirectory(const std::string& name,
                                          const IOOptions& options,
                                          std::unique_ptr<FSDirectory>* folder,
                                          IODebugContext* debug) {
  std::unique_ptr<FSDirectory> made;
  IOStatus status = target()->NewDirectory(name, options, &made, debug);
  if (status.ok()) *folder = std::make_unique<Folder>(this, std::move(made));
  return status;
}

}  // namespace millstream::storage
