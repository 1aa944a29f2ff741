"""Damaged files of the spool: whatever is in them, reading ends, raises
nothing and finds nothing that was not written.

MILLSTREAM_TEST_EXAMPLES says how many damages are tried (50 unless told).
"""

import array
import os
import pathlib
import tempfile

import hypothesis
from hypothesis import strategies as st
from millstream import _format as fmt
from millstream import _reader, _writer
from millstream._reader import Call, Dictionary, Journal, LogReader, Points
from millstream._writer import Budget, LogWriter

EXAMPLES = int(os.environ.get("MILLSTREAM_TEST_EXAMPLES", "50"))
examples = hypothesis.settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(hypothesis.HealthCheck))
KEYS = ["loss", "accuracy", "ünïcode/very/long" * 8, "a", "b"]

appends = st.lists(st.one_of(
    st.tuples(st.just("point"), st.sampled_from(KEYS)),
    st.tuples(st.just("batch"), st.lists(st.sampled_from(KEYS), min_size=1,
                                         max_size=5)),
    st.tuples(st.just("block"), st.sampled_from(KEYS),
              st.integers(1, 200)),
    st.tuples(st.just("call"), st.integers(0, 3000)),
    st.tuples(st.just("points_call"), st.integers(1, 500))), max_size=40)
# A file, by its place in the list of all, and what becomes of it.
damages = st.lists(st.tuples(
    st.integers(0, 9), st.sampled_from(
        ["flip", "zero", "cut", "insert", "delete", "copy", "nothing", "gone"]),
    st.floats(0, 1), st.integers(0, 4200), st.binary(max_size=80)),
    min_size=1, max_size=4)


def write(folder, what, segment_bytes=4096):
    """Writes a log; the points, by their steps, and the requests in it."""
    _writer.SEGMENT_BYTES_MIN, before = segment_bytes, _writer.SEGMENT_BYTES_MIN
    _writer.SEGMENT_BYTES_MAX, large = segment_bytes, _writer.SEGMENT_BYTES_MAX
    writer = LogWriter(folder, "run", Budget(1 << 30), lambda: 0.0)
    points, requests, step = {}, [], 0
    try:
        for kind, *rest in what:
            if kind == "point":
                writer.point(rest[0], 0.5, 1, step)
                points[step] = rest[0]
                step += 1
            elif kind == "batch":
                writer.point_batch([(key, 0.5, 1, step + n)
                                    for n, key in enumerate(rest[0])])
                points.update({step + n: k for n, k in enumerate(rest[0])})
                step += len(rest[0])
            elif kind == "block":
                steps = range(step, step + rest[1])
                writer.block(rest[0], array.array("q", steps),
                             array.array("q", [1]) * rest[1],
                             array.array("d", [0.5]) * rest[1])
                points.update(dict.fromkeys(steps, rest[0]))
                step += rest[1]
            else:
                request = b"%d" % len(requests) + b"x" * rest[0]
                writer.call("/s/Call", request,
                            rest[0] if kind == "points_call" else 0)
                requests.append(request)
    finally:
        _writer.SEGMENT_BYTES_MIN = before
        _writer.SEGMENT_BYTES_MAX = large
    return points, requests


def damage(folder, damages):
    for number, kind, where, length, extra in damages:
        files = sorted(p for p in folder.iterdir() if p.is_file())
        path = files[number % len(files)]
        data = path.read_bytes()
        at = int(where * len(data))
        after = data[at + length:]
        if kind == "gone":
            if path.name not in ("run", "keys"):
                path.unlink()
            continue
        new = {"flip": lambda: data[:at] + bytes(
                   b ^ 0x55 for b in data[at:at + 3]) + data[at + 3:],
               "zero": lambda: data[:at] + bytes(length) + after,
               "cut": lambda: data[:at],
               "insert": lambda: data[:at] + extra + data[at:],
               "delete": lambda: data[:at] + after,
               "copy": lambda: data[:at] + data[:length] + data[at:],
               "nothing": lambda: data}[kind]()
        if path.name != "run":
            path.write_bytes(new)


def read(folder, frames=None):
    """All points, as (key, step), and requests. `frames` collects how they
    were cut."""
    reader = LogReader(folder)
    points, requests = [], []
    for _ in range(100_000):
        item = reader.next()
        if item is None:
            break
        if isinstance(item, Call):
            requests.append(item.request)
            continue
        for key, (steps, times, values) in item.columns.items():
            assert len(steps) == len(times) == len(values)
            points.extend((reader.key(key), step) for step in steps)
        Dictionary().frame(1, item, reader)
        if frames is not None:
            frames.append(item.end)
    else:
        raise AssertionError("reading does not end")
    assert reader.next() is None
    for act in (reader.is_closed, reader.is_drained, reader.has_ended,
                reader.pending_bytes, reader.remove_done, reader.sync):
        act()
    reader.close()
    return points, requests


@examples
@hypothesis.given(appends)
def test_what_was_written_is_read(what):
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / "1"
        points, requests = write(folder, what)
        found, calls = read(folder)
        assert sorted((step, key) for key, step in found) == sorted(
            points.items())
        assert b"".join(calls) == b"".join(requests)


@examples
@hypothesis.given(appends, damages)
def test_damage_is_survived(what, kinds):
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / "1"
        points, requests = write(folder, what)
        # Something is done, and more was sent.
        reader = LogReader(folder)
        for number in range(1, 4):
            item = reader.next(points_max=7)
            if item is None:
                break
            frame = fmt.Frame(number, item.end, number)
            if number == 1:
                reader.journal.finish(frame)
            else:
                reader.journal.frame(frame)
        reader.close()
        damage(folder, kinds)
        found, calls = read(folder)
        for key, step in found:
            # The name may be lost, but is no other.
            assert points[step] == key or key is None
        whole = b"".join(requests)
        assert all(call in whole for call in calls)


def crafted(kind, payload):
    return fmt.record(kind, payload)


records = st.lists(st.builds(
    crafted, st.integers(0, 15), st.one_of(
        st.binary(max_size=100),
        st.builds(lambda key, count, body: fmt.BLOCK_HEAD.pack(key, count)
                  + body, st.integers(-2**63, 2**63 - 1),
                  st.integers(-2**63, 2**63 - 1), st.binary(max_size=100)),
        st.builds(lambda length, count, body: fmt.CALL_HEAD.pack(length, count)
                  + body, st.integers(0, 65535), st.integers(0, 65535),
                  st.binary(max_size=100)))), max_size=20)


@examples
@hypothesis.given(records, records, st.integers(0, 2**64 - 1),
                  st.integers(0, 2**64 - 1))
def test_records_that_nobody_writes_are_survived(body, names, committed,
                                                 state):
    """With CRCs that are right."""
    data = b"".join(body)
    for end in (committed, fmt.HEADER_BYTES + len(data)):
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch) / "1"
            folder.mkdir()
            (folder / "run").write_text("run")
            (folder / "keys").write_bytes(b"".join(names))
            head = fmt.HEADER.pack(fmt.MAGIC, end, state)
            fmt.segment_path(folder, 1).write_bytes(
                head.ljust(fmt.HEADER_BYTES, b"\0") + data)
            read(folder)


@examples
@hypothesis.given(st.lists(st.tuples(
    st.integers(0, 3), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1)), max_size=10), st.binary(max_size=80))
def test_any_journal_is_survived(lines, rest):
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / "1"
        write(folder, [("point", "a")] * 30)
        path = folder / "journal"
        data = b""
        for line in lines:
            packed = fmt.JOURNAL.pack(0, *line)
            data += fmt.CRC.pack(_reader.zlib.crc32(packed[4:])) + packed[4:]
        path.write_bytes(data + rest)
        read(folder)
        journal = Journal(path)
        frame = fmt.Frame(7, fmt.START + 40, 1)
        journal.finish(frame)
        journal.close()
        again = Journal(path)
        assert again.done == frame
        again.close()


def test_a_journal_whose_last_line_is_damaged_goes_on(tmp_path):
    """As a crash of the machine leaves it: a line of zeros."""
    path = tmp_path / "journal"
    journal = Journal(path)
    first, second = (fmt.Frame(n, fmt.START + n * 40, n) for n in (1, 2))
    journal.finish(first)
    journal.close()
    path.write_bytes(path.read_bytes() + bytes(fmt.JOURNAL.size))
    torn = Journal(path)
    torn.finish(second)
    torn.close()
    again = Journal(path)
    assert again.done == second
    again.close()


def test_points_are_sound_in_frames_that_are_cut_anywhere(tmp_path):
    points, _ = write(tmp_path / "1", [
        ("batch", KEYS), ("block", "a", 50), ("point", "b")] * 3)
    for most in range(1, 60, 7):
        reader = LogReader(tmp_path / "1")
        found = []
        while isinstance(item := reader.next(points_max=most), Points):
            for key, (steps, _, _) in item.columns.items():
                found.extend((step, reader.key(key)) for step in steps)
        reader.close()
        assert sorted(found) == sorted(points.items())
