#include "storage/artifact/multipart.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::storage {
namespace {

constexpr char kPrefix[] = "mpu-";
// Holds "<number of parts>\n<path>".
constexpr char kTarget[] = "target";
constexpr size_t kIdLength = 32;
// Of these, what says whose it is.
constexpr size_t kMarkLength = 12;
// A part file ends in its etag, so that data and etag change in one rename.
constexpr size_t kEtagLength = 32;
constexpr int64_t kCleanEveryMs = 60 * 60 * 1000;

absl::Status NoSuchUpload() {
  return DoesNotExist(
      "No such multipart upload for this path. It may have been completed, "
      "aborted or forgotten; begin again.");
}

std::string PartName(int64_t number) { return StrCat("part-", number); }

bool IsHex(std::string_view s) {
  return std::all_of(s.begin(), s.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

// What the ids of an owner's uploads begin with, here and at any other server
// of the folder; the rest is 80 bits that nobody guesses. FNV-1a.
std::string MarkOf(std::string_view owner) {
  if (owner.empty()) return "";
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : owner) {
    hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  }
  return StrCat(absl::Hex(hash, absl::kZeroPad16)).substr(0, kMarkLength);
}

absl::StatusOr<std::string> ReadAt(int fd, int64_t offset, size_t size) {
  std::string data(size, '\0');
  const ssize_t n = pread(fd, data.data(), size, offset);
  if (n < 0) return absl::InternalError("artifact store: cannot read part");
  data.resize(static_cast<size_t>(n));
  return data;
}

// A part while it is sent.
class PartSink final : public ArtifactPart {
 public:
  // `folder` is that of the upload.
  PartSink(files::Fd folder, std::unique_ptr<StagedFile> file, int64_t number,
           std::string etag)
      : folder_(std::move(folder)),
        file_(std::move(file)),
        number_(number),
        etag_(std::move(etag)) {}

  absl::Status Write(std::string_view data) override {
    size_ += static_cast<int64_t>(data.size());
    if (size_ > limits::kMultipartPartBytesMax) {
      return InvalidParameter("A part has at most ",
                              limits::kMultipartPartBytesMax, " bytes.");
    }
    return files::WriteAll(file_->fd(), data);
  }

  absl::Status Finish() override {
    RETURN_IF_ERROR(files::WriteAll(file_->fd(), etag_));
    if (!file_->Rename(folder_.get(), PartName(number_))) {
      return NoSuchUpload();  // completed or aborted meanwhile
    }
    return absl::OkStatus();
  }

  const std::string& etag() const override { return etag_; }

 private:
  const files::Fd folder_;
  const std::unique_ptr<StagedFile> file_;
  const int64_t number_;
  const std::string etag_;
  int64_t size_ = 0;
};

// Appends part `number` of the upload in `folder` to `to`.
absl::Status AppendPart(int folder, const ArtifactPartName& part, int to) {
  const files::Fd file =
      files::OpenBeneath(folder, PartName(part.number), O_RDONLY);
  struct stat st;
  std::string etag;
  if (file.ok() && fstat(file.get(), &st) == 0 &&
      st.st_size >= static_cast<int64_t>(kEtagLength)) {
    ASSIGN_OR_RETURN(etag,
                     ReadAt(file.get(), st.st_size - kEtagLength, kEtagLength));
  }
  std::string_view claimed = part.etag;
  // HTTP's quotes, which some clients keep.
  if (claimed.size() >= 2 && claimed.starts_with('"') &&
      claimed.ends_with('"')) {
    claimed = claimed.substr(1, claimed.size() - 2);
  }
  if (etag.empty() || etag != claimed) {
    return InvalidParameter("Part ", part.number,
                            " was not uploaded with this etag. Send it (again) "
                            "and complete with the etag of that answer.");
  }
  return files::AppendFile(file.get(), st.st_size - kEtagLength, to);
}

}  // namespace

absl::Status Multipart::MakeRoom(std::string_view mark) {
  absl::MutexLock lock(&mutex_);
  const int64_t now_ms = clock_->NowMs();
  if (now_ms - cleaned_ms_ > kCleanEveryMs) {
    cleaned_ms_ = now_ms;
    staging_->DeleteStale(now_ms);
  }
  const int listing =
      openat(staging_->folder(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* dir = listing < 0 ? nullptr : fdopendir(listing);
  if (dir == nullptr) {
    if (listing >= 0) close(listing);
    return absl::InternalError("artifact store: cannot list staging folder");
  }
  int open_uploads = 0, own = 0;
  while (const dirent* entry = readdir(dir)) {
    std::string_view name = entry->d_name;
    if (!name.starts_with(kPrefix)) continue;
    ++open_uploads;
    name.remove_prefix(sizeof(kPrefix) - 1);
    if (!mark.empty() && name.starts_with(mark)) ++own;
  }
  closedir(dir);
  if (own >= limits::kMultipartUploadsOfOneMax) {
    return MakeError(
        v1::REQUEST_LIMIT_EXCEEDED,
        StrCat("You have ", own,
               " unfinished multipart uploads. Complete or abort some."));
  }
  if (open_uploads >= limits::kMultipartUploadsMax) {
    return MakeError(
        v1::REQUEST_LIMIT_EXCEEDED,
        StrCat("There are ", open_uploads,
               " unfinished multipart uploads. Complete or abort some."));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Multipart::Create(const ArtifactPath& path,
                                              int64_t parts,
                                              std::string_view owner) {
  if (parts < 1 || parts > limits::kMultipartPartsMax) {
    return InvalidParameter("num_parts must be 1 to ",
                            limits::kMultipartPartsMax, ", not ", parts, ".");
  }
  RETURN_IF_ERROR(staging_->CheckTarget(path));
  const std::string mark = MarkOf(owner);
  RETURN_IF_ERROR(MakeRoom(mark));
  std::string id = files::RandomName();
  id.replace(0, mark.size(), mark);
  const std::string name = StrCat(kPrefix, id);
  // The folder appears with its target file, or not at all.
  const std::string unborn = StrCat("new-", id);
  if (mkdirat(staging_->folder(), unborn.c_str(), 0777) != 0) {
    return files::FromErrno(errno, "make upload");
  }
  const files::Fd folder = files::OpenBeneath(
      staging_->folder(), unborn, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  const files::Fd target =
      files::OpenBeneath(folder.get(), kTarget, O_WRONLY | O_CREAT | O_EXCL);
  absl::Status status =
      target.ok()
          ? files::WriteAll(target.get(), StrCat(parts, "\n", path.canonical()))
          : files::FromErrno(errno, "make upload");
  if (status.ok() && renameat(staging_->folder(), unborn.c_str(),
                              staging_->folder(), name.c_str()) != 0) {
    status = files::FromErrno(errno, "make upload");
  }
  if (status.ok()) return id;
  staging_->Discard(staging_->folder(), unborn).IgnoreError();
  return status;
}

absl::StatusOr<Multipart::Upload> Multipart::Find(
    const ArtifactPath& path, std::string_view upload_id) const {
  if (upload_id.size() != kIdLength || !IsHex(upload_id)) {
    return NoSuchUpload();
  }
  Upload upload;
  upload.name = StrCat(kPrefix, upload_id);
  upload.folder = files::OpenBeneath(staging_->folder(), upload.name,
                                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!upload.folder.ok()) return NoSuchUpload();
  const files::Fd target =
      files::OpenBeneath(upload.folder.get(), kTarget, O_RDONLY);
  if (!target.ok()) return NoSuchUpload();
  ASSIGN_OR_RETURN(const std::string text,
                   ReadAt(target.get(), 0, limits::kArtifactPathBytesMax + 32));
  const size_t line = text.find('\n');
  if (line == std::string::npos ||
      !absl::SimpleAtoi(text.substr(0, line), &upload.parts) ||
      text.substr(line + 1) != path.canonical()) {
    return NoSuchUpload();
  }
  return upload;
}

absl::StatusOr<std::unique_ptr<ArtifactPart>> Multipart::CreatePart(
    const ArtifactPath& path, std::string_view upload_id, int64_t number) {
  ASSIGN_OR_RETURN(Upload upload, Find(path, upload_id));
  if (number < 1 || number > upload.parts) {
    return InvalidParameter("part_number must be 1 to ", upload.parts, ", not ",
                            number, ".");
  }
  absl::StatusOr<std::unique_ptr<StagedFile>> file =
      StagedFile::Make(upload.folder.get(), "sent-");
  if (absl::IsNotFound(file.status())) return NoSuchUpload();
  RETURN_IF_ERROR(file.status());
  return std::make_unique<PartSink>(std::move(upload.folder), *std::move(file),
                                    number, files::RandomName());
}

absl::Status Multipart::Complete(const ArtifactPath& path,
                                 std::string_view upload_id,
                                 std::span<const ArtifactPartName> parts) {
  ASSIGN_OR_RETURN(const Upload upload, Find(path, upload_id));
  if (static_cast<int64_t>(parts.size()) != upload.parts) {
    return InvalidParameter("The upload has ", upload.parts,
                            " parts; name each of them, not ", parts.size(),
                            ".");
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].number != static_cast<int64_t>(i) + 1) {
      return InvalidParameter("Name the parts in order: ", i + 1,
                              " is due where ", parts[i].number, " is.");
    }
  }
  ASSIGN_OR_RETURN(std::unique_ptr<StagedFile> file, staging_->NewFile());
  for (const ArtifactPartName& part : parts) {
    RETURN_IF_ERROR(AppendPart(upload.folder.get(), part, file->fd()));
  }
  RETURN_IF_ERROR(staging_->Publish(file.get(), path));
  return staging_->Discard(staging_->folder(), upload.name);
}

absl::Status Multipart::Abort(const ArtifactPath& path,
                              std::string_view upload_id) {
  ASSIGN_OR_RETURN(const Upload upload, Find(path, upload_id));
  return staging_->Discard(staging_->folder(), upload.name);
}

}  // namespace millstream::storage
