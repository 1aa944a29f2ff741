"""The sending side of a log: reading records and making frames of them."""

from __future__ import annotations

import array
import itertools
import mmap
import operator
import os
import pathlib
import struct
import sys
import time
import zlib
from dataclasses import dataclass, field
from typing import Any, Sequence

from . import _api
from . import _format as fmt

# What one frame holds at most, but for a block, which may be larger: so it has
# no more columns than a server takes, which is as many as names in a stream.
FRAME_POINTS_MAX = 8192
# And as many names, which may have a thousand bytes each: a server takes 4 MiB.
FRAME_KEYS_MAX = 2000
STREAM_KEYS_MAX = 10_000
# Requests that log points are merged up to what log-batch takes.
MERGED_POINTS_MAX = 1000
MERGED_BYTES_MAX = 512 * 1024
JOURNAL_BYTES_MAX = 1 << 20
# So many of the last points that are there are looked at, if they are whole.
FRESH_POINTS = 64
# And what is not whole for so long never will be.
DOUBT_SECONDS = 2.0


class Journal:
    """Which part of the log was sent under which frame number, and how far
    everything is done. Written by the sender alone."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self.done = fmt.Frame(0, fmt.START, 0)
        # Sent, in order of their numbers, and not done.
        self.sent: list[fmt.Frame] = []
        self._is_torn = False
        self._load()
        self._fd = self._open()

    def close(self) -> None:
        os.close(self._fd)

    def frame(self, frame: fmt.Frame) -> None:
        """To be called before the frame is sent."""
        self.sent.append(frame)
        self._write(fmt.FRAME, frame)

    def forget(self, number: int) -> None:
        """Frame `number` and later ones will be sent with other content."""
        self.sent = [frame for frame in self.sent if frame.number < number]

    def finish(self, frame: fmt.Frame) -> None:
        """Everything up to the end of `frame` is done."""
        self.done = frame
        self.sent = [f for f in self.sent if f.end > frame.end]
        self._write(fmt.DONE, frame)
        if os.fstat(self._fd).st_size > JOURNAL_BYTES_MAX:
            self._rewrite()

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def _open(self) -> int:
        return os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_APPEND
                       | os.O_CLOEXEC, 0o600)

    def _load(self) -> None:
        data = self._path.read_bytes() if self._path.exists() else b""
        size = fmt.JOURNAL.size
        whole = 0
        while whole + size <= len(data):
            line = data[whole:whole + size]
            crc, kind, number, end, points = fmt.JOURNAL.unpack(line)
            if (crc != zlib.crc32(line[4:]) or end < fmt.START
                    or kind not in (fmt.FRAME, fmt.DONE)):
                break
            whole += size
            frame = fmt.Frame(number, end, points)
            if kind == fmt.DONE:
                self.done = frame
                self.sent = [f for f in self.sent if f.end > end]
            else:
                self.sent = [f for f in self.sent if f.number < number]
                self.sent.append(frame)
        if len(data) != whole:
            # A damaged line: what is written from now on must not follow it.
            self._rewrite()

    def _line(self, kind: int, frame: fmt.Frame) -> bytes:
        line = fmt.JOURNAL.pack(0, kind, *frame)
        return fmt.CRC.pack(zlib.crc32(line[4:])) + line[4:]

    def _write(self, kind: int, frame: fmt.Frame) -> None:
        # A disk that is full is no reason not to send, which makes space. What
        # the journal lacks then may be sent twice after a crash.
        try:
            if self._is_torn:
                self._rewrite()
            else:
                line = self._line(kind, frame)
                self._is_torn = os.write(self._fd, line) != len(line)
        except OSError:
            self._is_torn = True

    def _rewrite(self) -> None:
        scratch = self._path.with_suffix(".new")
        scratch.write_bytes(b"".join(
            [self._line(fmt.DONE, self.done),
             *(self._line(fmt.FRAME, frame) for frame in self.sent)]))
        scratch.rename(self._path)
        self._is_torn = False
        if hasattr(self, "_fd"):
            os.close(self._fd)
            self._fd = self._open()


@dataclass
class Call:
    """An rpc to make when all before it is done."""

    path: str
    request: bytes
    end: int
    points: int


@dataclass
class Points:
    """Points for one frame, by the index of their metric."""

    end: int = fmt.START
    count: int = 0
    # Index: steps, timestamps, values.
    columns: dict[int, tuple[list[int], list[int], list[float]]] = field(
        default_factory=dict)

    def add(self, key: int, steps: list[int], timestamps: list[int],
            values: list[float]) -> None:
        self.count += len(values)
        column = self.columns.get(key)
        if column is None:
            self.columns[key] = (steps, timestamps, values)
        else:
            column[0].extend(steps)
            column[1].extend(timestamps)
            column[2].extend(values)

    def add_rows(self, rows: memoryview) -> None:
        """Adds point records as they lie in a segment."""
        words = rows.cast("q")
        keys = words[1::5].tolist()
        columns: list[list[Any]] = [words[2::5].tolist(), words[3::5].tolist(),
                                    rows.cast("d")[4::5].tolist()]
        if len(set(keys)) == 1:
            self.add(keys[0], *columns)
            return
        # Sorted by key, in the order they were logged within each.
        order = sorted(range(len(keys)), key=keys.__getitem__)
        pick = operator.itemgetter(*order)
        columns = [list(pick(column)) for column in columns]
        at = 0
        for key, group in itertools.groupby(sorted(keys)):
            end = at + sum(1 for _ in group)
            self.add(key, *(column[at:end] for column in columns))
            at = end


class LogReader:
    """Reads a log from where the journal says it is done. Not thread-safe."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.run_id = (folder / "run").read_text()
        self.journal = Journal(folder / "journal")
        # Bytes that could not be read, and why.
        self.lost_bytes = 0
        self.position = self.journal.done.end
        # After the last record that was taken from here to be sent.
        self.taken = self.position
        # Points up to `position`.
        self.points = self.journal.done.points
        self._keys: dict[int, str] = {}
        self._keys_read = 0
        self._sequence = 0
        self._map: Any = None
        self._view: Any = None
        self._words: Any = None
        # A record that was not whole when it was looked at, and when.
        self._doubted = 0
        self._doubted_since = 0.0
        # Up to here each record's CRC is checked: it was not written just now.
        self._verify_until = self._last_position()
        self._last_sequence = self._verify_until >> fmt.SEQUENCE_SHIFT
        self._removed = 0

    def close(self) -> None:
        self._unmap()
        self.journal.close()

    def rewind(self) -> None:
        """Back to what is done."""
        self.position = self.taken = self.journal.done.end
        self.points = self.journal.done.points

    def key(self, index: int) -> str | None:
        if index not in self._keys:
            self._read_keys()
        return self._keys.get(index)

    def available(self) -> bool:
        """Whether there is something at the position, or was closed."""
        return self._segment() is not None

    def is_closed(self) -> bool:
        """Whether the position is the end and nothing will follow."""
        # In this order: what is appended before it is closed is seen.
        closed = self._view is not None and (
            self._word(fmt.STATE) == fmt.CLOSED)
        return closed and self._segment() is None

    def has_ended(self) -> bool:
        """Whether its process has closed it, read or not."""
        sequences = self._sequences()
        if not sequences:
            return False
        path = fmt.segment_path(self.folder, sequences[-1])
        try:
            with path.open("rb") as file:
                head = file.read(fmt.HEADER_BYTES)
        except FileNotFoundError:
            return False
        return (len(head) == fmt.HEADER_BYTES
                and fmt.HEADER.unpack_from(head)[2] == fmt.CLOSED)

    def is_drained(self) -> bool:
        """Whether all there is was taken, and is done."""
        return not self.available() and self.journal.done.end >= self.taken

    def pending_bytes(self) -> int:
        """Bytes of records that are not done, about."""
        done = self.journal.done.end
        total = 0
        for sequence in self._sequences():
            begin = (done & fmt.OFFSET_MASK
                     if sequence == done >> fmt.SEQUENCE_SHIFT
                     else fmt.HEADER_BYTES)
            if sequence >= done >> fmt.SEQUENCE_SHIFT:
                total += max(0, self._committed(sequence) - begin)
        return total

    def next_is_call(self) -> bool:
        segment = self._segment()
        if segment is None:
            return False
        word = fmt.RECORD.unpack_from(self._view, segment[0])[1]
        return word >> fmt.KIND_SHIFT in (fmt.CALL, fmt.POINTS_CALL)

    def next(self, until: int | None = None,
             points_max: int = FRAME_POINTS_MAX) -> Points | Call | None:
        """Takes points for one frame, or a call; None if there is nothing.

        Stops at position `until`, and nowhere else: a frame that is sent again
        must be the same.
        """
        points = Points()
        keys_max = FRAME_KEYS_MAX if until is None else sys.maxsize
        while points.count < points_max and len(points.columns) < keys_max:
            if until is not None and self.position >= until:
                break
            segment = self._segment()
            if segment is None:
                break
            offset, committed = segment
            if until is not None and (
                    until >> fmt.SEQUENCE_SHIFT == self._sequence):
                committed = min(committed, until & fmt.OFFSET_MASK)
            taken = self._take_rows(offset, committed, points,
                                    points_max - points.count, keys_max)
            if taken:
                continue
            record = self._record(offset, committed)
            if record is None:
                if self._doubted == self.position:
                    break
                continue
            kind, payload, after = record
            if not _is_sound(kind, payload):
                self.lost_bytes += after - offset
                self._move(after)
                continue
            if kind in (fmt.CALL, fmt.POINTS_CALL):
                if points.count:
                    break
                return self._call(kind, payload, after, committed)
            if kind == fmt.BLOCK:
                if points.count and (points.count + _block_count(payload)
                                     > points_max):
                    break
                _add_block(points, payload)
            elif kind == fmt.POINT:
                points.add_rows(self._view[offset:after])
            self._move(after)
        if not points.count:
            return None
        points.end = self.taken = self.position
        self.points += points.count
        return points

    def remove_done(self) -> None:
        """Removes segments whose records are all done."""
        done = self.journal.done.end >> fmt.SEQUENCE_SHIFT
        if done - 1 > self._removed:
            for sequence in self._sequences():
                if sequence < done:
                    fmt.segment_path(self.folder, sequence).unlink(
                        missing_ok=True)
            self._removed = done - 1

    def sync(self) -> None:
        """Forces what is there to the disk: names first, then points."""
        done = self.journal.done.end >> fmt.SEQUENCE_SHIFT
        paths = [self.folder / "keys", self.folder / "run"] + [
            fmt.segment_path(self.folder, s) for s in self._sequences()
            if s >= done]
        for path in paths + [self.folder]:
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    # --- Segments

    def _sequences(self) -> list[int]:
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:  # all was done, and it was removed
            return []
        return sorted(int(name[:-4]) for name in names
                      if name.endswith(".seg") and name[:-4].isdigit())

    def _committed(self, sequence: int) -> int:
        path = fmt.segment_path(self.folder, sequence)
        try:
            with path.open("rb") as file:
                head = file.read(fmt.HEADER.size)
                size = os.fstat(file.fileno()).st_size
        except FileNotFoundError:
            return fmt.HEADER_BYTES
        if len(head) < fmt.HEADER.size or head[:8] != fmt.MAGIC:
            return fmt.HEADER_BYTES
        committed = int(fmt.HEADER.unpack(head)[1])
        return max(fmt.HEADER_BYTES, min(committed, size))

    def _last_position(self) -> int:
        sequences = self._sequences()
        if not sequences:
            return self.position
        return max(self.position, sequences[-1] << fmt.SEQUENCE_SHIFT
                   | self._committed(sequences[-1]))

    def _segment(self) -> tuple[int, int] | None:
        """Maps the segment of the position: offset and where records end.
        None if there is nothing to read."""
        while True:
            sequence = self.position >> fmt.SEQUENCE_SHIFT
            offset = self.position & fmt.OFFSET_MASK
            if self._sequence != sequence and not self._map_segment(sequence):
                later = [s for s in self._sequences() if s > sequence]
                if not later:
                    return None
                self._move_to(later[0])
                continue
            # The state is read first: when it is sealed, no more is coming.
            state = self._word(fmt.STATE)
            committed = min(self._word(fmt.COMMITTED), len(self._view))
            if offset < committed:
                return offset, committed
            if state != fmt.SEALED:
                if sequence >= self._last_sequence:
                    return None
                # A crash of the machine may have taken its seal.
                later = [s for s in self._sequences() if s > sequence]
                if (not later or state == fmt.CLOSED
                        or not self._is_made(later[0])):
                    return None
                if self._word(fmt.COMMITTED) > offset:
                    continue
                self._move_to(later[0])
                continue
            self._move_to(sequence + 1)

    def _is_made(self, sequence: int) -> bool:
        path = fmt.segment_path(self.folder, sequence)
        with path.open("rb") as file:
            return file.read(len(fmt.MAGIC)) == fmt.MAGIC

    def _map_segment(self, sequence: int) -> bool:
        path = fmt.segment_path(self.folder, sequence)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            size = os.fstat(fd).st_size
            if size < fmt.HEADER_BYTES:
                return False
            mapped = mmap.mmap(fd, size, access=mmap.ACCESS_READ)
        finally:
            os.close(fd)
        if mapped[:8] != fmt.MAGIC:
            # Also what a segment is that is being made.
            return False
        self._unmap()
        self._map = mapped
        self._view = memoryview(mapped)
        self._words = fmt.words(mapped)
        self._sequence = sequence
        return True

    def _unmap(self) -> None:
        # It is unmapped when the last view of a record in it has gone.
        self._words = self._view = self._map = None
        self._sequence = 0

    def _word(self, which: int) -> int:
        return fmt.word(int(self._words[which]))

    def _move(self, offset: int) -> None:
        self.position = self._sequence << fmt.SEQUENCE_SHIFT | offset

    def _move_to(self, sequence: int) -> None:
        self.position = sequence << fmt.SEQUENCE_SHIFT | fmt.HEADER_BYTES

    # --- Records

    def _take_rows(self, offset: int, committed: int, points: Points,
                   most: int, keys_max: int) -> int:
        """Adds the point records that lie here one after another."""
        verify = self.position < self._verify_until
        count = min(most, (committed - offset) // fmt.POINT_BYTES)
        rows = self._view[offset:offset + count * fmt.POINT_BYTES]
        words = rows.cast("I")[1::fmt.POINT_BYTES // 4].tolist()
        if words.count(fmt.POINT_WORD) != count:
            count = next(i for i, word in enumerate(words)
                         if word != fmt.POINT_WORD)
        # Of what was written just now, other processors may see the end before
        # the rest. What has more after it is whole.
        sure = 0 if verify else max(0, count - FRESH_POINTS)
        if count > sure:
            count = sure + _sound_rows(rows[sure * fmt.POINT_BYTES:],
                                       count - sure)
        if len(points.columns) + count > keys_max:
            count = _rows_of(rows, count, set(points.columns), keys_max)
        rows = rows[:count * fmt.POINT_BYTES]
        if count:
            points.add_rows(rows)
            self._move(offset + count * fmt.POINT_BYTES)
        return count

    def _record(self, offset: int, committed: int
                ) -> tuple[int, memoryview, int] | None:
        """The record at `offset`. None, and past what is left of the segment,
        if it is damaged; None and `_doubted` if it may become whole yet."""
        if committed - offset >= fmt.RECORD.size:
            crc, word = fmt.RECORD.unpack_from(self._view, offset)
            length = word & fmt.LENGTH_MASK
            end = offset + fmt.RECORD.size + length
            if end <= committed and crc == zlib.crc32(
                    self._view[offset + 4:end]):
                return (word >> fmt.KIND_SHIFT,
                        self._view[offset + fmt.RECORD.size:end],
                        fmt.align(end))
        if self.position >= self._verify_until:
            now = time.monotonic()
            if self._doubted != self.position:
                self._doubted, self._doubted_since = self.position, now
            if now - self._doubted_since < DOUBT_SECONDS:
                return None
        self.lost_bytes += committed - offset
        self._move(committed)
        return None

    def _call(self, kind: int, payload: memoryview, after: int,
              committed: int) -> Call | None:
        path, points, request = _parse_call(payload)
        self._move(after)
        if kind == fmt.POINTS_CALL:
            parts = [request]
            size = len(request)
            while after < committed:
                record = self._record(after, committed)
                if (record is None or record[0] != kind
                        or not _is_sound(kind, record[1])):
                    break
                other, more, request = _parse_call(record[1])
                size += len(request)
                if (other != path or points + more > MERGED_POINTS_MAX
                        or size > MERGED_BYTES_MAX):
                    break
                parts.append(request)
                points += more
                after = record[2]
                self._move(after)
            request = b"".join(parts)
            self.points += points
        self.taken = self.position
        return Call(path, request, self.position, self.points)

    def _read_keys(self) -> None:
        data = (self.folder / "keys").read_bytes()
        at = self._keys_read
        while at + fmt.RECORD.size <= len(data):
            crc, word = fmt.RECORD.unpack_from(data, at)
            begin = at + fmt.RECORD.size
            end = begin + (word & fmt.LENGTH_MASK)
            if end > len(data) or crc != zlib.crc32(data[at + 4:end]):
                break
            index = len(self._keys)
            if (word >> fmt.KIND_SHIFT == fmt.KEY
                    and end - begin >= fmt.KEY_HEAD.size):
                (index,) = fmt.KEY_HEAD.unpack_from(data, begin)
                begin += fmt.KEY_HEAD.size
            # What is no UTF-8 is the server's to refuse.
            self._keys[index] = data[begin:end].decode(errors="replace")
            at = fmt.align(end)
        self._keys_read = at


def _sound_rows(rows: memoryview, count: int) -> int:
    """How many of the point records are as their CRCs say, from the first."""
    crc32 = zlib.crc32
    size = fmt.POINT_BYTES
    expected = rows[:count * size].cast("I")[0::size // 4].tolist()
    for index, crc in enumerate(expected):
        if crc32(rows[index * size + 4:(index + 1) * size]) != crc:
            return index
    return count


def _rows_of(rows: memoryview, count: int, keys: set[int],
             keys_max: int) -> int:
    """How many of the records, from the first, have so many keys in all."""
    found = rows[:count * fmt.POINT_BYTES].cast("q")[1::5].tolist()
    for index, key in enumerate(found):
        if key not in keys:
            if len(keys) >= keys_max:
                return index
            keys.add(key)
    return count


def _is_sound(kind: int, payload: memoryview) -> bool:
    """Whether a record, whose CRC is right, is one that a writer writes."""
    size = len(payload)
    if kind == fmt.POINT:
        return size == fmt.POINT_PAYLOAD
    if kind == fmt.BLOCK:
        head = fmt.BLOCK_HEAD.size
        return size > head and (
            size - head == _block_count(payload) * fmt.BLOCK_POINT_BYTES)
    if kind not in (fmt.CALL, fmt.POINTS_CALL) or size < fmt.CALL_HEAD.size:
        return False
    length, _ = fmt.CALL_HEAD.unpack_from(payload)
    begin = fmt.CALL_HEAD.size
    path = payload[begin:begin + length]
    return len(path) == length and all(0x20 < c < 0x7f for c in path)


def _parse_call(payload: memoryview) -> tuple[str, int, bytes]:
    length, points = fmt.CALL_HEAD.unpack_from(payload)
    begin = fmt.CALL_HEAD.size
    return (bytes(payload[begin:begin + length]).decode(), points,
            bytes(payload[begin + length:]))


def _block_count(payload: memoryview) -> int:
    return int(fmt.BLOCK_HEAD.unpack_from(payload)[1])


def _add_block(points: Points, payload: memoryview) -> None:
    key, count = fmt.BLOCK_HEAD.unpack_from(payload)
    body = payload[fmt.BLOCK_HEAD.size:]
    columns: list[list[Any]] = []
    for number, code in enumerate("qqd"):
        column: Any = array.array(code)
        column.frombytes(body[8 * count * number:8 * count * (number + 1)])
        if sys.byteorder == "big":
            column.byteswap()
        columns.append(column.tolist())
    points.add(key, *columns)


# --- Frames


class Dictionary:
    """The names that a stream was told, by their index in the log."""

    def __init__(self) -> None:
        self._indices: dict[int, int] = {}

    def has_room(self, points: Points) -> bool:
        """Whether the stream can be told the names that it does not know."""
        return len(self._indices.keys() | points.columns) <= STREAM_KEYS_MAX

    def frame(self, number: int, points: Points, log: LogReader) -> Any:
        """The request for a frame; points of unknown metrics, whose names a
        crash of the machine took, are left out."""
        request = _api.message("LogMetricsRequest")()
        frame = request.frame
        frame.number = number
        for key, (steps, timestamps, values) in points.columns.items():
            index = self._indices.get(key)
            if index is None:
                name = log.key(key)
                if name is None:
                    log.lost_bytes += len(values) * fmt.POINT_BYTES
                    continue
                frame.new_keys.append(name)
                index = self._indices[key] = len(self._indices)
            column = frame.columns.add()
            column.key = index
            _extend(column.step_deltas, steps)
            _extend(column.timestamp_deltas, timestamps)
            column.values.extend(values)
        return request


def _extend(target: Any, numbers: Sequence[int]) -> None:
    deltas = [numbers[0]]
    deltas.extend(map(operator.sub, numbers[1:], numbers))
    try:
        target.extend(deltas)
    except (ValueError, OverflowError, struct.error):
        # Modulo 2^64; some may have got in before the one that did not fit.
        del target[:]
        target.extend((delta + (1 << 63)) % (1 << 64) - (1 << 63)
                      for delta in deltas)
