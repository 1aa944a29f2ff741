"""Signal handlers that log, or raise, at every point of the writer's code.

A trace function that acts at the n-th instruction of _writer.py is a handler
that comes there; which instructions a real one can come at depends on Python's
version. Each test run takes every fourth; with MILLSTREAM_TEST_STRIDE=1 all.
"""

import array
import itertools
import os
import random
import sys

import pytest
from millstream import _reader, _writer
from millstream._reader import Call, LogReader
from millstream._writer import Budget, LogWriter


STRIDE = int(os.environ.get("MILLSTREAM_TEST_STRIDE", "4"))


def instructions():
    for at in itertools.count(random.randint(1, STRIDE), STRIDE):
        print(f"interrupted at instruction {at}")
        yield at


class Interrupt(BaseException):
    """What a handler raises."""


@pytest.fixture(autouse=True)
def small_segments(monkeypatch):
    # So that few records need several.
    monkeypatch.setattr(_writer, "SEGMENT_BYTES_MIN", 4096)
    monkeypatch.setattr(_writer, "SEGMENT_BYTES_MAX", 4096)


@pytest.fixture
def make_writer(tmp_path):
    numbers = itertools.count(1)
    return lambda: LogWriter(tmp_path / str(next(numbers)), "run",
                             Budget(1 << 30), lambda: 0.0)


def interrupted(act, at, handle):
    """Calls `handle` at the `at`-th instruction that `act` runs in the writer;
    False if there are not so many."""
    count = itertools.count(1)
    done = []

    def trace(frame, event, _):
        if frame.f_code.co_filename != _writer.__file__:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode" and next(count) == at:
            sys.settrace(None)
            done.append(frame)
            handle()
        return trace

    sys.settrace(trace)
    try:
        act()
    except Interrupt:
        pass
    finally:
        sys.settrace(None)
    return bool(done)


def read(writer):
    """Steps by name, and requests, as the sender takes them."""
    reader = LogReader(writer.folder)
    steps, requests = {}, []
    while (item := reader.next()) is not None:
        if isinstance(item, Call):
            requests.append(item.request)
        else:
            for key, (numbers, _, _) in item.columns.items():
                steps.setdefault(reader.key(key), []).extend(numbers)
    assert reader.lost_bytes == 0
    # All that was promised can be waited for.
    assert reader.position >= writer.position
    reader.close()
    return steps, requests


def log_batch(writer):
    writer.point_batch([("x", 1.0, 0, 1), ("y", 1.0, 0, 1), ("a", 1.0, 0, 2)])


def log_array(writer):
    writer.block("z", array.array("q", [1, 2]), array.array("q", [0, 0]),
                 array.array("d", [1.0, 2.0]))


APPENDS = [
    lambda writer: writer.point("a", 1.0, 0, 2),
    lambda writer: writer.point("b", 1.0, 0, 1),
    log_batch, log_array,
    # Does not fit into the segment that there is.
    lambda writer: writer.call("/s/Big", bytes(4000)),
    lambda writer: writer.call("/s/Tag", b"main"),
]


@pytest.mark.parametrize("append", APPENDS)
def test_a_handler_that_raises_spoils_nothing(make_writer, append):
    for at in instructions():
        writer = make_writer()
        writer.point("a", 1.0, 0, 1)

        def handle():
            raise Interrupt

        more = interrupted(lambda: append(writer), at, handle)
        for number, key in enumerate("cdbza"):
            writer.point(key, 1.0, 0, 10 + number)
        writer.call("/s/Tag", b"after")
        writer.close()
        steps, requests = read(writer)
        for number, key in enumerate("cdbza"):
            assert steps[key][-1] == 10 + number
        # What was interrupted is there or is not; nothing else is.
        assert requests[-1] == b"after" and len(requests) <= 2
        assert steps["c"] == [10] and steps["d"] == [11]
        assert steps["b"] in ([12], [1, 12])
        assert steps["z"] in ([13], [1, 2, 13])
        assert steps["a"] in ([1, 14], [1, 2, 14])
        assert (steps.keys() == set("abcdz")
                or append is log_batch and steps.keys() == set("abcdzxy"))
        if not more:
            break


def end(writer, done):
    writer.point("end", 1.0, 0, 1)
    writer.call("/s/End", b"end")
    writer.close()
    done.append("closed")


def log_all(writer, done):
    writer.point("a", 1.0, 0, 5)
    writer.point("new", 1.0, 0, 1)
    writer.point_batch([("batch", 1.0, 0, 1)])
    writer.call("/s/Tag", b"handler")
    writer.block("block", array.array("q", [7]), array.array("q", [0]),
                 array.array("d", [1.0]))
    done.append(writer.position)


@pytest.mark.parametrize("handler", [log_all, end])
@pytest.mark.parametrize("append", APPENDS)
def test_a_handler_that_logs_loses_nothing(make_writer, append, handler):
    calm = make_writer()
    calm.point("a", 1.0, 0, 1)
    append(calm)
    steps, requests = read(calm)
    for at in instructions():
        writer = make_writer()
        writer.point("a", 1.0, 0, 1)
        done = []

        def handle():
            handler(writer, done)

        try:
            more = interrupted(lambda: append(writer), at, handle)
        except ValueError as error:
            # The handler had closed the log before anything was appended.
            assert handler is end and "closed" in str(error)
            continue
        if not more:
            break
        if handler is log_all:
            writer.close()
        found, calls = read(writer)
        wanted = dict(steps)
        if handler is log_all:
            wanted.update(new=[1], batch=[1], block=[7],
                          a=sorted(steps["a"] + [5]))
        else:
            wanted["end"] = [1]
        assert {k: sorted(v) for k, v in found.items()} == wanted
        assert sorted(calls) == sorted(
            requests + [b"handler" if handler is log_all else b"end"])


def test_a_name_that_was_written_without_being_used_harms_none(
        make_writer, monkeypatch):
    writer = make_writer()
    writer.point("a", 1.0, 0, 1)
    write = os.write

    def interrupted_write(fd, data):
        write(fd, data)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "write", interrupted_write)
    with pytest.raises(KeyboardInterrupt):
        writer.point("b", 1.0, 0, 2)
    monkeypatch.setattr(os, "write", write)
    writer.point("c", 1.0, 0, 3)
    writer.point("b", 1.0, 0, 4)
    assert read(writer)[0] == {"a": [1], "c": [3], "b": [4]}


def test_half_a_name_is_taken_back(make_writer, monkeypatch):
    writer = make_writer()
    writer.point("a", 1.0, 0, 1)
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:-3]))
    writer.point("b", 1.0, 0, 2)
    monkeypatch.setattr(os, "write", write)
    assert writer.dropped == 1
    writer.point("c", 1.0, 0, 3)
    writer.point("b", 1.0, 0, 4)
    assert read(writer)[0] == {"a": [1], "c": [3], "b": [4]}


def test_names_of_the_first_version_are_read(make_writer):
    from millstream import _format as fmt
    writer = make_writer()
    writer.point("a", 1.0, 0, 1)
    writer.point("b", 1.0, 0, 2)
    (writer.folder / "keys").write_bytes(
        fmt.record(fmt.NAME, b"a") + fmt.record(fmt.NAME, b"b"))
    assert read(writer)[0] == {"a": [1], "b": [2]}
