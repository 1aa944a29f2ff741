"""The spool's files: what is written is read, and damage stays small."""

import array
import mmap
import os
import pathlib
import sys
import threading

import pytest
from millstream import _format as fmt
from millstream._reader import Call, Journal, LogReader, Points
from millstream._writer import Budget, LogWriter, SpoolFull


@pytest.fixture
def writer(tmp_path):
    return LogWriter(tmp_path / "1", "run", Budget(1 << 30), lambda: 0.0)


def write(writer, count, first=0, key="m"):
    for step in range(first, first + count):
        writer.point(key, float(step), step, step)


def read(folder, finish=False):
    """Steps by name, and calls, that are there to be sent."""
    reader = LogReader(folder)
    steps, calls = {}, []
    while (item := reader.next()) is not None:
        if isinstance(item, Call):
            calls.append((item.path, item.request))
        else:
            for key, (numbers, _, _) in item.columns.items():
                steps.setdefault(reader.key(key), []).extend(numbers)
        if finish:
            reader.journal.finish(fmt.Frame(1, reader.position,
                                            reader.points))
    lost = reader.lost_bytes
    reader.close()
    return steps, calls, lost


@pytest.fixture
def forced(monkeypatch):
    """Names of the files and folders that are forced to the disk."""
    names = []

    def noting(force):
        def note(fd):
            names.append(pathlib.Path(os.readlink(f"/proc/self/fd/{fd}")).name)
            force(fd)
        return note

    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, noting(getattr(os, name)))
    return names


def segments(folder):
    return sorted(folder.glob("*.seg"))


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0xff
    path.write_bytes(data)


def test_a_log_is_forced_to_the_disk_with_its_names(writer, forced):
    write(writer, 3)
    reader = LogReader(writer.folder)
    reader.sync()
    # Points are nothing without the names of their metrics.
    assert forced == ["keys", "run",
                      *(path.name for path in segments(writer.folder)),
                      writer.folder.name]
    assert len(forced) == 4


def test_what_was_sent_is_forced_to_the_disk(writer, forced):
    write(writer, 3)
    reader = LogReader(writer.folder)
    reader.next()
    reader.journal.finish(fmt.Frame(1, reader.position, reader.points))
    reader.journal.sync()
    assert forced == ["journal"]


def test_records_are_read_in_the_order_they_were_written(writer):
    write(writer, 3)
    writer.call("/a/B", b"one")
    writer.point_batch([("x", 1.0, 0, 7), ("m", 1.0, 0, 3), ("x", 2.0, 0, 8)])
    writer.block("y", array.array("q", [1, 2]), array.array("q", [0, 0]),
                 array.array("d", [0.5, 0.25]))
    writer.call("/a/C", b"")
    reader = LogReader(writer.folder)
    points = reader.next()
    assert points.columns == {0: ([0, 1, 2], [0, 1, 2], [0.0, 1.0, 2.0])}
    assert (reader.next().path, reader.next().columns) == ("/a/B", {
        1: ([7, 8], [0, 0], [1.0, 2.0]), 0: ([3], [0], [1.0]),
        2: ([1, 2], [0, 0], [0.5, 0.25])})
    assert reader.next().path == "/a/C"
    assert reader.next() is None and not reader.is_closed()
    write(writer, 1, first=9)
    assert reader.next().columns == {0: ([9], [9], [9.0])}
    writer.close()
    assert reader.next() is None and reader.is_closed()


def test_another_process_reads_all_while_it_is_written(tmp_path):
    """As the sender does, which never waits for the writer."""
    count = 100_000
    child = os.fork()
    if child == 0:
        try:
            log = LogWriter(tmp_path / "1", "run", Budget(1 << 30),
                            lambda: 0.0)
            write(log, count)
            log.close()
        finally:
            os._exit(0)
    while not (tmp_path / "1" / "run").exists():
        assert os.waitpid(child, os.WNOHANG)[0] == 0
    reader = LogReader(tmp_path / "1")
    steps = []
    # It asks first whether it is closed: then nothing may be left.
    while not reader.is_closed():
        points = reader.next(points_max=50)
        if points is not None:
            for numbers, timestamps, values in points.columns.values():
                assert numbers == timestamps == values
                steps += numbers
    os.waitpid(child, 0)
    assert steps == [*range(count)]
    assert reader.lost_bytes == 0


def test_a_log_that_is_seen_has_its_run(tmp_path):
    """A sender may look at any moment of its making."""
    seen = []
    ended = threading.Event()

    def look():
        while not ended.is_set():
            for log in fmt.log_folders(tmp_path):
                if log.name not in known:
                    known.add(log.name)
                    seen.append((log / "run").read_text())

    known = set()
    looker = threading.Thread(target=look)
    looker.start()
    switched = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(200):
            LogWriter(tmp_path / str(number), "a run", Budget(1 << 20),
                      lambda: 0).close()
    finally:
        sys.setswitchinterval(switched)
        ended.set()
        looker.join()
    assert set(seen) == {"a run"}


def test_words_are_read_as_they_were_written():
    mapped = mmap.mmap(-1, mmap.PAGESIZE)
    words = fmt.words(mapped)
    values = 0x01ff, 0x1_0000_0000, 0xfe00
    child = os.fork()
    if child == 0:
        while words[0] == 0:
            for value in values:
                words[1] = fmt.word(value)
        os._exit(0)
    while words[1] == 0:
        pass
    seen = {fmt.word(words[1]) for _ in range(300_000)}
    words[0] = 1
    os.waitpid(child, 0)
    assert seen <= set(values)


def test_what_is_not_whole_yet_is_awaited(writer, monkeypatch):
    monkeypatch.setattr("millstream._reader.DOUBT_SECONDS", 1e9)
    write(writer, 1)
    reader = LogReader(writer.folder)
    assert reader.next().count == 1
    write(writer, 3, first=1)
    [path] = segments(writer.folder)
    at = fmt.HEADER_BYTES + 2 * fmt.POINT_BYTES + 20
    flip(path, at)
    assert reader.next().columns == {0: ([1], [1], [1.0])}
    assert reader.next() is None and not reader.lost_bytes
    flip(path, at)
    assert reader.next().columns == {0: ([2, 3], [2, 3], [2.0, 3.0])}
    # What never becomes whole is damaged.
    write(writer, 1, first=4)
    flip(path, at + 2 * fmt.POINT_BYTES)
    assert reader.next() is None
    monkeypatch.setattr("millstream._reader.DOUBT_SECONDS", 0)
    assert reader.next() is None
    assert reader.lost_bytes == fmt.POINT_BYTES


def test_what_comes_in_the_middle_of_the_end_goes_elsewhere(tmp_path):
    """As from a signal handler: it belongs into the run's next log."""
    later = LogWriter(tmp_path / "2", "run", Budget(1 << 30), lambda: 0.0)
    log = LogWriter(tmp_path / "1", "run", Budget(1 << 30), lambda: 0.0,
                    lambda act: act(later))
    write(log, 1)
    commit = log._commit

    def interrupted():
        commit()
        if not log._busy:  # before the end begins
            return
        write(log, 1, first=1)
        log.point_batch([("b", 1.0, 0, 2)])
        log.block("c", *(array.array(code, [3]) for code in "qqd"))
        log.call("/a/B", b"")
        log.close()

    log._commit = interrupted
    log.close()
    assert read(log.folder)[:2] == ({"m": [0]}, [])
    assert read(later.folder)[:2] == (
        {"m": [1], "b": [2], "c": [3]}, [("/a/B", b"")])


def test_requests_that_log_points_are_merged(writer):
    for number in range(3):
        writer.call("/s/LogBatch", bytes([number]), points=400)
    reader = LogReader(writer.folder)
    assert [reader.next().request for _ in range(2)] == [b"\0\1", b"\2"]
    assert reader.points == 1200


def test_frames_end_where_they_ended_before(writer):
    write(writer, 20_000)
    reader = LogReader(writer.folder)
    first = reader.next(points_max=7000)
    second = reader.next()
    frames = [fmt.Frame(1, first.end, 7000),
              fmt.Frame(2, second.end, reader.points)]
    for frame in frames:
        reader.journal.frame(frame)
    reader.close()
    again = LogReader(writer.folder)
    assert again.journal.sent == frames
    for frame, points in zip(frames, (first, second)):
        assert again.next(until=frame.end, points_max=1 << 60) == points
    again.journal.finish(frames[0])
    again.close()
    assert LogReader(writer.folder).next(until=second.end) == second


def test_a_log_is_drained_when_what_was_taken_is_done(writer):
    write(writer, 1)
    writer.call("/a/B", b"one")
    reader = LogReader(writer.folder)
    assert not reader.is_drained()
    for _ in range(2):
        item = reader.next()
        assert not reader.is_drained()
        reader.journal.finish(fmt.Frame(1, item.end, 1))
    assert reader.is_drained()


def test_segments_go_when_all_in_them_is_done(writer):
    write(writer, 50_000)
    assert len(segments(writer.folder)) > 1
    reader = LogReader(writer.folder)
    while reader.next() is not None:
        pass
    reader.journal.finish(fmt.Frame(1, reader.position, 50_000))
    reader.remove_done()
    assert len(segments(writer.folder)) == 1
    assert reader.pending_bytes() == 0


@pytest.mark.parametrize("end", [
    fmt.HEADER_BYTES + 90 * fmt.POINT_BYTES + cut
    for cut in (0, 1, 7, 8, 39)] + [fmt.HEADER_BYTES, 10, 0])
def test_a_torn_tail_is_left_out(writer, end):
    write(writer, 100)
    path = segments(writer.folder)[0]
    data = path.read_bytes()
    path.write_bytes(data[:end].ljust(len(data), b"\0"))
    whole = max(0, end - fmt.HEADER_BYTES) // fmt.POINT_BYTES
    if end < fmt.HEADER_BYTES:
        os.truncate(path, end)
    steps, _, lost = read(writer.folder)
    assert steps.get("m", []) == list(range(whole))
    assert lost == (10 + 90 - whole) * fmt.POINT_BYTES or whole == 0


def test_what_follows_damage_in_a_segment_is_lost_and_no_more(writer):
    write(writer, 50_000)
    writer.call("/a/B", b"last")
    first = segments(writer.folder)[0]
    flip(first, fmt.HEADER_BYTES + 500 * fmt.POINT_BYTES + 20)
    in_first = (fmt.HEADER.unpack_from(first.read_bytes())[1]
                - fmt.HEADER_BYTES) // fmt.POINT_BYTES
    steps, calls, lost = read(writer.folder)
    assert steps["m"] == [*range(500), *range(in_first, 50_000)]
    assert calls == [("/a/B", b"last")]
    assert lost == (in_first - 500) * fmt.POINT_BYTES


def test_a_segment_that_is_missing_is_passed_over(writer):
    write(writer, 50_000)
    paths = segments(writer.folder)
    paths[0].unlink()
    flip(paths[1], 0)
    assert read(writer.folder)[0]["m"][-1] == 49_999


def test_names_that_were_lost_take_their_points_with_them(writer):
    from millstream._reader import Dictionary
    write(writer, 5, key="first")
    write(writer, 5, key="second")
    path = writer.folder / "keys"
    path.write_bytes(path.read_bytes()[:-9])
    reader = LogReader(writer.folder)
    frame = Dictionary().frame(1, reader.next(), reader).frame
    assert frame.new_keys == ["first"] and len(frame.columns) == 1
    assert reader.lost_bytes == 5 * fmt.POINT_BYTES


@pytest.mark.parametrize("cut", [1, 8, 31])
def test_a_journal_that_was_torn_goes_on(tmp_path, cut):
    path = tmp_path / "journal"
    journal = Journal(path)
    frames = [fmt.Frame(n, 1 << 32 | n * 100, n) for n in range(1, 4)]
    for frame in frames:
        journal.frame(frame)
    journal.finish(frames[0])
    journal.close()
    path.write_bytes(path.read_bytes()[:-cut])
    torn = Journal(path)
    assert torn.done == fmt.Frame(0, fmt.START, 0) and torn.sent == frames
    torn.finish(frames[1])
    torn.close()
    again = Journal(path)
    assert again.done == frames[1] and again.sent == frames[2:]


def test_a_journal_stays_small(tmp_path, monkeypatch):
    monkeypatch.setattr("millstream._reader.JOURNAL_BYTES_MAX", 1000)
    journal = Journal(tmp_path / "journal")
    for number in range(1, 200):
        frame = fmt.Frame(number, 1 << 32 | number * 40, number)
        journal.frame(frame)
        journal.finish(frame)
    assert (tmp_path / "journal").stat().st_size <= 1064
    assert Journal(tmp_path / "journal").done.number == 199


def test_a_full_spool_keeps_calls_for_longer_than_points(tmp_path):
    budget = Budget(64 * 1024)
    writer = LogWriter(tmp_path / "1", "run", budget, lambda: 0.0)
    write(writer, 5000)
    kept = writer.points
    assert 0 < kept < 5000 and writer.dropped == 5000 - kept
    writer.call("/a/B", bytes(100_000))
    with pytest.raises(SpoolFull):
        for _ in range(1000):
            writer.call("/a/B", bytes(1_000_000))
    steps, calls, _ = read(writer.folder)
    assert steps["m"] == list(range(kept)) and calls


def test_a_full_disk_is_a_full_spool(tmp_path, monkeypatch):
    def no_space(*_):
        raise OSError(28, "No space left on device")

    writer = LogWriter(tmp_path / "1", "run", Budget(1 << 30), lambda: 0.0)
    write(writer, 10)
    monkeypatch.setattr(os, "posix_fallocate", no_space)
    write(writer, 10_000, first=10)
    assert writer.dropped and writer.points + writer.dropped == 10_010
    assert len(segments(writer.folder)) == 1


def test_a_writer_waits_for_space_when_it_may(tmp_path):
    asked = []

    def full_wait():
        asked.append(1)
        for path in segments(pathlib.Path(tmp_path / "1"))[:-1]:
            path.unlink()  # as the sender does
        return 5.0

    writer = LogWriter(tmp_path / "1", "run", Budget(64 * 1024), full_wait)
    write(writer, 5000)
    assert asked and writer.dropped == 0 and writer.points == 5000


def test_points_are_whole_or_not_there(writer):
    with pytest.raises(Exception):
        writer.point_batch([("a", 1.0, 0, 0), ("b", "no number", 0, 0)])
    with pytest.raises(Exception):
        writer.point("a", 1.0, 0, 1 << 63)
    assert read(writer.folder) == ({}, [], 0)
    assert isinstance(LogReader(writer.folder).next(), (Points, type(None)))


def test_locks_end_with_their_folder(tmp_path):
    lock, other = (fmt.Lock(tmp_path / "lock") for _ in range(2))
    assert lock.take() and not other.take() and not other.is_free()
    (tmp_path / "lock").unlink()
    assert other.take()
    lock.release()
    assert not fmt.Lock(tmp_path / "lock").is_free()
