// A disk that fails as it is told: a library that is loaded before libc
// (LD_PRELOAD) and stands between a program and its files below one folder.
//
//   FAULTY_DISK_ROOT     the folder, absolute and without links in its name
//   FAULTY_DISK_CONTROL  a file that holds a Control, mapped by both sides: who
//                        writes to it changes what the disk does at once
//   FAULTY_DISK_JOURNAL  a folder on the same file system, where a file
//                        "journal" says how to take back what was not synced
//
// Nothing is forced to the real disk: this one is the disk, and the journal
// knows what it has promised. What C's own stdio writes or reads is not seen.
// One operation at a time changes files, so the journal has one order.
//
// Thread-safe.
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

// --- What both sides know (faulty_disk.py has the same numbers).

enum Event {
  kCreate = 1,
  kWrite = 2,
  kSync = 4,
  kRead = 8,
  kRename = 16,
  kUnlink = 32,
  kTruncate = 64,
};

enum Action {
  kNote = 0,        // nothing; it is counted
  kKillBefore = 1,  // the process ends, as by kill -9
  kKillAfter = 2,
  kKillAmid = 3,  // after half of a write
  kFail = 4,      // with `error`; nothing is done
  kShort = 5,     // half of a write is done
  kLie = 6,       // a sync says that it did it
};

// Acts on the events that match, but the first `skip` of them, `times` times; 0
// is for ever.
struct Rule {
  uint64_t active;
  uint64_t events;
  uint64_t action;
  uint64_t error;
  uint64_t skip;
  uint64_t times;
  uint64_t seen;
  uint64_t acted;
  // As in fnmatch(3), of paths below the folder; the folder itself is ".".
  char pattern[64];
};

enum { kRules = 16 };

struct Control {
  // Bytes that files may still grow by; negative: no end.
  int64_t space;
  // Whether the journal is written.
  uint64_t keep_journal;
  uint64_t reserved[14];
  struct Rule rules[kRules];
};

// The journal: records, each with its payload behind it.
enum Kind {
  kWrote = 1,      // payload: what was there before
  kResized = 2,    // payload: what was cut off
  kSynced = 3,     // file or folder `inode`
  kCreated = 4,    // payload: path
  kRenamed = 5,    // payload: path, 0, path
  kUnlinked = 6,   // payload: path
  kSyncedAll = 7,  // every file and folder
};

struct Record {
  uint32_t magic;
  uint32_t kind;
  uint64_t inode;
  uint64_t folder;     // that the name is or was in
  uint64_t to_folder;  // of a rename
  uint64_t offset;     // of a write; the new size
  uint64_t length;     // of a write
  uint64_t size;       // before
  uint64_t grave;      // name, in the journal's folder, of the file that lost
                       // its name; 0: none
  uint64_t payload;
};

enum { kMagic = 0x4b534944 };

// --- State, constant after Start but for what mutex guards.

static pthread_once_t started = PTHREAD_ONCE_INIT;
static struct Control* control;  // null: this process is left alone
static char root[PATH_MAX];
static size_t root_length;
static char journal_folder[PATH_MAX];
static int journal = -1;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t graves;

// The function of that name behind us.
#define REAL(name)                                                     \
  ({                                                                   \
    static __typeof__(&name) real_function;                            \
    if (real_function == NULL) {                                       \
      real_function = (__typeof__(&name))dlsym(RTLD_NEXT, #name);      \
    }                                                                  \
    real_function;                                                     \
  })

static void Die(const char* why) {
  dprintf(STDERR_FILENO, "faulty disk: %s: %s\n", why, strerror(errno));
  abort();
}

static void Start(void) {
  const char* folder = getenv("FAULTY_DISK_ROOT");
  const char* file = getenv("FAULTY_DISK_CONTROL");
  const char* keep = getenv("FAULTY_DISK_JOURNAL");
  if (folder == NULL || file == NULL || keep == NULL) return;
  snprintf(root, sizeof(root), "%s", folder);
  root_length = strlen(root);
  snprintf(journal_folder, sizeof(journal_folder), "%s", keep);
  char path[PATH_MAX + 16];
  snprintf(path, sizeof(path), "%s/journal", journal_folder);
  journal = REAL(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (journal < 0) Die(path);
  const int shared = REAL(open)(file, O_RDWR | O_CLOEXEC);
  if (shared < 0) Die(file);
  void* mapped = mmap(NULL, sizeof(struct Control), PROT_READ | PROT_WRITE,
                      MAP_SHARED, shared, 0);
  if (mapped == MAP_FAILED) Die(file);
  close(shared);
  // Names that no other process of this disk has given.
  graves = (uint64_t)getpid() << 32;
  control = mapped;
}

static int Watching(void) {
  pthread_once(&started, Start);
  return control != NULL;
}

__attribute__((noreturn)) static void KillProcess(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

// --- Names.

// The path below the folder, or null if it is elsewhere.
static const char* Below(const char* path) {
  if (strncmp(path, root, root_length) != 0) return NULL;
  if (path[root_length] == '\0') return ".";
  if (path[root_length] != '/') return NULL;
  return path + root_length + 1;
}

// That of an open file; `buffer` has PATH_MAX bytes.
static const char* BelowOf(int fd, char* buffer) {
  char link[64];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  const ssize_t size = readlink(link, buffer, PATH_MAX - 1);
  if (size <= 0) return NULL;
  buffer[size] = '\0';
  return Below(buffer);
}

static const char* BelowAt(int folder, const char* path, char* buffer) {
  if (path == NULL) return NULL;
  if (path[0] == '/') {
    snprintf(buffer, PATH_MAX, "%s", path);
    return Below(buffer);
  }
  if (folder == AT_FDCWD) {
    if (getcwd(buffer, PATH_MAX) == NULL) return NULL;
  } else {
    char link[64];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", folder);
    const ssize_t size = readlink(link, buffer, PATH_MAX - 1);
    if (size <= 0) return NULL;
    buffer[size] = '\0';
  }
  const size_t length = strlen(buffer);
  snprintf(buffer + length, PATH_MAX - length, "/%s", path);
  return Below(buffer);
}

// Memory that processes share, no data.
static int IsShared(const char* below) {
  const size_t length = strlen(below);
  return length > 4 && strcmp(below + length - 4, "-shm") == 0;
}

static uint64_t InodeOf(int folder, const char* path) {
  struct stat file;
  if (fstatat(folder, path, &file, AT_SYMLINK_NOFOLLOW) != 0) return 0;
  return file.st_ino;
}

// The inode of the folder that holds the name.
static uint64_t FolderOf(int folder, const char* path) {
  char parent[PATH_MAX];
  snprintf(parent, sizeof(parent), "%s", path);
  char* slash = strrchr(parent, '/');
  if (slash == NULL) {
    snprintf(parent, sizeof(parent), ".");
  } else if (slash == parent) {
    parent[1] = '\0';
  } else {
    *slash = '\0';
  }
  struct stat file;
  if (fstatat(folder, parent, &file, 0) != 0) return 0;
  return file.st_ino;
}

// --- Rules.

// The rule that acts on this event, or null.
static struct Rule* Match(enum Event event, const char* below) {
  for (int i = 0; i < kRules; ++i) {
    struct Rule* rule = &control->rules[i];
    if (!__atomic_load_n(&rule->active, __ATOMIC_ACQUIRE)) continue;
    if (!(rule->events & event)) continue;
    if (fnmatch(rule->pattern, below, 0) != 0) continue;
    const uint64_t seen = __atomic_fetch_add(&rule->seen, 1, __ATOMIC_ACQ_REL);
    if (rule->action == kNote || seen < rule->skip) continue;
    if (rule->times != 0 && seen - rule->skip >= rule->times) continue;
    __atomic_fetch_add(&rule->acted, 1, __ATOMIC_ACQ_REL);
    return rule;
  }
  return NULL;
}

static int IsWanted(enum Event event) {
  for (int i = 0; i < kRules; ++i) {
    const struct Rule* rule = &control->rules[i];
    if (__atomic_load_n(&rule->active, __ATOMIC_ACQUIRE) &&
        (rule->events & event)) {
      return 1;
    }
  }
  return 0;
}

static int Is(const struct Rule* rule, enum Action action) {
  return rule != NULL && rule->action == (uint64_t)action;
}

// What happens before an operation: 0, or -1 with errno if it fails.
static int Before(const struct Rule* rule) {
  if (Is(rule, kKillBefore)) KillProcess();
  if (!Is(rule, kFail)) return 0;
  errno = (int)rule->error;
  return -1;
}

static void After(const struct Rule* rule) {
  if (Is(rule, kKillAfter)) KillProcess();
}

// --- The journal. REQUIRES: mutex is held.

static void Keep(const void* data, size_t size) {
  const char* next = data;
  while (size > 0) {
    const ssize_t n = REAL(write)(journal, next, size);
    if (n < 0 && errno != EINTR) Die("journal");
    if (n < 0) continue;
    next += n;
    size -= (size_t)n;
  }
}

static int IsKept(void) {
  return __atomic_load_n(&control->keep_journal, __ATOMIC_ACQUIRE) != 0;
}

static void KeepRecord(struct Record record, const void* payload) {
  if (!IsKept()) return;
  const int error = errno;
  record.magic = kMagic;
  Keep(&record, sizeof(record));
  if (payload != NULL) Keep(payload, record.payload);
  errno = error;
}

// A record whose payload are bytes of the file, as they are now.
static void KeepBytes(int fd, struct Record record, uint64_t from,
                      uint64_t until) {
  if (!IsKept()) return;
  const int error = errno;
  record.magic = kMagic;
  record.payload = until > from ? until - from : 0;
  // The one that we were given may be open for writing only.
  int reader = -1;
  if (record.payload != 0) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    reader = REAL(open)(path, O_RDONLY | O_CLOEXEC);
    if (reader < 0) Die("reading what is overwritten");
  }
  Keep(&record, sizeof(record));
  char buffer[16384];
  while (from < until) {
    const size_t want =
        until - from < sizeof(buffer) ? until - from : sizeof(buffer);
    const ssize_t n = REAL(pread)(reader, buffer, want, (off_t)from);
    if (n <= 0) Die("reading what is overwritten");
    Keep(buffer, (size_t)n);
    from += (uint64_t)n;
  }
  if (reader >= 0) close(reader);
  errno = error;
}

// Gives a file that is to lose its name another one, by which it is found.
static uint64_t Bury(int folder, const char* path) {
  if (!IsKept()) return 0;
  char grave[PATH_MAX + 32];
  snprintf(grave, sizeof(grave), "%s/%llu", journal_folder,
           (unsigned long long)++graves);
  const int error = errno;
  const int buried = linkat(folder, path, AT_FDCWD, grave, 0);
  errno = error;
  return buried == 0 ? graves : 0;
}

// --- Opening and making.

struct Opening {
  const char* below;
  struct Rule* rule;
  int is_new;
};

// What happens before a file is opened or a folder made. -1: it fails.
static int BeginOpen(struct Opening* opening, int folder, const char* path,
                     int flags, char* buffer) {
  opening->below = NULL;
  if (!(flags & (O_CREAT | O_TRUNC)) || !Watching()) return 0;
  const int error = errno;
  const char* below = BelowAt(folder, path, buffer);
  if (below == NULL) {
    errno = error;
    return 0;
  }
  pthread_mutex_lock(&mutex);
  opening->below = below;
  opening->rule = NULL;
  struct stat file;
  opening->is_new = fstatat(folder, path, &file, 0) != 0;
  if (opening->is_new) {
    opening->rule = Match(kCreate, below);
    int failed = Before(opening->rule);
    if (!failed && control->space == 0) {
      errno = ENOSPC;
      failed = -1;
    }
    if (failed) {
      pthread_mutex_unlock(&mutex);
      return -1;
    }
  } else if ((flags & O_TRUNC) && S_ISREG(file.st_mode) && file.st_size > 0) {
    const int fd = REAL(openat)(folder, path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
      KeepBytes(fd,
                (struct Record){.kind = kResized,
                                .inode = file.st_ino,
                                .size = (uint64_t)file.st_size},
                0, (uint64_t)file.st_size);
      close(fd);
    }
  }
  errno = error;
  return 0;
}

static void EndOpen(const struct Opening* opening, int folder,
                    const char* path, int result) {
  if (opening->below == NULL) return;
  const int error = errno;
  // The name of the root is in a folder whose syncs are not seen here.
  if (opening->is_new && result >= 0 && !IsShared(opening->below) &&
      strcmp(opening->below, ".") != 0) {
    KeepRecord((struct Record){.kind = kCreated,
                               .inode = InodeOf(folder, path),
                               .folder = FolderOf(folder, path),
                               .payload = strlen(opening->below)},
               opening->below);
  }
  if (opening->is_new && result >= 0) After(opening->rule);
  pthread_mutex_unlock(&mutex);
  errno = error;
}

static int Open(int folder, const char* path, int flags, mode_t mode) {
  char buffer[PATH_MAX];
  struct Opening opening;
  if (BeginOpen(&opening, folder, path, flags, buffer) != 0) return -1;
  const int fd = REAL(openat)(folder, path, flags, mode);
  EndOpen(&opening, folder, path, fd);
  return fd;
}

static mode_t ModeOf(int flags, va_list arguments) {
  const int makes = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
  return makes ? va_arg(arguments, mode_t) : 0;
}

#define OPEN_WITH_MODE(folder, path, flags)                            \
  va_list arguments;                                                   \
  va_start(arguments, flags);                                          \
  const mode_t mode = ModeOf(flags, arguments);                        \
  va_end(arguments);                                                   \
  return Open(folder, path, flags, mode)

int open(const char* path, int flags, ...) {
  OPEN_WITH_MODE(AT_FDCWD, path, flags);
}
int open64(const char* path, int flags, ...) {
  OPEN_WITH_MODE(AT_FDCWD, path, flags);
}
int openat(int folder, const char* path, int flags, ...) {
  OPEN_WITH_MODE(folder, path, flags);
}
int openat64(int folder, const char* path, int flags, ...) {
  OPEN_WITH_MODE(folder, path, flags);
}
int creat(const char* path, mode_t mode) {
  return Open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
// What headers make of calls without a mode.
int __open_2(const char* path, int flags) {
  return Open(AT_FDCWD, path, flags, 0);
}
int __open64_2(const char* path, int flags) {
  return Open(AT_FDCWD, path, flags, 0);
}
int __openat_2(int folder, const char* path, int flags) {
  return Open(folder, path, flags, 0);
}
int __openat64_2(int folder, const char* path, int flags) {
  return Open(folder, path, flags, 0);
}

int mkdirat(int folder, const char* path, mode_t mode) {
  char buffer[PATH_MAX];
  struct Opening opening;
  if (BeginOpen(&opening, folder, path, O_CREAT, buffer) != 0) return -1;
  const int result = REAL(mkdirat)(folder, path, mode);
  EndOpen(&opening, folder, path, result);
  return result;
}
int mkdir(const char* path, mode_t mode) {
  return mkdirat(AT_FDCWD, path, mode);
}

// --- Writing.

// Whether it is a file or folder below ours: then its name, in `buffer`.
static const char* Watched(int fd, struct stat* file, char* buffer) {
  if (!Watching()) return NULL;
  const int error = errno;
  const char* below = NULL;
  if (fstat(fd, file) == 0 &&
      (S_ISREG(file->st_mode) || S_ISDIR(file->st_mode))) {
    below = BelowOf(fd, buffer);
  }
  errno = error;
  return below;
}

// A write of `size` bytes at `offset`; those that are to be done, or -1 with
// errno. REQUIRES: mutex is held.
static ssize_t BeginWrite(int fd, const struct stat* file, const char* below,
                          const struct Rule* rule, uint64_t offset,
                          size_t size) {
  if (Before(rule) != 0) return -1;
  const uint64_t old_size = (uint64_t)file->st_size;
  if ((Is(rule, kShort) || Is(rule, kKillAmid)) && size > 1) size /= 2;
  const uint64_t end = offset + size;
  const int64_t grows = end > old_size ? (int64_t)(end - old_size) : 0;
  const int64_t space = control->space;
  if (space >= 0 && grows > space) {
    const uint64_t lacking = (uint64_t)(grows - space);
    if (lacking >= size) {
      errno = ENOSPC;
      return -1;
    }
    size -= lacking;
  }
  if (!IsShared(below)) {
    const uint64_t until = offset + size < old_size ? offset + size : old_size;
    KeepBytes(fd,
              (struct Record){.kind = kWrote,
                              .inode = file->st_ino,
                              .offset = offset,
                              .length = size,
                              .size = old_size},
              offset, until);
  }
  return (ssize_t)size;
}

static void EndWrite(const struct stat* file, const struct Rule* rule,
                     uint64_t offset, ssize_t done) {
  if (done < 0) return;
  const int64_t grown =
      (int64_t)offset + (int64_t)done - (int64_t)file->st_size;
  if (control->space >= 0 && grown > 0) {
    control->space = control->space > grown ? control->space - grown : 0;
  }
  if (Is(rule, kKillAmid)) KillProcess();
  After(rule);
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  char buffer[PATH_MAX];
  struct stat file;
  const char* below = Watched(fd, &file, buffer);
  if (below == NULL) return REAL(pwrite)(fd, data, size, offset);
  pthread_mutex_lock(&mutex);
  const struct Rule* rule = Match(kWrite, below);
  fstat(fd, &file);
  ssize_t done =
      BeginWrite(fd, &file, below, rule, (uint64_t)offset, size);
  if (done > 0) done = REAL(pwrite)(fd, data, (size_t)done, offset);
  EndWrite(&file, rule, (uint64_t)offset, done);
  pthread_mutex_unlock(&mutex);
  return done;
}
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  return pwrite(fd, data, size, offset);
}

ssize_t write(int fd, const void* data, size_t size) {
  char buffer[PATH_MAX];
  struct stat file;
  const char* below = Watched(fd, &file, buffer);
  if (below == NULL) return REAL(write)(fd, data, size);
  pthread_mutex_lock(&mutex);
  const struct Rule* rule = Match(kWrite, below);
  fstat(fd, &file);
  const int flags = fcntl(fd, F_GETFL);
  const off_t offset =
      flags & O_APPEND ? file.st_size : lseek(fd, 0, SEEK_CUR);
  ssize_t done =
      BeginWrite(fd, &file, below, rule, (uint64_t)offset, size);
  if (done > 0) done = REAL(write)(fd, data, (size_t)done);
  EndWrite(&file, rule, (uint64_t)offset, done);
  pthread_mutex_unlock(&mutex);
  return done;
}

// One part after the other: callers go on after a short write.
static ssize_t FirstPart(int fd, const struct iovec* parts, int count,
                         off_t offset, int at) {
  for (int i = 0; i < count; ++i) {
    if (parts[i].iov_len == 0) continue;
    return at ? pwrite(fd, parts[i].iov_base, parts[i].iov_len, offset)
              : write(fd, parts[i].iov_base, parts[i].iov_len);
  }
  return 0;
}

ssize_t writev(int fd, const struct iovec* parts, int count) {
  char buffer[PATH_MAX];
  struct stat file;
  if (Watched(fd, &file, buffer) == NULL) return REAL(writev)(fd, parts, count);
  return FirstPart(fd, parts, count, 0, 0);
}
ssize_t pwritev(int fd, const struct iovec* parts, int count, off_t offset) {
  char buffer[PATH_MAX];
  struct stat file;
  if (Watched(fd, &file, buffer) == NULL) {
    return REAL(pwritev)(fd, parts, count, offset);
  }
  return FirstPart(fd, parts, count, offset, 1);
}
ssize_t pwritev64(int fd, const struct iovec* parts, int count,
                  off64_t offset) {
  return pwritev(fd, parts, count, offset);
}

// Callers have another way then.
ssize_t copy_file_range(int from, off64_t* from_offset, int to,
                        off64_t* to_offset, size_t size, unsigned flags) {
  char buffer[PATH_MAX];
  struct stat file;
  if (Watched(to, &file, buffer) == NULL) {
    return REAL(copy_file_range)(from, from_offset, to, to_offset, size,
                                 flags);
  }
  errno = EOPNOTSUPP;
  return -1;
}

// --- Sizes.

static int Resize(int fd, off_t size, int (*resize)(int, off_t)) {
  char buffer[PATH_MAX];
  struct stat file;
  const char* below = Watched(fd, &file, buffer);
  if (below == NULL) return resize(fd, size);
  pthread_mutex_lock(&mutex);
  const struct Rule* rule = Match(kTruncate, below);
  fstat(fd, &file);
  int result = Before(rule);
  if (result == 0) {
    if (!IsShared(below) && size != file.st_size) {
      KeepBytes(fd,
                (struct Record){.kind = kResized,
                                .inode = file.st_ino,
                                .offset = (uint64_t)size,
                                .size = (uint64_t)file.st_size},
                (uint64_t)size, (uint64_t)file.st_size);
    }
    result = resize(fd, size);
    After(rule);
  }
  pthread_mutex_unlock(&mutex);
  return result;
}

int ftruncate(int fd, off_t size) { return Resize(fd, size, REAL(ftruncate)); }
int ftruncate64(int fd, off64_t size) {
  return Resize(fd, size, REAL(ftruncate));
}

// Room that is set aside changes no file that is read; growing is not set
// aside here.
int fallocate(int fd, int mode, off_t offset, off_t size) {
  char buffer[PATH_MAX];
  struct stat file;
  if (Watched(fd, &file, buffer) == NULL) {
    return REAL(fallocate)(fd, mode, offset, size);
  }
  if (control->space >= 0 && size > control->space) {
    errno = ENOSPC;
    return -1;
  }
  if (mode & FALLOC_FL_KEEP_SIZE) {
    return REAL(fallocate)(fd, mode, offset, size);
  }
  errno = EOPNOTSUPP;
  return -1;
}
int fallocate64(int fd, int mode, off64_t offset, off64_t size) {
  return fallocate(fd, mode, offset, size);
}

static int ShowFull(int result, struct statvfs* system) {
  if (result == 0 && control->space >= 0) {
    system->f_bavail = system->f_bfree =
        (fsblkcnt_t)control->space / (system->f_frsize ? system->f_frsize : 1);
  }
  return result;
}

int statvfs(const char* path, struct statvfs* system) {
  const int result = REAL(statvfs)(path, system);
  char buffer[PATH_MAX];
  if (!Watching() || BelowAt(AT_FDCWD, path, buffer) == NULL) return result;
  return ShowFull(result, system);
}
int statvfs64(const char* path, struct statvfs64* system) {
  // One layout where off_t has 64 bits.
  return statvfs(path, (struct statvfs*)system);
}

// --- Forcing to the disk.

static int Sync(int fd, int (*sync)(int), enum Kind kind) {
  char buffer[PATH_MAX];
  struct stat file;
  const char* below = Watched(fd, &file, buffer);
  if (below == NULL) return sync(fd);
  pthread_mutex_lock(&mutex);
  const struct Rule* rule = Match(kSync, below);
  const int result = Before(rule);
  if (result == 0 && !Is(rule, kLie)) {
    KeepRecord((struct Record){.kind = kind, .inode = file.st_ino}, NULL);
  }
  if (result == 0) After(rule);
  pthread_mutex_unlock(&mutex);
  return result;
}

int fsync(int fd) { return Sync(fd, REAL(fsync), kSynced); }
int fdatasync(int fd) { return Sync(fd, REAL(fdatasync), kSynced); }
int syncfs(int fd) { return Sync(fd, REAL(syncfs), kSyncedAll); }

// Promises nothing.
int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags) {
  char buffer[PATH_MAX];
  struct stat file;
  if (Watched(fd, &file, buffer) != NULL) return 0;
  return REAL(sync_file_range)(fd, offset, size, flags);
}

// --- Names that change.

int renameat(int from_folder, const char* from, int to_folder,
             const char* to) {
  char from_buffer[PATH_MAX], to_buffer[PATH_MAX];
  const char* below =
      Watching() ? BelowAt(to_folder, to, to_buffer) : NULL;
  const char* from_below =
      below != NULL ? BelowAt(from_folder, from, from_buffer) : NULL;
  if (from_below == NULL) {
    return REAL(renameat)(from_folder, from, to_folder, to);
  }
  pthread_mutex_lock(&mutex);
  const struct Rule* rule = Match(kRename, below);
  int result = Before(rule);
  if (result == 0) {
    char paths[2 * PATH_MAX];
    const size_t size =
        (size_t)snprintf(paths, sizeof(paths), "%s%c%s", from_below, '\0',
                         below);
    struct stat replaced;
    const int replaces = fstatat(to_folder, to, &replaced,
                                 AT_SYMLINK_NOFOLLOW) == 0 &&
                         S_ISREG(replaced.st_mode);
    KeepRecord((struct Record){.kind = kRenamed,
                               .inode = InodeOf(from_folder, from),
                               .folder = FolderOf(from_folder, from),
                               .to_folder = FolderOf(to_folder, to),
                               .grave = replaces ? Bury(to_folder, to) : 0,
                               .payload = size},
               paths);
    result = REAL(renameat)(from_folder, from, to_folder, to);
    After(rule);
  }
  pthread_mutex_unlock(&mutex);
  return result;
}
int rename(const char* from, const char* to) {
  return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

static int Unlink(int folder, const char* path, int flags,
                  int (*gone)(int, const char*, int)) {
  char buffer[PATH_MAX];
  struct stat file;
  const char* below = Watching() ? BelowAt(folder, path, buffer) : NULL;
  if (below == NULL || (flags & AT_REMOVEDIR) || IsShared(below) ||
      fstatat(folder, path, &file, AT_SYMLINK_NOFOLLOW) != 0 ||
      !S_ISREG(file.st_mode)) {
    return gone(folder, path, flags);
  }
  pthread_mutex_lock(&mutex);
  const struct Rule* rule = Match(kUnlink, below);
  int result = Before(rule);
  if (result == 0) {
    KeepRecord((struct Record){.kind = kUnlinked,
                               .inode = file.st_ino,
                               .folder = FolderOf(folder, path),
                               .grave = Bury(folder, path),
                               .payload = strlen(below)},
               below);
    result = gone(folder, path, flags);
    After(rule);
  }
  pthread_mutex_unlock(&mutex);
  return result;
}

int unlinkat(int folder, const char* path, int flags) {
  return Unlink(folder, path, flags, REAL(unlinkat));
}
int unlink(const char* path) {
  return Unlink(AT_FDCWD, path, 0, REAL(unlinkat));
}
int remove(const char* path) {
  struct stat file;
  if (lstat(path, &file) == 0 && S_ISDIR(file.st_mode)) {
    return REAL(remove)(path);
  }
  return unlink(path);
}

// --- Reading.

// 0, or -1 with errno for a read that fails.
static int BeforeRead(int fd) {
  if (!Watching() || !IsWanted(kRead)) return 0;
  char buffer[PATH_MAX];
  struct stat file;
  const char* below = Watched(fd, &file, buffer);
  if (below == NULL || !S_ISREG(file.st_mode)) return 0;
  return Before(Match(kRead, below));
}

ssize_t pread(int fd, void* data, size_t size, off_t offset) {
  if (BeforeRead(fd) != 0) return -1;
  return REAL(pread)(fd, data, size, offset);
}
ssize_t pread64(int fd, void* data, size_t size, off64_t offset) {
  return pread(fd, data, size, offset);
}
ssize_t __pread_chk(int fd, void* data, size_t size, off_t offset,
                    size_t room) {
  if (size > room) abort();
  return pread(fd, data, size, offset);
}
ssize_t __pread64_chk(int fd, void* data, size_t size, off64_t offset,
                      size_t room) {
  if (size > room) abort();
  return pread(fd, data, size, offset);
}
ssize_t read(int fd, void* data, size_t size) {
  if (BeforeRead(fd) != 0) return -1;
  return REAL(read)(fd, data, size);
}
ssize_t __read_chk(int fd, void* data, size_t size, size_t room) {
  if (size > room) abort();
  return read(fd, data, size);
}
