"""The disk of a server under test: kills it at a chosen moment, fails as it is
told, is full, and forgets what was not synced when its power is cut.

faulty_disk.c, loaded into the server, does what this asks for through memory
that both map; it writes the journal by which power_cut() takes back what no
sync has promised.
"""

import collections
import errno
import mmap
import os
import pathlib
import shutil
import struct

import harness

LIBRARY = pathlib.Path(os.environ.get(
    "MILLSTREAM_FAULTY_DISK",
    harness.ROOT / "bazel-bin" / "tests" / "crash" / "libfaulty_disk.so"))

# Events.
CREATE, WRITE, SYNC, READ, RENAME, UNLINK, TRUNCATE = (
    1, 2, 4, 8, 16, 32, 64)
CHANGES = CREATE | WRITE | SYNC | RENAME | UNLINK | TRUNCATE

# Actions.
NOTE, KILL_BEFORE, KILL_AFTER, KILL_AMID, FAIL, SHORT, LIE = range(7)
KILLS = (KILL_BEFORE, KILL_AFTER, KILL_AMID)

NO_END = -1

_HEADER = struct.Struct("<qQ14Q")
_RULE = struct.Struct("<8Q64s")
_RULES = 16
_SIZE = _HEADER.size + _RULES * _RULE.size
_SEEN, _ACTED = 6, 7

_RECORD = struct.Struct("<II8Q")
_MAGIC = 0x4b534944
(_WROTE, _RESIZED, _SYNCED, _CREATED, _RENAMED, _UNLINKED,
 _SYNCED_ALL) = range(1, 8)
_SECTOR = 512

# For copies of a data folder, with shutil.copytree().
SOCKETS = shutil.ignore_patterns("*.sock")

Record = collections.namedtuple(
    "Record", "kind inode folder to_folder offset length size grave payload")


class Rule:
    """What happens to events that match; until it is dropped."""

    def __init__(self, memory, index):
        self._memory = memory
        self._at = _HEADER.size + index * _RULE.size

    def set(self, events, pattern, action, error, skip, times):
        self.drop()
        _RULE.pack_into(self._memory, self._at, 0, events, action, error, skip,
                        times, 0, 0, pattern.encode())
        struct.pack_into("<Q", self._memory, self._at, 1)
        return self

    def drop(self):
        struct.pack_into("<Q", self._memory, self._at, 0)

    @property
    def active(self):
        return self._field(0) != 0

    @property
    def seen(self):
        """How many events matched."""
        return self._field(_SEEN)

    @property
    def acted(self):
        """How many of them it did something to."""
        return self._field(_ACTED)

    def _field(self, number):
        return struct.unpack_from("<Q", self._memory,
                                  self._at + 8 * number)[0]


class FaultyDisk:
    """Of files below `root`. `folder`, on the same file system, is its own."""

    def __init__(self, folder, root):
        assert LIBRARY.exists(), (
            f"{LIBRARY} is not built: bazel build //tests/crash:all")
        self.root = pathlib.Path(os.path.realpath(root))
        self._folder = pathlib.Path(folder)
        self._folder.mkdir(parents=True)
        self._journal = self._folder / "journal"
        self._journal.mkdir()
        control = self._folder / "control"
        control.write_bytes(bytes(_SIZE))
        with control.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _SIZE)
        self._rules = [Rule(self._memory, i) for i in range(_RULES)]
        self.set_space(NO_END)
        struct.pack_into("<Q", self._memory, 8, 1)

    def environment(self):
        """Of the server that has this disk."""
        return {"LD_PRELOAD": str(LIBRARY),
                "FAULTY_DISK_ROOT": str(self.root),
                "FAULTY_DISK_CONTROL": str(self._folder / "control"),
                "FAULTY_DISK_JOURNAL": str(self._journal)}

    def rule(self, events, pattern, action=NOTE, error=errno.EIO, skip=0,
             times=0):
        """Acts on events (bits) on files whose path below the root matches,
        after the first `skip` of them, `times` times; 0: for ever."""
        free = next(r for r in self._rules if not r.active)
        return free.set(events, pattern, action, error, skip, times)

    def drop_rules(self):
        for rule in self._rules:
            rule.drop()

    def set_space(self, size):
        """Bytes that files may still grow by."""
        struct.pack_into("<q", self._memory, 0, size)

    def forget(self):
        """Everything has reached the disk by itself. The server is down."""
        shutil.rmtree(self._journal)
        self._journal.mkdir()

    def power_cut(self, seeded, how):
        """Takes back what was not synced. The server is down.

        how: "all" of it; "last", what came after some moment; or "some", any
        of the writes, torn between sectors, as a disk that changes their order
        leaves them. Returns how many operations were taken back."""
        records = list(self._read_journal())
        lost = self._lose_data(records, seeded, how)
        lost += self._lose_names(records, seeded, how)
        for path in self.root.rglob("*-shm"):
            path.unlink()
        self.forget()
        return lost

    def _read_journal(self):
        """In their order; the last may be cut short, then nothing was done."""
        path = self._journal / "journal"
        if not path.exists():
            return
        with path.open("rb") as file:
            while len(header := file.read(_RECORD.size)) == _RECORD.size:
                magic, kind, *numbers, size = _RECORD.unpack(header)
                assert magic == _MAGIC, "the journal is damaged"
                payload = file.read(size)
                if len(payload) < size:
                    return
                yield Record(kind, *numbers, payload)

    def _lose_data(self, records, seeded, how):
        last_sync = last_syncs(records)
        unsynced = [
            r for i, r in enumerate(records)
            if r.kind in (_WROTE, _RESIZED) and i > last_sync[r.inode]]
        paths = {path.lstat().st_ino: path
                 for folder in (self.root, self._journal)
                 for path in folder.rglob("*") if path.is_file()}
        by_file = collections.defaultdict(list)
        for record in unsynced:
            by_file[record.inode].append(record)
        lost = 0
        for inode, changes in by_file.items():
            if inode not in paths:
                continue
            with paths[inode].open("r+b") as file:
                written = [undo(file, r) for r in reversed(changes)][::-1]
                kept = choose(len(changes), seeded, how)
                for i in kept:
                    redo(file, changes[i], written[i],
                         seeded if how == "some" else None)
            lost += len(changes) - len(kept)
        return lost

    def _lose_names(self, records, seeded, how):
        """File systems keep the order of these."""
        last_sync = last_syncs(records)
        unsynced = [
            r for i, r in enumerate(records)
            if r.kind in (_CREATED, _RENAMED, _UNLINKED)
            and i > max(last_sync[r.folder], last_sync[r.to_folder])]
        kept = 0 if how == "all" else seeded.randint(0, len(unsynced))
        for record in reversed(unsynced[kept:]):
            self._undo_name(record)
        return len(unsynced) - kept

    def _undo_name(self, record):
        names = [self.root / os.fsdecode(name)
                 for name in record.payload.split(b"\0")]
        grave = self._journal / str(record.grave)
        if record.kind == _CREATED:
            if inode_of(names[0]) != record.inode:
                return
            if names[0].is_dir():
                shutil.rmtree(names[0])
            else:
                names[0].unlink()
        elif record.kind == _UNLINKED:
            if record.grave and not names[0].exists():
                names[0].parent.mkdir(parents=True, exist_ok=True)
                os.link(grave, names[0])
        elif inode_of(names[1]) == record.inode:
            names[0].parent.mkdir(parents=True, exist_ok=True)
            names[1].rename(names[0])
            if record.grave:
                os.link(grave, names[1])


def last_syncs(records):
    """Of each inode the number of the record that last forced it to the disk;
    -1: none did."""
    last, of_all = {}, -1
    for i, record in enumerate(records):
        if record.kind == _SYNCED:
            last[record.inode] = i
        elif record.kind == _SYNCED_ALL:
            last, of_all = {}, i
    return collections.defaultdict(lambda: of_all, last)


def inode_of(path):
    try:
        return path.lstat().st_ino
    except OSError:
        return None


def choose(count, seeded, how):
    """Which of `count` changes to a file survive."""
    if how == "all":
        return []
    if how == "last":
        return list(range(seeded.randint(0, count)))
    return [i for i in range(count) if seeded.random() < 0.5]


def undo(file, record):
    """Takes back the newest change; returns what it had written."""
    size = file.seek(0, os.SEEK_END)
    written = b""
    if record.kind == _WROTE:
        file.seek(record.offset)
        written = file.read(record.length)
        file.seek(record.offset)
    else:
        file.seek(record.offset)
    file.write(record.payload)
    if size > record.size or record.kind == _RESIZED:
        file.truncate(record.size)
    file.flush()
    return written


def redo(file, record, written, torn_by):
    if record.kind == _RESIZED:
        file.truncate(record.offset)
        return
    if torn_by is not None and torn_by.random() < 0.3:
        sectors = len(written) // _SECTOR
        written = written[:torn_by.randint(0, sectors) * _SECTOR]
    file.seek(record.offset)
    file.write(written)
    file.flush()
