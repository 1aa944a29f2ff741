"""Bytes that change on the disk while the server is down: it does not start,
and says why, or answers what needs them with an error, or its log says what is
gone. It never serves them."""

import re
import shutil
import time

import evidence
import faulty_disk as fd
import pytest
from doors import ApiError
from model import Lost

# How a server says that it cannot read.
CANNOT_READ = {"INTERNAL_ERROR", "DATA_LOSS", "TEMPORARILY_UNAVAILABLE"}
PAGE_BYTES = 4096
# What the log says of metrics that it leaves out.
LEFT_OUT = "The log of the metric store cannot be read to its end"


class Damaged:
    """A data folder that is damaged again and again, from the same state."""

    def __init__(self, rig, folder, how):
        self.rig = rig
        rig.start().add_writers()
        rig.write(lambda: time.sleep(0.5))
        if how == "stopped":
            assert rig.server.stop() == 0
            rig.start()
            rig.check()  # nothing is open
            assert rig.server.stop() == 0
        else:
            rig.server.kill()
        self._whole = folder / "whole"
        shutil.copytree(rig.data, self._whole, ignore=fd.SOCKETS)
        rig.disk.forget()

    def files(self, pattern):
        return sorted(p.relative_to(self._whole)
                      for p in self._whole.glob(pattern) if p.stat().st_size)

    def after(self, name, change):
        """What becomes of a file to which change(open file) is done:
        "refused" by the start, "errors" of calls, "told" by the log, or
        "unseen": all is there."""
        shutil.rmtree(self.rig.data)
        shutil.copytree(self._whole, self.rig.data)
        self.rig.disk.forget()
        with (self.rig.data / name).open("r+b") as file:
            change(file)
        self.rig.note(evidence.FAULTS)
        log_before = len(self.rig.server.log())
        try:
            self.rig.start()
        except RuntimeError:
            assert self.rig.server.exit_status == 1, self.rig.server.log()
            assert "millstream: " in self.rig.server.log()[log_before:]
            return "refused"
        try:
            return self._ask(log_before)
        finally:
            assert self.rig.server.is_running(), self.rig.server.log()
            self.rig.server.kill()

    def with_bytes(self, name, at, data):
        def change(file):
            file.seek(at)
            file.write(data)

        return self.after(name, change)

    def flip(self, name, at):
        old = self.bytes_of(name)[at]
        return self.with_bytes(
            name, at, bytes([old ^ 1 << self.rig.seeded.randint(0, 7)]))

    def bytes_of(self, name):
        return (self._whole / name).read_bytes()

    def size(self, name):
        return (self._whole / name).stat().st_size

    def _ask(self, log_before):
        outcome = "unseen"
        for each in self.rig.everybody:
            for door in self.rig.doors_open():
                try:
                    each.check(door, everything=True, settle=False)
                except ApiError as error:
                    assert error.code in CANNOT_READ, error
                    assert str(self.rig.folder) not in error.message
                    outcome = "errors"
                except Lost:
                    if LEFT_OUT not in self.rig.server.log()[log_before:]:
                        raise
                    return "told"
        return outcome


@pytest.fixture
def damaged(make_rig, tmp_path):
    """damaged(how): of a server that was "stopped" or "killed"."""
    return lambda how: Damaged(make_rig(), tmp_path, how)


def test_damaged_pages_of_sqlite_are_never_served(damaged):
    store = damaged("stopped")
    seeded = store.rig.seeded
    pages = store.size("millstream.db") // PAGE_BYTES
    outcomes = []
    for page in [0, *seeded.sample(range(1, pages), 9)]:
        outcomes.append(store.with_bytes(
            "millstream.db", page * PAGE_BYTES, seeded.randbytes(PAGE_BYTES)))
    print(outcomes)
    assert outcomes[0] == "refused"
    assert "errors" in outcomes or outcomes.count("refused") > 1
    store.rig.tell()


def test_a_changed_value_of_sqlite_is_never_served(damaged):
    store = damaged("stopped")
    seeded = store.rig.seeded
    database = store.bytes_of("millstream.db")
    values = [found.end() - 1 for found in re.finditer(
        rb"mlflow-artifacts:/\d+/[0-9a-f]{32}", database)]
    for at in seeded.sample(values, 5):
        outcome = store.flip("millstream.db", at)
        assert outcome in ("refused", "errors")
        if outcome == "errors":
            assert f"page {at // PAGE_BYTES + 1} is damaged" in (
                store.rig.server.log())
    # Of what nobody needs nothing is said; never is a wrong answer given.
    outcomes = [store.flip("millstream.db", seeded.randrange(len(database)))
                for _ in range(5)]
    print(outcomes)
    store.rig.tell()


@pytest.mark.parametrize("pattern", ["metrics/*.sst", "metrics/MANIFEST-*",
                                     "metrics/CURRENT"])
def test_damaged_files_of_rocksdb_are_never_served(damaged, pattern):
    store = damaged("stopped")
    seeded = store.rig.seeded
    outcomes = []
    name = max(store.files(pattern), key=store.size)
    for _ in range(6):
        outcomes.append(store.flip(name, seeded.randrange(store.size(name))))
    print(outcomes)
    assert outcomes.count("unseen") < len(outcomes) / 2
    store.rig.tell()


def test_a_damaged_log_of_sqlite_keeps_the_server_from_starting(damaged):
    store = damaged("killed")
    seeded = store.rig.seeded
    size = store.size("millstream.db-wal")
    for at in [seeded.randrange(32), *(
            seeded.randrange(size * 3 // 4) for _ in range(4))]:
        assert store.flip("millstream.db-wal", at) == "refused", at
    assert "log" in store.rig.server.log()
    store.rig.tell()


def test_a_damaged_log_of_rocksdb_is_told(damaged):
    store = damaged("killed")
    seeded = store.rig.seeded
    name = max(store.files("metrics/*.log"), key=store.size)
    outcomes = [store.flip(name, seeded.randrange(store.size(name) * 3 // 4))
                for _ in range(5)]
    print(outcomes)
    assert set(outcomes) <= {"refused", "told"}
    store.rig.tell()


@pytest.mark.parametrize("pattern", ["metrics/MANIFEST-*", "metrics/CURRENT",
                                     "metrics/*.sst", "millstream.db"])
def test_a_file_cut_short_is_noticed(damaged, pattern):
    store = damaged("stopped")
    name = max(store.files(pattern), key=store.size)
    outcome = store.after(name,
                          lambda file: file.truncate(store.size(name) // 2))
    assert outcome in ("refused", "errors")
    store.rig.tell()
