"""What the spool is on disk. The writer and the sender both read this.

    SPOOL_DIR/refused/...        the same for runs that the server refused
    SPOOL_DIR/refused.jsonl      single calls and points that it refused
    SPOOL_DIR/WRITER/            one process that logs, to one server
      writer.json                which server, who wrote it
      writer.lock, sender.lock   locked (flock) while that process lives
      LOG/                       what the process logged to one run, in order
        run                      the run's id
        keys                     names of metrics, each with its index
        journal                  what was sent as which frame, what is done
        refused                  the server refused the run, and why
        00000001.seg, ...        the records; a segment goes when all is done

A segment is as large as it will get from the start and mapped into memory: a
record is appended by copying it there, without a system call, and is in the
kernel's page cache from then on, whatever happens to the process. `committed`
in its header is where the records end; it is written after the record. Records
begin at multiples of 8 bytes:

    u32 CRC-32 of all that follows; u32 kind << 28 | bytes of the payload

All numbers are little-endian.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import pathlib
import struct
import sys
import time
import zlib
from typing import Any, Iterator, NamedTuple

from ._errors import Error

# What is written; what is read. Up to version 1 the index of a name was its
# place in the file, which no record told.
VERSION = 2
VERSIONS = (1, 2)
MAGIC = b"MSSPOOL\x01"

# The header of a segment: magic, committed, state.
HEADER = struct.Struct("<8sQQ")
HEADER_BYTES = 64
# Which of its words, as words() has them.
COMMITTED, STATE = 1, 2
# States: records may follow; the next segment follows; nothing follows.
OPEN, SEALED, CLOSED = 0, 1, 2

RECORD = struct.Struct("<II")
KIND_SHIFT = 28
LENGTH_MASK = (1 << KIND_SHIFT) - 1
# One point: i64 key, i64 step, i64 timestamp, f64 value.
POINT = 1
# Points of one metric: i64 key, i64 n, then n steps, n timestamps, n values.
BLOCK = 2
# An rpc: u16 bytes of its path, u16 points that it logs, the path, the request.
CALL = 3
# The same for one that logs nothing else than points. Such requests, one after
# another, may be sent as one: concatenated messages are merged ones.
POINTS_CALL = 4
# In the file of names: a name, UTF-8, whose index is its place; u64 index and
# the name. An index is used once, and some may never be.
NAME, KEY = 0, 1
KEY_HEAD = struct.Struct("<Q")

# The folder of logs that were refused, and the mark of such a log.
REFUSED = "refused"

POINT_PAYLOAD = 32
POINT_WORD = POINT << KIND_SHIFT | POINT_PAYLOAD
POINT_BYTES = RECORD.size + POINT_PAYLOAD
# All of a point but its CRC.
POINT_BODY = struct.Struct("<Iqqqd")
CRC = struct.Struct("<I")
# And with it.
POINT_RECORD = struct.Struct(f"<I{POINT_BODY.size}s")
BLOCK_HEAD = struct.Struct("<qq")
BLOCK_POINT_BYTES = 24
CALL_HEAD = struct.Struct("<HH")

# A position in a log: segment and offset in it. Greater is later.
SEQUENCE_SHIFT = 32
OFFSET_MASK = (1 << SEQUENCE_SHIFT) - 1
START = 1 << SEQUENCE_SHIFT | HEADER_BYTES

# A line of the journal: CRC, kind, frame number, position after it, points up
# to there.
JOURNAL = struct.Struct("<IIQQQ")
FRAME, DONE = 1, 2


class BadSpool(Exception):
    """A file of the spool is not what it should be."""


class Frame(NamedTuple):
    """A part of the log that was sent, or is to be sent, under a number."""

    number: int
    end: int
    points: int


def words(mapped: mmap.mmap) -> memoryview:
    """The words of a mapped segment, to read and to write each of them at once:
    struct does it byte by byte, and the other process would see numbers that
    were never written."""
    return memoryview(mapped)[:len(mapped) & ~7].cast("Q")


def word(value: int) -> int:
    """The word of words() for a number, and the number for a word."""
    if sys.byteorder == "little":
        return value
    return int.from_bytes(value.to_bytes(8, "little"), "big")


def align(length: int) -> int:
    return (length + 7) & ~7


def segment_path(folder: pathlib.Path, sequence: int) -> pathlib.Path:
    return folder / f"{sequence:08d}.seg"


def record(kind: int, payload: bytes) -> bytes:
    body = CRC.pack(kind << KIND_SHIFT | len(payload)) + payload
    data = CRC.pack(zlib.crc32(body)) + body
    return data + bytes(align(len(data)) - len(data))


def call_record(path: str, request: bytes, points: int) -> bytes:
    name = path.encode()
    return record(POINTS_CALL if points else CALL,
                  CALL_HEAD.pack(len(name), points) + name + request)


# --- Files of one writer


def new_writer_folder(spool: pathlib.Path) -> pathlib.Path:
    """Makes the folder of a process; its locks are not taken yet."""
    host = "".join(c if c.isalnum() or c in "-." else "-"
                   for c in os.uname().nodename)[:64]
    name = (f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{host}-"
            f"{os.getpid()}-{os.urandom(4).hex()}")
    folder = spool / name
    folder.mkdir(parents=True, mode=0o700)
    return folder


def describe_writer(folder: pathlib.Path, target: str) -> None:
    text = json.dumps({"version": VERSION, "target": target,
                       "pid": os.getpid(), "started": int(time.time())})
    scratch = folder / "writer.json.new"
    scratch.write_text(text)
    scratch.rename(folder / "writer.json")


def read_writer(folder: pathlib.Path) -> dict[str, Any] | None:
    """What describe_writer wrote; None if the folder is none of a writer."""
    try:
        found = json.loads((folder / "writer.json").read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get(
            "version") not in VERSIONS:
        return None
    return found if isinstance(found.get("target"), str) else None


def writer_folders(spool: pathlib.Path) -> Iterator[pathlib.Path]:
    try:
        names = sorted(os.listdir(spool))
    except FileNotFoundError:
        return
    for name in names:
        if read_writer(spool / name) is not None:
            yield spool / name


def log_folders(writer: pathlib.Path) -> list[pathlib.Path]:
    """The folders of a writer's logs, in the order they were begun."""
    names = [n for n in os.listdir(writer) if n.isdigit()]
    return [writer / n for n in sorted(names, key=int)
            if (writer / n / "run").exists()]


# --- Logs of runs that the server refused


def write_refusal(log: pathlib.Path, code: str, message: str,
                  server: str) -> None:
    scratch = log / (REFUSED + ".new")
    scratch.write_text(json.dumps({
        "time": int(time.time()), "server": server, "error": code,
        "message": message}))
    scratch.rename(log / REFUSED)


def read_refusal(log: pathlib.Path) -> Error | None:
    """Why the server takes nothing for this run; None if it does."""
    try:
        found = json.loads((log / REFUSED).read_text())
        return Error(found["error"], found["message"], named=True)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return Error("INTERNAL_ERROR", "why is not known", named=True)


def is_refused(log: pathlib.Path) -> bool:
    return (log / REFUSED).exists()


def forget_refusal(log: pathlib.Path) -> None:
    (log / REFUSED).unlink(missing_ok=True)


def set_aside(log: pathlib.Path) -> bool:
    """Moves a log that was refused to where `millstream sync --refused` finds
    it; False if that cannot be now."""
    writer = log.parent
    if writer.parent.name == REFUSED:
        return True
    to = writer.parent / REFUSED / writer.name
    # So that it does not come, or go, while somebody sends what is there.
    lock = Lock(to / "sender.lock")
    try:
        to.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not lock.take():
            return False
        scratch = to / "writer.json.new"
        scratch.write_bytes((writer / "writer.json").read_bytes())
        scratch.rename(to / "writer.json")
        log.rename(to / log.name)
    except OSError:  # the disk is full, most likely
        return False
    finally:
        lock.release()
    return True


class Lock:
    """A lock on a file that ends with its process. Not for threads."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._fd: int | None = None

    def take(self) -> bool:
        """False if somebody else has it, or the folder is gone."""
        try:
            fd = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC,
                         0o600)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # It may have been removed, and made again, in between.
            if os.stat(self._path).st_ino != os.fstat(fd).st_ino:
                raise BlockingIOError
        except OSError:
            os.close(fd)
            return False
        self._fd = fd
        return True

    def is_free(self) -> bool:
        # In a way that others, who ask at the same time, do not take for a
        # lock.
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(fd)
        return True

    def release(self) -> None:
        """Also what a forked child does with its copy; the lock stays then."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
