"""The training side of a log: appending records to mapped segments."""

from __future__ import annotations

import array
import collections
import errno
import itertools
import logging
import mmap
import os
import pathlib
import sys
import threading
import time
import zlib
from typing import Any, Callable, Iterable

from . import _format as fmt

LOG = logging.getLogger("millstream")
# The first segments of a log are small: many runs have few points.
SEGMENT_BYTES_MIN = 64 * 1024
SEGMENT_BYTES_MAX = 8 * 1024 * 1024
# Calls may go beyond the bound of the spool by this; points may not.
CALLS_RESERVE_BYTES = 16 * 1024 * 1024
# How often a full spool is looked at for space.
FULL_CHECK_SECONDS = 0.1
BLOCK_POINTS_MAX = 16_384
# Pages are brought in this many bytes at a time, where the kernel can (Linux
# 5.14), instead of by a fault for every hundredth point.
POPULATE_BYTES = 64 * 1024
MADV_POPULATE_WRITE = 23

_crc32 = zlib.crc32
_pack_body = fmt.POINT_BODY.pack
_pack_crc = fmt.CRC.pack
_word = fmt.word
_pack_point_into = fmt.POINT_RECORD.pack_into
_POINT_WORD = fmt.POINT_WORD
_COMMITTED = fmt.COMMITTED
_IS_LITTLE = sys.byteorder == "little"


class SpoolFull(Exception):
    """There is no space for the record, and was none for a while."""


class LogClosed(ValueError):
    """Nothing is appended to this log any more; the run may have another."""


class Budget:
    """Counts the bytes of all segments of a process. Thread-safe, also for
    signal handlers in the middle of it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.RLock()
        self._segments: dict[pathlib.Path, int] = {}

    def reserve(self, path: pathlib.Path, size: int, beyond: int) -> bool:
        with self._lock:
            if self._used() + size > self.limit + beyond:
                # The sender removes segments; see which are gone.
                for other in list(self._segments):
                    if not other.exists():
                        self._segments.pop(other, None)
                if self._used() + size > self.limit + beyond:
                    return False
            self._segments[path] = size
            return True

    def give_back(self, path: pathlib.Path) -> None:
        with self._lock:
            self._segments.pop(path, None)

    def _used(self) -> int:
        return sum(list(self._segments.values()))


class LogWriter:
    """Appends to the log of one run. Thread-safe.

    Signal handlers may append in the middle of an append of the same thread:
    theirs follows when that is done. They may raise there too: what was being
    appended is in the log or is not, and everything after it is where it
    belongs.

    `full_wait` is asked, when the spool is full, how many seconds to wait.
    `elsewhere` is given what a signal handler appended in the middle of
    close(): it belongs into the run's next log.
    """

    def __init__(self, folder: pathlib.Path, run_id: str, budget: Budget,
                 full_wait: Callable[[], float],
                 elsewhere: Callable[[Callable[[LogWriter], None]], None]
                 | None = None) -> None:
        self.folder = folder
        self.run_id = run_id
        # Points in the log, and points that found no space.
        self.points = 0
        self.dropped = 0
        self._dropped_told = 0
        self._budget = budget
        self._full_wait = full_wait
        self._elsewhere = elsewhere
        self._full_since = 0.0
        self._next_check = 0.0
        # One append at a time: of all threads, and of a thread and the signal
        # handlers that interrupt it.
        self._lock = threading.RLock()
        self._busy = False
        self._later: collections.deque[Callable[[LogWriter], None]] = (
            collections.deque())
        # Index of each name that was logged. An index is used once, whatever
        # becomes of the name it was meant for.
        self.keys: dict[str, int] = {}
        self._indices = itertools.count()
        # Where the whole names end, and where the one being written will.
        self._keys_end = self._keys_next = 0
        self._sequence = 0
        self._map: Any = None
        self._words: Any = None
        # The file of a segment that is being made; the segment, with its
        # number and size, that we move on to; the one that is left behind.
        self._making: pathlib.Path | None = None
        self._next: tuple[int, Any, int] | None = None
        self._left: Any = None
        # Appends go up to _end, which moves up to _limit, the segment's end.
        self._offset = self._end = self._limit = 0
        self._size = SEGMENT_BYTES_MIN
        self._closed = False
        folder.mkdir(mode=0o700)
        self._keys_fd = os.open(folder / "keys", os.O_CREAT | os.O_WRONLY
                                | os.O_APPEND | os.O_CLOEXEC, 0o600)
        # The folder counts as a log once it has this file: the sender may look
        # at any moment, and must not find it empty.
        scratch = folder / "run.new"
        scratch.write_text(run_id)
        scratch.rename(folder / "run")

    @property
    def position(self) -> int:
        """After the last record; what a thread is in the middle of appending,
        when a signal handler of it asks, is not counted."""
        with self._lock:
            self._settle()
            return self._sequence << fmt.SEQUENCE_SHIFT | self._offset

    def point(self, key: str, value: float, timestamp: int, step: int) -> None:
        """Appends a point: this is the path that training waits for.

        Numbers that do not fit are struct.error.
        """
        # _alone(), as _point needs it, without the calls.
        with self._lock:
            if self._busy and self._is_inside():
                self._later.append(
                    lambda log: log.point(key, value, timestamp, step))
                return
            try:
                self._busy = True
                index = self.keys.get(key)
                if index is None:
                    index = self._define(key)
                body = _pack_body(_POINT_WORD, index, step, timestamp, value)
                start = self._offset
                end = start + 40
                if end > self._end:
                    if not self._room(40, 1):
                        return
                    start = self._offset
                    end = start + 40
                _pack_point_into(self._map, start, _crc32(body), body)
                # In this order: an exception that a signal throws in between
                # leaves a log that is whole.
                self._offset = end
                self.points += 1
                self._words[_COMMITTED] = end if _IS_LITTLE else _word(end)
            except OSError:
                self.dropped += 1
            finally:
                self._busy = False
                if self._later:
                    self._catch_up()

    def point_batch(self, batch: Iterable[tuple[str, float, int, int]]) -> None:
        """Appends points that become visible together, or not at all."""
        rows = list(batch)

        def append() -> None:
            try:
                records = []
                for key, value, timestamp, step in rows:
                    body = _pack_body(fmt.POINT_WORD, self._index(key), step,
                                      timestamp, value)
                    records.append(_pack_crc(_crc32(body)) + body)
                self._append(b"".join(records), len(records))
            except OSError:
                self.dropped += len(rows)

        self._alone(append, lambda log: log.point_batch(rows))

    def block(self, key: str, steps: array.array[int],
              timestamps: array.array[int], values: array.array[float]) -> None:
        """Appends points of one metric: arrays of 'q', 'q' and 'd', which
        nobody changes any more."""
        def append() -> None:
            try:
                index = self._index(key)
            except OSError:
                self.dropped += len(values)
                return
            for at in range(0, len(values), BLOCK_POINTS_MAX):
                part = slice(at, at + BLOCK_POINTS_MAX)
                columns: list[array.array[Any]] = [
                    steps[part], timestamps[part], values[part]]
                if sys.byteorder == "big":
                    for column in columns:
                        column.byteswap()
                count = len(columns[2])
                self._append(fmt.record(fmt.BLOCK, b"".join(
                    [fmt.BLOCK_HEAD.pack(index, count),
                     *(column.tobytes() for column in columns)])), count)

        self._alone(append, lambda log: log.block(key, steps, timestamps,
                                                  values))

    def call(self, path: str, request: bytes, points: int = 0) -> None:
        """Appends an rpc; `points` if it logs so many and nothing else.

        SpoolFull if there is no space, even beyond the bound.
        """
        data = fmt.call_record(path, request, points)

        def append() -> None:
            if not self._append(data, points, CALLS_RESERVE_BYTES
                                if not points else 0) and not points:
                raise SpoolFull(
                    f"the spool {self.folder.parent} has no space left")

        self._alone(append, lambda log: log.call(path, request, points))

    def dropped_untold(self, last: bool) -> int:
        """How many points were dropped, each time that some were and there is
        space again, or if this is the `last` time to tell."""
        with self._lock:
            if self.dropped == self._dropped_told or (
                    self._full_since and not last):
                return 0
            self._dropped_told = self.dropped
            return self.dropped

    def close(self) -> None:
        """Says that nothing follows; the sender may then remove the log."""
        def end() -> None:
            if self._closed:
                return
            if self._map is None and not self._room(0, 0, CALLS_RESERVE_BYTES):
                # No space for an empty segment: nothing was ever appended.
                (self.folder / "run").unlink()
            self._commit()
            self._closed = True
            if self._map is not None:
                self._words[fmt.STATE] = _word(fmt.CLOSED)
            os.close(self._keys_fd)
            self._end = self._limit = 0
            # Whoever has the log longer than it is on the disk keeps none of
            # that.
            self._words = self._map = None
            self.keys = {}

        self._settle()
        # Of this log, whichever is the run's by then.
        self._alone(end, lambda _: self.close())

    def abandon(self) -> None:
        """For a forked child: lets go of what is its parent's."""
        self._words = self._map = self._left = self._next = None
        try:
            os.close(self._keys_fd)
        except OSError:
            pass

    # --- All below: with the lock held.

    def _alone(self, act: Callable[[], None],
               again: Callable[[LogWriter], None]) -> None:
        """Does it when no append of this thread is under way: at once, or,
        for a signal handler in the middle of one, `again` right after that."""
        with self._lock:
            if self._busy and self._is_inside():
                self._later.append(again)
                return
            try:
                self._busy = True
                act()
            finally:
                self._busy = False
                if self._later:
                    self._catch_up()

    def _settle(self) -> None:
        """Does what handlers put off, and what exceptions interrupted, unless
        an append is under way."""
        with self._lock:
            if not (self._busy and self._is_inside()):
                self._catch_up()
                self._commit()

    def _is_inside(self) -> bool:
        """Whether an append of this thread is under way. `_busy` alone does
        not tell: an exception may have come right before it was cleared."""
        frame = sys._getframe(2)
        while frame is not None:
            if (frame.f_code in _APPENDS
                    and frame.f_locals.get("self") is self):
                return True
            frame = frame.f_back  # type: ignore[assignment]
        self._busy = False
        return False

    def _catch_up(self) -> None:
        """Does what handlers put off. What one of them may not do is no error
        of the caller whom it interrupted."""
        while self._later:
            act = self._later.popleft()
            try:
                try:
                    act(self)
                except LogClosed:
                    if self._elsewhere is None:
                        raise
                    self._elsewhere(act)
            except Exception as error:
                LOG.warning("millstream: what a signal handler logged to run "
                            "%s is lost: %s", self.run_id, error)

    def _index(self, key: str) -> int:
        index = self.keys.get(key)
        return self._define(key) if index is None else index

    def _define(self, key: str) -> int:
        """Gives a key its index. The name is on disk before any point."""
        if self._closed:
            raise LogClosed(f"the log of run {self.run_id} is closed")
        index = next(self._indices)
        data = fmt.record(fmt.KEY, fmt.KEY_HEAD.pack(index) + key.encode())
        size = os.lseek(self._keys_fd, 0, os.SEEK_END)
        if size == self._keys_next:
            self._keys_end = size
        elif size != self._keys_end:
            # Half a name would hide those after it.
            os.ftruncate(self._keys_fd, self._keys_end)
        self._keys_next = self._keys_end + len(data)
        if os.write(self._keys_fd, data) != len(data):
            raise OSError(errno.ENOSPC, "no space for a name")
        self.keys[key] = index
        return index

    def _append(self, data: bytes, points: int, beyond: int = 0) -> bool:
        if self._offset + len(data) > self._end and not self._room(
                len(data), points, beyond):
            return False
        start = self._offset
        end = start + len(data)
        self._map[start:end] = data
        self._offset = end
        self.points += points
        self._words[_COMMITTED] = _word(end)
        return True

    def _commit(self) -> None:
        if self._closed:
            return
        self._finish_segment()
        if self._map is not None:
            self._words[_COMMITTED] = _word(self._offset)

    def _room(self, size: int, points: int, beyond: int = 0) -> bool:
        """Makes space for `size` bytes; False if there is none, and then
        `points` points are counted as dropped."""
        if self._closed:
            raise LogClosed(f"the log of run {self.run_id} is closed")
        self._finish_segment()
        if self._map is not None and self._offset + size <= self._limit:
            self._populate(size)
            return True
        now = time.monotonic()
        if self._full_since and not beyond and now < self._next_check:
            self.dropped += points
            return False
        if self._begin_segment(size, beyond):
            if not beyond:
                self._full_since = 0.0
            return True
        if not beyond and not self._full_since:
            deadline = now + self._full_wait()
            while time.monotonic() < deadline:
                time.sleep(0.01)
                if self._begin_segment(size, beyond):
                    return True
            self._full_since = now
        self._next_check = time.monotonic() + FULL_CHECK_SECONDS
        self.dropped += points
        return False

    def _begin_segment(self, size: int, beyond: int) -> bool:
        sequence = self._sequence + 1
        path = fmt.segment_path(self.folder, sequence)
        wanted = max(min(self._size, self._budget.limit // 8),
                     size + fmt.HEADER_BYTES, mmap.PAGESIZE)
        wanted = -(-wanted // mmap.PAGESIZE) * mmap.PAGESIZE
        if not self._budget.reserve(path, wanted, beyond):
            return False
        # An exception may come anywhere: until all of this is done, appends
        # come to _room() first, which finishes it or takes it back.
        self._end = 0
        self._making = path
        try:
            mapped = _new_segment(path, wanted)
        except OSError:  # the disk is full, most likely
            self._take_back(path)
            return False
        self._next = (sequence, mapped, wanted)
        self._finish_segment()
        self._populate(size)
        self._size = min(self._size * 4, SEGMENT_BYTES_MAX)
        return True

    def _finish_segment(self) -> None:
        """Moves on to the segment that was made, if one was; may be begun
        anew."""
        if self._next is not None:
            sequence, mapped, limit = self._next
            self._making = None
            self._end = 0
            if self._map is not mapped:
                self._left = self._map
            self._words = fmt.words(mapped)
            self._map = mapped
            # In this order: a position is never beyond what there is.
            self._offset = fmt.HEADER_BYTES
            self._sequence = sequence
            self._limit = limit
            self._end = fmt.HEADER_BYTES
            if self._left is not None:
                fmt.words(self._left)[fmt.STATE] = _word(fmt.SEALED)
            self._left = self._next = None
        elif self._making is not None:
            self._take_back(self._making)

    def _take_back(self, path: pathlib.Path) -> None:
        path.unlink(missing_ok=True)
        self._budget.give_back(path)
        self._making = None

    def _populate(self, size: int) -> None:
        """Brings in the pages of the next appends."""
        begin = self._end // mmap.PAGESIZE * mmap.PAGESIZE
        end = min(self._limit, max(begin + POPULATE_BYTES, self._offset + size))
        try:
            self._map.madvise(MADV_POPULATE_WRITE, begin, end - begin)
        except OSError:  # an older kernel: pages come as they are touched
            end = self._limit
        self._end = end


_APPENDS = frozenset({LogWriter.point.__code__, LogWriter._alone.__code__})


def _new_segment(path: pathlib.Path, size: int) -> mmap.mmap:
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC,
                 0o600)
    try:
        # The space must be there before it is mapped: a store to a page that
        # the disk has no room for would end the process.
        os.posix_fallocate(fd, 0, size)
        mapped = mmap.mmap(fd, size)
    finally:
        os.close(fd)
    fmt.HEADER.pack_into(mapped, 0, fmt.MAGIC, fmt.HEADER_BYTES, fmt.OPEN)
    return mapped
