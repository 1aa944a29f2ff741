#include "storage/sqlite/page_checksums.h"

#include <sqlite3.h>
#include <xxhash.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <vector>

#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::storage::sqlite {
namespace {

constexpr char kName[] = "millstream-page-checksums";
constexpr int kChecksumBytes = sizeof(XXH64_canonical_t);

// As https://sqlite.org/fileformat2.html#the_database_header has it.
constexpr std::string_view kMagic("SQLite format 3\0", 16);
constexpr int kHeaderBytes = 100;
constexpr int kPageBytesAt = 16;
constexpr int kReservedAt = 20;
constexpr int kPageCountAt = 28;
constexpr int kPageBytesMin = 512;
constexpr int kPageBytesMax = 65536;
// The page with this byte is never used.
constexpr int64_t kPendingByte = 0x40000000;

// Pages whose checksums tell that a header is wrong which denies them.
constexpr int kWitnesses = 4;
// ReadAllPages calls on_page so often.
constexpr int64_t kPagesPerCall = 1024;
// Our own file control: sets an int to whether there are checksums. Those of
// SQLite are below 100.
constexpr int kAskChecksums = 0x6d73;
// SQLite from 3.48 on asks whether parts of pages may be read.
constexpr int kCapSubpageRead = 0x00008000;

// A database file. SQLite lets one thread at a time use it. The disk's own
// sqlite3_file is behind it.
struct PageFile {
  sqlite3_file base;  // first: SQLite knows this
  bool has_checksums = true;
  int buffer_bytes = 0;
  // A page on its way to the disk.
  std::unique_ptr<uint8_t[]> buffer;
};

PageFile& Ours(sqlite3_file* file) {
  return *reinterpret_cast<PageFile*>(file);
}

sqlite3_file* Disk(sqlite3_file* file) {
  return reinterpret_cast<sqlite3_file*>(&Ours(file) + 1);
}

thread_local int64_t damaged_page = 0;

uint32_t BigEndian(const uint8_t* at) {
  return uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 |
         uint32_t{at[3]};
}

// Whole pages are all that SQLite reads and writes but for parts of the header,
// which are smaller.
bool IsPage(int bytes, int64_t at) {
  return bytes >= kPageBytesMin && (bytes & (bytes - 1)) == 0 &&
         at % bytes == 0;
}

int64_t NumberOf(int bytes, int64_t at) { return at / bytes + 1; }

XXH64_canonical_t Checksum(const uint8_t* page, int bytes, int64_t number) {
  XXH64_canonical_t checksum;
  XXH64_canonicalFromHash(
      &checksum, XXH3_64bits_withSeed(page, bytes - kChecksumBytes,
                                      static_cast<XXH64_hash_t>(number)));
  return checksum;
}

bool IsWhole(const uint8_t* page, int bytes, int64_t number) {
  const XXH64_canonical_t checksum = Checksum(page, bytes, number);
  return std::memcmp(page + bytes - kChecksumBytes, &checksum,
                     kChecksumBytes) == 0;
}

int Damaged(int64_t number) {
  damaged_page = number;
  return SQLITE_IOERR_DATA;
}

int ReadDisk(sqlite3_file* file, void* data, int bytes, int64_t at) {
  sqlite3_file* const disk = Disk(file);
  return disk->pMethods->xRead(disk, data, bytes, at);
}

int Read(sqlite3_file* file, void* data, int bytes, sqlite3_int64 at) {
  const int code = ReadDisk(file, data, bytes, at);
  if (!Ours(file).has_checksums || !IsPage(bytes, at)) return code;
  const int64_t number = NumberOf(bytes, at);
  if (code == SQLITE_IOERR_SHORT_READ) {
    // SQLite takes what is not there for zeros. It looks behind the end only
    // for pages of a transaction that it takes back.
    uint8_t count[4];
    const bool is_lost = ReadDisk(file, count, sizeof(count), kPageCountAt) ==
                             SQLITE_OK &&
                         number <= BigEndian(count);
    return is_lost ? Damaged(number) : code;
  }
  if (code != SQLITE_OK) return code;
  const auto* const page = static_cast<const uint8_t*>(data);
  return IsWhole(page, bytes, number) ? SQLITE_OK : Damaged(number);
}

int Write(sqlite3_file* file, const void* data, int bytes, sqlite3_int64 at) {
  PageFile& ours = Ours(file);
  sqlite3_file* const disk = Disk(file);
  if (!IsPage(bytes, at)) return disk->pMethods->xWrite(disk, data, bytes, at);
  const auto* const page = static_cast<const uint8_t*>(data);
  if (at == 0) {
    const bool reserves = page[kReservedAt] == kChecksumBytes;
    // Pages that came before this one may have lost their last bytes.
    if (ours.has_checksums && !reserves) return SQLITE_IOERR_WRITE;
    ours.has_checksums = reserves;
  }
  if (!ours.has_checksums) return disk->pMethods->xWrite(disk, page, bytes, at);
  if (ours.buffer_bytes < bytes) {
    ours.buffer.reset(new (std::nothrow) uint8_t[bytes]);
    ours.buffer_bytes = ours.buffer == nullptr ? 0 : bytes;
    if (ours.buffer == nullptr) return SQLITE_IOERR_NOMEM;
  }
  uint8_t* const copy = ours.buffer.get();
  std::memcpy(copy, page, bytes - kChecksumBytes);
  const XXH64_canonical_t checksum =
      Checksum(copy, bytes, NumberOf(bytes, at));
  std::memcpy(copy + bytes - kChecksumBytes, &checksum, kChecksumBytes);
  return disk->pMethods->xWrite(disk, copy, bytes, at);
}

// Whether one of the first pages has a checksum of what it holds, or the first
// one would if its header were right.
bool HasWitness(sqlite3_file* file, int page_bytes) {
  std::vector<uint8_t> page(page_bytes);
  for (int number = 1; number <= kWitnesses; ++number) {
    const int64_t at = int64_t{page_bytes} * (number - 1);
    if (ReadDisk(file, page.data(), page_bytes, at) != SQLITE_OK) return false;
    if (number == 1) page[kReservedAt] = kChecksumBytes;
    if (IsWhole(page.data(), page_bytes, number)) return true;
  }
  return false;
}

// Sets whether a file that was just opened has checksums.
int LookAtHeader(sqlite3_file* file) {
  Ours(file).has_checksums = true;
  sqlite3_int64 size = 0;
  sqlite3_file* const disk = Disk(file);
  int code = disk->pMethods->xFileSize(disk, &size);
  if (code != SQLITE_OK || size == 0) return code;
  uint8_t header[kHeaderBytes];
  code = ReadDisk(file, header, kHeaderBytes, 0);
  if (code == SQLITE_IOERR_SHORT_READ) return SQLITE_OK;
  if (code != SQLITE_OK) return code;
  // A header that cannot be right is not believed.
  if (std::memcmp(header, kMagic.data(), kMagic.size()) != 0) return SQLITE_OK;
  int page_bytes = header[kPageBytesAt] << 8 | header[kPageBytesAt + 1];
  if (page_bytes == 1) page_bytes = kPageBytesMax;
  if (header[kReservedAt] != 0 || !IsPage(page_bytes, 0)) return SQLITE_OK;
  Ours(file).has_checksums = HasWitness(file, page_bytes);
  return SQLITE_OK;
}

// The disk's own method.
template <auto kMethod>
struct Passed;
template <typename Result, typename... Args,
          Result (*sqlite3_io_methods::*kMethod)(sqlite3_file*, Args...)>
struct Passed<kMethod> {
  static Result Call(sqlite3_file* file, Args... args) {
    sqlite3_file* const disk = Disk(file);
    return (disk->pMethods->*kMethod)(disk, args...);
  }
};

int Close(sqlite3_file* file) {
  sqlite3_file* const disk = Disk(file);
  const int code = disk->pMethods->xClose(disk);
  Ours(file).~PageFile();
  return code;
}

int FileControl(sqlite3_file* file, int op, void* arg) {
  if (op == kAskChecksums) {
    *static_cast<int*>(arg) = Ours(file).has_checksums ? 1 : 0;
    return SQLITE_OK;
  }
  return Passed<&sqlite3_io_methods::xFileControl>::Call(file, op, arg);
}

int DeviceCharacteristics(sqlite3_file* file) {
  return Passed<&sqlite3_io_methods::xDeviceCharacteristics>::Call(file) &
         ~kCapSubpageRead;
}

using Io = sqlite3_io_methods;

constexpr Io kMethods = {
    // Later versions have xFetch, which maps pages into memory.
    .iVersion = 2,
    .xClose = Close,
    .xRead = Read,
    .xWrite = Write,
    .xTruncate = Passed<&Io::xTruncate>::Call,
    .xSync = Passed<&Io::xSync>::Call,
    .xFileSize = Passed<&Io::xFileSize>::Call,
    .xLock = Passed<&Io::xLock>::Call,
    .xUnlock = Passed<&Io::xUnlock>::Call,
    .xCheckReservedLock = Passed<&Io::xCheckReservedLock>::Call,
    .xFileControl = FileControl,
    .xSectorSize = Passed<&Io::xSectorSize>::Call,
    .xDeviceCharacteristics = DeviceCharacteristics,
    .xShmMap = Passed<&Io::xShmMap>::Call,
    .xShmLock = Passed<&Io::xShmLock>::Call,
    .xShmBarrier = Passed<&Io::xShmBarrier>::Call,
    .xShmUnmap = Passed<&Io::xShmUnmap>::Call,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags,
         int* out_flags) {
  // Asked for each time: tests put a disk that fails there.
  sqlite3_vfs* const vfs = sqlite3_vfs_find(nullptr);
  if ((flags & SQLITE_OPEN_MAIN_DB) == 0) {
    return vfs->xOpen(vfs, name, file, flags, out_flags);
  }
  new (file) PageFile;
  file->pMethods = nullptr;
  sqlite3_file* const disk = Disk(file);
  disk->pMethods = nullptr;
  int code = vfs->xOpen(vfs, name, disk, flags, out_flags);
  if (code == SQLITE_OK) {
    code = disk->pMethods->iVersion < kMethods.iVersion ? SQLITE_CANTOPEN
                                                        : LookAtHeader(file);
  }
  if (code == SQLITE_OK) {
    file->pMethods = &kMethods;
    return SQLITE_OK;
  }
  if (disk->pMethods != nullptr) disk->pMethods->xClose(disk);
  Ours(file).~PageFile();
  return code;
}

sqlite3_vfs* Register() {
  static sqlite3_vfs vfs = *sqlite3_vfs_find(nullptr);
  vfs.zName = kName;
  vfs.pNext = nullptr;
  vfs.xOpen = Open;
  vfs.szOsFile += static_cast<int>(sizeof(PageFile));
  sqlite3_vfs_register(&vfs, /*makeDflt=*/0);
  return &vfs;
}

}  // namespace

const char* PageChecksumVfs() {
  static const sqlite3_vfs* const kVfs = Register();
  return kVfs->zName;
}

void ReserveForChecksums(sqlite3* db) {
  int bytes = kChecksumBytes;
  sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &bytes);
}

bool HasChecksums(sqlite3* db) {
  int has = 0;
  sqlite3_file_control(db, "main", kAskChecksums, &has);
  return has != 0;
}

int64_t DamagedPage() { return damaged_page; }

absl::Status ReadAllPages(sqlite3* db,
                          absl::FunctionRef<absl::Status()> on_page,
                          absl::FunctionRef<void(int64_t)> on_damage) {
  if (!HasChecksums(db)) return absl::OkStatus();
  sqlite3_file* file = nullptr;
  sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  uint8_t header[kHeaderBytes];
  sqlite3_int64 size = 0;
  int code = file->pMethods->xFileSize(file, &size);
  if (code == SQLITE_OK) code = ReadDisk(file, header, kHeaderBytes, 0);
  int page_bytes = header[kPageBytesAt] << 8 | header[kPageBytesAt + 1];
  if (page_bytes == 1) page_bytes = kPageBytesMax;
  if (code != SQLITE_OK || !IsPage(page_bytes, 0)) {
    return absl::UnavailableError("its header cannot be read");
  }
  std::vector<uint8_t> page(page_bytes);
  const int64_t pages = (size + page_bytes - 1) / page_bytes;
  for (int64_t number = 1; number <= pages; ++number) {
    if (number % kPagesPerCall == 0) RETURN_IF_ERROR(on_page());
    if (number == NumberOf(page_bytes, kPendingByte)) continue;
    code = Read(file, page.data(), page_bytes, (number - 1) * page_bytes);
    if (code == SQLITE_IOERR_DATA) {
      on_damage(number);
    } else if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ) {
      return absl::UnavailableError(
          StrCat("page ", number, " cannot be read (", code, ")"));
    }
  }
  return absl::OkStatus();
}

}  // namespace millstream::storage::sqlite
