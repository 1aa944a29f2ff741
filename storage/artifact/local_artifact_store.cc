#include "storage/artifact/local_artifact_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "storage/artifact/files.h"
#include "storage/artifact/multipart.h"
#include "storage/artifact/staging.h"

namespace millstream::storage {
namespace {

absl::Status NoSuchArtifact(const ArtifactPath& path) {
  return DoesNotExist("No such artifact: '", path.text(), "'");
}

class FileSource : public ByteSource {
 public:
  explicit FileSource(files::Fd fd) : fd_(std::move(fd)) {}

  absl::StatusOr<size_t> Read(std::span<char> buffer) override {
    ssize_t n;
    do {
      n = pread(fd_.get(), buffer.data(), buffer.size(), offset_);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return files::FromErrno(errno, "read");
    offset_ += n;
    return static_cast<size_t>(n);
  }

  absl::Status Seek(int64_t offset) override {
    offset_ = offset;
    return absl::OkStatus();
  }

 private:
  const files::Fd fd_;
  int64_t offset_ = 0;
};

class FileSink : public ByteSink {
 public:
  FileSink(const Staging* staging, std::unique_ptr<StagedFile> file,
           ArtifactPath path)
      : staging_(staging), file_(std::move(file)), path_(std::move(path)) {}

  absl::Status Write(std::string_view data) override {
    return files::WriteAll(file_->fd(), data);
  }

  absl::Status Finish() override {
    return staging_->Publish(file_.get(), path_);
  }

 private:
  const Staging* const staging_;
  const std::unique_ptr<StagedFile> file_;
  const ArtifactPath path_;
};

// Thread-safe: no state of its own but the file system's.
class LocalArtifactStore : public ArtifactStore {
 public:
  LocalArtifactStore(std::unique_ptr<Staging> staging, const Clock* clock)
      : staging_(std::move(staging)), multipart_(staging_.get(), clock) {}

  absl::StatusOr<ArtifactFile> Open(const ArtifactPath& path) override;
  absl::StatusOr<std::unique_ptr<ByteSink>> Create(
      const ArtifactPath& path) override;
  absl::StatusOr<std::vector<ArtifactEntry>> List(
      const ArtifactPath& path) override;
  absl::Status Delete(const ArtifactPath& path) override;

  absl::StatusOr<std::string> CreateMultipart(
      const ArtifactPath& path, int64_t parts,
      std::string_view owner) override {
    return multipart_.Create(path, parts, owner);
  }
  absl::StatusOr<std::unique_ptr<ArtifactPart>> CreatePart(
      const ArtifactPath& path, std::string_view upload_id,
      int64_t number) override {
    return multipart_.CreatePart(path, upload_id, number);
  }
  absl::Status CompleteMultipart(
      const ArtifactPath& path, std::string_view upload_id,
      std::span<const ArtifactPartName> parts) override {
    return multipart_.Complete(path, upload_id, parts);
  }
  absl::Status AbortMultipart(const ArtifactPath& path,
                              std::string_view upload_id) override {
    return multipart_.Abort(path, upload_id);
  }

 private:
  const std::unique_ptr<Staging> staging_;
  Multipart multipart_;
};

absl::StatusOr<ArtifactFile> LocalArtifactStore::Open(
    const ArtifactPath& path) {
  if (path.IsReserved()) return NoSuchArtifact(path);
  // O_NONBLOCK: a pipe that someone put there must not hold us.
  files::Fd fd = files::OpenBeneath(staging_->root(), path.canonical(),
                                    O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd.ok()) {
    if (errno == ENOENT || errno == ENOTDIR) return NoSuchArtifact(path);
    return files::FromErrno(errno, "open");
  }
  struct stat st;
  if (fstat(fd.get(), &st) != 0) return files::FromErrno(errno, "stat");
  if (S_ISDIR(st.st_mode)) {
    return InvalidParameter(
        "Artifact path refers to a directory, not a file: '", path.text(), "'");
  }
  if (!S_ISREG(st.st_mode)) return NoSuchArtifact(path);
  ArtifactFile file;
  file.size = st.st_size;
  file.modified_ms =
      int64_t{st.st_mtim.tv_sec} * 1000 + st.st_mtim.tv_nsec / 1'000'000;
  file.source = std::make_unique<FileSource>(std::move(fd));
  return file;
}

absl::StatusOr<std::unique_ptr<ByteSink>> LocalArtifactStore::Create(
    const ArtifactPath& path) {
  RETURN_IF_ERROR(staging_->CheckTarget(path));
  ASSIGN_OR_RETURN(std::unique_ptr<StagedFile> file, staging_->NewFile());
  return std::make_unique<FileSink>(staging_.get(), std::move(file), path);
}

absl::StatusOr<std::vector<ArtifactEntry>> LocalArtifactStore::List(
    const ArtifactPath& path) {
  std::vector<ArtifactEntry> entries;
  if (path.IsReserved()) return entries;
  const files::Fd folder = files::OpenBeneath(
      staging_->root(), path.canonical(), O_RDONLY | O_DIRECTORY);
  if (!folder.ok()) {
    if (errno == ENOENT || errno == ENOTDIR) return entries;
    return files::FromErrno(errno, "open folder");
  }
  const int listing =
      openat(folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(
      listing < 0 ? nullptr : fdopendir(listing), &closedir);
  if (dir == nullptr) {
    if (listing >= 0) close(listing);
    return files::FromErrno(errno, "list");
  }
  while (const dirent* found = readdir(dir.get())) {
    const std::string_view name = found->d_name;
    if (name == "." || name == ".." ||
        name.starts_with(ArtifactPath::kReservedPrefix)) {
      continue;
    }
    struct stat st;
    if (fstatat(folder.get(), found->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
      continue;  // deleted meanwhile
    }
    if (S_ISLNK(st.st_mode)) {
      const std::string linked = path.IsRoot()
                                     ? std::string(name)
                                     : StrCat(path.canonical(), "/", name);
      const files::Fd target =
          files::OpenBeneath(staging_->root(), linked, O_PATH);
      if (!target.ok() || fstat(target.get(), &st) != 0) continue;
    }
    const bool is_folder = S_ISDIR(st.st_mode);
    if (!is_folder && !S_ISREG(st.st_mode)) continue;
    if (entries.size() >= limits::kArtifactListEntriesMax) {
      return MakeError(v1::RESOURCE_EXHAUSTED,
                       StrCat("This folder holds more than ",
                              limits::kArtifactListEntriesMax,
                              " artifacts, which is too many to list."));
    }
    entries.push_back(
        {ToValidUtf8(name), is_folder, is_folder ? 0 : st.st_size});
  }
  std::sort(entries.begin(), entries.end(),
            [](const ArtifactEntry& a, const ArtifactEntry& b) {
              return a.name < b.name;
            });
  return entries;
}

absl::Status LocalArtifactStore::Delete(const ArtifactPath& path) {
  if (path.IsRoot()) {
    return InvalidParameter(
        "Invalid path: the artifact root itself cannot be deleted.");
  }
  if (path.IsReserved()) return absl::OkStatus();
  const size_t slash = path.canonical().rfind('/');
  const files::Fd folder = files::OpenBeneath(
      staging_->root(),
      slash == std::string::npos ? "" : path.canonical().substr(0, slash),
      O_RDONLY | O_DIRECTORY);
  if (!folder.ok()) {
    if (errno == ENOENT || errno == ENOTDIR) return absl::OkStatus();
    return files::FromErrno(errno, "open folder");
  }
  RETURN_IF_ERROR(staging_->Discard(folder.get(), std::string(path.name())));
  return staging_->durable() ? files::Sync(folder.get()) : absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ArtifactStore>> OpenLocalArtifactStore(
    const LocalArtifactStoreOptions& options) {
  ASSIGN_OR_RETURN(
      std::unique_ptr<Staging> staging,
      Staging::Open(options.folder, options.durability == Durability::kMachine,
                    options.clock->NowMs()));
  return std::make_unique<LocalArtifactStore>(std::move(staging),
                                              options.clock);
}

}  // namespace millstream::storage
