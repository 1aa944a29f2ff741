#include "storage/s3/part_buffer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace millstream::storage {
namespace {

constexpr int64_t kBlockBytes = 256 * 1024;

absl::Status NoRoom() {
  LogError("Cannot keep an upload in the folder of temporary files (TMPDIR): ",
           std::strerror(errno));
  return MakeError(v1::IO_ERROR,
                   "The server has no room for uploads of that size.");
}

}  // namespace

PartBuffer::PartBuffer(MemoryBudget* budget, std::string folder)
    : folder_(std::move(folder)), share_(budget) {}

PartBuffer::~PartBuffer() {
  if (file_ >= 0) close(file_);
}

void PartBuffer::Clear() {
  size_ = 0;
  in_file_ = false;
  // What a large part took is given back.
  if (file_ >= 0 && ftruncate(file_, 0) != 0) {
    close(file_);
    file_ = -1;
  }
}

absl::Status PartBuffer::Append(std::string_view data) {
  if (!in_file_) {
    if (AppendToMemory(data)) return absl::OkStatus();
    RETURN_IF_ERROR(MoveToFile());
  }
  return AppendToFile(data);
}

bool PartBuffer::AppendToMemory(std::string_view data) {
  const int64_t end = size_ + static_cast<int64_t>(data.size());
  if (end > limits::kS3PartMemoryBytesMax) return false;
  const size_t blocks = (end + kBlockBytes - 1) / kBlockBytes;
  if (blocks > blocks_.size()) {
    if (!share_.Resize(blocks * kBlockBytes)) return false;
    while (blocks_.size() < blocks) {
      blocks_.push_back(std::make_unique_for_overwrite<char[]>(kBlockBytes));
    }
  }
  while (!data.empty()) {
    const int64_t at = size_ % kBlockBytes;
    const size_t count =
        std::min<size_t>(data.size(), static_cast<size_t>(kBlockBytes - at));
    std::memcpy(blocks_[size_ / kBlockBytes].get() + at, data.data(), count);
    size_ += static_cast<int64_t>(count);
    data.remove_prefix(count);
  }
  return true;
}

absl::Status PartBuffer::MoveToFile() {
  if (file_ < 0) {
    file_ = open(folder_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file_ < 0) {
      // Not every file system has files without a name.
      std::string path = folder_ + "/millstream-upload-XXXXXX";
      file_ = mkostemp(path.data(), O_CLOEXEC);
      if (file_ < 0) return NoRoom();
      unlink(path.c_str());
    }
  }
  in_file_ = true;
  const int64_t held = std::exchange(size_, 0);
  for (int64_t at = 0; at < held; at += kBlockBytes) {
    RETURN_IF_ERROR(
        AppendToFile({blocks_[at / kBlockBytes].get(),
                      static_cast<size_t>(std::min(kBlockBytes, held - at))}));
  }
  blocks_.clear();
  share_.Resize(0);
  return absl::OkStatus();
}

absl::Status PartBuffer::AppendToFile(std::string_view data) {
  while (!data.empty()) {
    const ssize_t count = pwrite(file_, data.data(), data.size(), size_);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return NoRoom();
    size_ += count;
    data.remove_prefix(count);
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> PartBuffer::ReadAt(int64_t offset,
                                          std::span<char> buffer) {
  const size_t wanted = static_cast<size_t>(
      std::min<int64_t>(static_cast<int64_t>(buffer.size()),
                        std::max<int64_t>(size_ - offset, 0)));
  if (wanted == 0) return 0;
  if (in_file_) {
    ssize_t count;
    do {
      count = pread(file_, buffer.data(), wanted, offset);
    } while (count < 0 && errno == EINTR);
    if (count <= 0) return absl::InternalError("a temporary file is lost");
    return static_cast<size_t>(count);
  }
  const int64_t at = offset % kBlockBytes;
  const size_t count =
      std::min<size_t>(wanted, static_cast<size_t>(kBlockBytes - at));
  std::memcpy(buffer.data(), blocks_[offset / kBlockBytes].get() + at, count);
  return count;
}

}  // namespace millstream::storage
