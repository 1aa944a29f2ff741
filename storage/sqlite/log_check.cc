#include "storage/sqlite/log_check.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::storage::sqlite {
namespace {

// As https://sqlite.org/fileformat2.html#the_write_ahead_log has it. Numbers
// are big-endian but for the words that are summed up, of which the header
// says.
constexpr size_t kHeaderBytes = 32;
constexpr size_t kFrameHeaderBytes = 24;
constexpr uint32_t kMagic = 0x377f0682;  // or 1 more: big-endian words
constexpr uint32_t kPageBytesMin = 512;
constexpr uint32_t kPageBytesMax = 65536;

uint32_t BigEndian(const uint8_t* at) {
  return uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 |
         uint32_t{at[3]};
}

uint32_t LittleEndian(const uint8_t* at) {
  return uint32_t{at[3]} << 24 | uint32_t{at[2]} << 16 | uint32_t{at[1]} << 8 |
         uint32_t{at[0]};
}

// A running sum over words of 32 bits, in pairs.
class Checksum {
 public:
  explicit Checksum(bool big_endian) : big_endian_(big_endian) {}

  void Add(const uint8_t* data, size_t size) {
    for (const uint8_t* at = data; at < data + size; at += 8) {
      first_ += Word(at) + second_;
      second_ += Word(at + 4) + first_;
    }
  }
  bool Is(const uint8_t* at) const {
    return BigEndian(at) == first_ && BigEndian(at + 4) == second_;
  }

 private:
  uint32_t Word(const uint8_t* at) const {
    return big_endian_ ? BigEndian(at) : LittleEndian(at);
  }

  const bool big_endian_;
  uint32_t first_ = 0;
  uint32_t second_ = 0;
};

class LogFile {
 public:
  explicit LogFile(const std::string& path)
      : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)), error_(errno) {}
  ~LogFile() {
    if (fd_ >= 0) close(fd_);
  }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  bool is_there() const { return fd_ >= 0 || error_ != ENOENT; }

  // Reads the next `size` bytes; false: there are not as many.
  absl::StatusOr<bool> Read(uint8_t* data, size_t size) {
    size_t have = 0;
    while (have < size) {
      const ssize_t n = fd_ < 0 ? -1 : read(fd_, data + have, size - have);
      if (n < 0 && fd_ >= 0 && errno == EINTR) continue;
      if (n < 0) {
        return absl::UnavailableError(
            StrCat("the log cannot be read: ",
                   std::strerror(fd_ < 0 ? error_ : errno)));
      }
      if (n == 0) return false;
      have += static_cast<size_t>(n);
    }
    return true;
  }

 private:
  const int fd_;
  const int error_;
};

bool IsPageSize(uint32_t size) {
  return size >= kPageBytesMin && size <= kPageBytesMax &&
         (size & (size - 1)) == 0;
}

}  // namespace

absl::StatusOr<LogCheck> CheckLog(const std::string& path) {
  LogCheck check;
  LogFile file(StrCat(path, "-wal"));
  if (!file.is_there()) return check;
  uint8_t header[kHeaderBytes];
  ASSIGN_OR_RETURN(bool more, file.Read(header, sizeof(header)));
  if (!more) return check;
  const uint32_t magic = BigEndian(header);
  const uint32_t page_bytes = BigEndian(header + 8);
  Checksum sum(magic == kMagic + 1);
  sum.Add(header, kHeaderBytes - 8);
  if ((magic & ~1u) != kMagic || !IsPageSize(page_bytes) ||
      !sum.Is(header + kHeaderBytes - 8)) {
    // It is on the disk before anything follows it. Zeros were never written.
    const bool zero = std::all_of(header, header + kHeaderBytes,
                                  [](uint8_t byte) { return byte == 0; });
    uint8_t frame[kFrameHeaderBytes + kPageBytesMin];
    ASSIGN_OR_RETURN(more, file.Read(frame, sizeof(frame)));
    check.header_damaged = more && !zero;
    return check;
  }
  std::vector<uint8_t> frame(kFrameHeaderBytes + page_bytes);
  bool ended = false;
  while (true) {
    ASSIGN_OR_RETURN(more, file.Read(frame.data(), frame.size()));
    if (!more) return check;
    // Those of an earlier generation have other salts.
    const bool current = std::memcmp(&frame[8], header + 16, 8) == 0;
    if (!ended) {
      sum.Add(&frame[0], 8);
      sum.Add(&frame[kFrameHeaderBytes], page_bytes);
      ended = !current || BigEndian(&frame[0]) == 0 || !sum.Is(&frame[16]);
    }
    if (!ended) {
      ++check.frames;
    } else if (current && BigEndian(&frame[4]) != 0) {
      ++check.commits_behind;
    }
  }
}

}  // namespace millstream::storage::sqlite
