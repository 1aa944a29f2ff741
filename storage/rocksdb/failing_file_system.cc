#include "storage/rocksdb/failing_file_system.h"

#include <string_view>

namespace millstream::storage {

using rocksdb::FSDirectory;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class FailingFileSystem::File final
    : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  File(FailingFileSystem* system, std::string name,
       std::unique_ptr<FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)),
        system_(system),
        name_(std::move(name)) {}

  IOStatus Append(const Slice& data, const IOOptions& options,
                  IODebugContext* debug) override {
    bool half = false;
    const IOStatus status = system_->Next(/*sync=*/false, name_, &half);
    if (status.ok()) return target()->Append(data, options, debug);
    if (half) {
      target()
          ->Append({data.data(), data.size() / 2}, options, debug)
          .PermitUncheckedError();
    }
    return status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = system_->Next(/*sync=*/true, name_);
    return status.ok() ? target()->Sync(options, debug) : status;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = system_->Next(/*sync=*/true, name_);
    return status.ok() ? target()->Fsync(options, debug) : status;
  }

 private:
  FailingFileSystem* const system_;
  const std::string name_;
};

class FailingFileSystem::Folder final : public rocksdb::FSDirectoryWrapper {
 public:
  Folder(FailingFileSystem* system, std::unique_ptr<FSDirectory> folder)
      : FSDirectoryWrapper(std::move(folder)), system_(system) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = system_->Next(/*sync=*/true, "");
    return status.ok() ? FSDirectoryWrapper::Fsync(options, debug) : status;
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions&) override {
    return Fsync(options, debug);
  }

 private:
  FailingFileSystem* const system_;
};

void FailingFileSystem::Break(const Fault& fault) {
  absl::MutexLock lock(&mutex_);
  broken_ = true;
  fault_ = fault;
  failed_ = 0;
}

void FailingFileSystem::Heal() {
  absl::MutexLock lock(&mutex_);
  broken_ = false;
}

int FailingFileSystem::failed() const {
  absl::MutexLock lock(&mutex_);
  return failed_;
}

IOStatus FailingFileSystem::Next(bool sync, const std::string& name,
                                 bool* half) {
  absl::MutexLock lock(&mutex_);
  if (!broken_ || (fault_.of == Of::kSyncs && !sync) ||
      (fault_.of == Of::kLogs && !std::string_view(name).ends_with(".log"))) {
    return IOStatus::OK();
  }
  if (fault_.skip > 0) {
    --fault_.skip;
    return IOStatus::OK();
  }
  if (fault_.times == 0) return IOStatus::OK();
  if (fault_.times > 0) --fault_.times;
  ++failed_;
  if (half != nullptr) *half = fault_.half;
  return fault_.status;
}

IOStatus FailingFileSystem::NewWritableFile(
    const std::string& name, const rocksdb::FileOptions& options,
    std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) {
  IOStatus status = Next(/*sync=*/false, name);
  if (!status.ok()) return status;
  std::unique_ptr<FSWritableFile> made;
  status = target()->NewWritableFile(name, options, &made, debug);
  if (status.ok()) *file = std::make_unique<File>(this, name, std::move(made));
  return status;
}

IOStatus FailingFileSystem::NewDirectory(const std::string& name,
                                         const IOOptions& options,
                                         std::unique_ptr<FSDirectory>* folder,
                                         IODebugContext* debug) {
  std::unique_ptr<FSDirectory> made;
  const IOStatus status = target()->NewDirectory(name, options, &made, debug);
  if (status.ok()) *folder = std::make_unique<Folder>(this, std::move(made));
  return status;
}

IOStatus FailingFileSystem::RenameFile(const std::string& from,
                                       const std::string& to,
                                       const IOOptions& options,
                                       IODebugContext* debug) {
  const IOStatus status = Next(/*sync=*/false, to);
  return status.ok() ? target()->RenameFile(from, to, options, debug) : status;
}

}  // namespace millstream::storage
