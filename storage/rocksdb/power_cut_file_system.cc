#include "storage/rocksdb/power_cut_file_system.h"

#include <filesystem>
#include <utility>

namespace millstream::storage {

using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

class PowerCutFileSystem::File final
    : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  File(PowerCutFileSystem* system, std::string name,
       std::unique_ptr<FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)),
        system_(system),
        name_(std::move(name)) {}

  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  IODebugContext* debug) override {
    absl::MutexLock lock(&system_->mutex_);
    if (system_->cut_) return IOStatus::IOError("no power");
    system_->files_[name_].written += data.size();
    return target()->Append(data, options, debug);
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return Synced([&] { return target()->Sync(options, debug); });
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Synced([&] { return target()->Fsync(options, debug); });
  }

 private:
  template <typename Sync>
  IOStatus Synced(Sync sync) {
    absl::MutexLock lock(&system_->mutex_);
    if (system_->cut_) return IOStatus::IOError("no power");
    IOStatus status = sync();
    Bytes& bytes = system_->files_[name_];
    if (status.ok()) bytes.synced = bytes.written;
    return status;
  }

  PowerCutFileSystem* const system_;
  const std::string name_;
};

PowerCutFileSystem::PowerCutFileSystem()
    : FileSystemWrapper(rocksdb::FileSystem::Default()) {}

IOStatus PowerCutFileSystem::Powered() {
  absl::MutexLock lock(&mutex_);
  return cut_ ? IOStatus::IOError("no power") : IOStatus::OK();
}

void PowerCutFileSystem::CutPower() {
  absl::MutexLock lock(&mutex_);
  cut_ = true;
}

void PowerCutFileSystem::LoseUnsynced() {
  absl::MutexLock lock(&mutex_);
  for (const auto& [name, bytes] : files_) {
    std::error_code gone;
    if (std::filesystem::file_size(name, gone) > bytes.synced && !gone) {
      std::filesystem::resize_file(name, bytes.synced);
    }
  }
}

IOStatus PowerCutFileSystem::NewWritableFile(
    const std::string& name, const rocksdb::FileOptions& options,
    std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) {
  IOStatus status = Powered();
  if (!status.ok()) return status;
  std::unique_ptr<FSWritableFile> made;
  status = target()->NewWritableFile(name, options, &made, debug);
  if (!status.ok()) return status;
  *file = std::make_unique<File>(this, name, std::move(made));
  absl::MutexLock lock(&mutex_);
  files_[name] = Bytes();
  return status;
}

IOStatus PowerCutFileSystem::RenameFile(const std::string& from,
                                        const std::string& to,
                                        const IOOptions& options,
                                        IODebugContext* debug) {
  IOStatus status = Powered();
  if (status.ok()) status = target()->RenameFile(from, to, options, debug);
  if (!status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  if (auto entry = files_.extract(from); !entry.empty()) {
    files_[to] = entry.mapped();
  }
  return status;
}

IOStatus PowerCutFileSystem::DeleteFile(const std::string& name,
                                        const IOOptions& options,
                                        IODebugContext* debug) {
  IOStatus status = Powered();
  if (status.ok()) status = target()->DeleteFile(name, options, debug);
  if (!status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  files_.erase(name);
  return status;
}

}  // namespace millstream::storage
