"""A server on a disk that fails (faulty_disk.py), and writers (model.py)."""

import collections
import random
import threading

import evidence
import pytest
from doors import GrpcDoor, RestDoor
from faulty_disk import FaultyDisk
from model import Lost, StreamWriter, Writer, write_all

import harness

WRITERS = 3


def pytest_collection_modifyitems(items):
    if harness.REFERENCE or harness.BACKEND:
        skip = pytest.mark.skip(reason="of our own store")
        for item in items:
            if "/tests/crash/" in str(item.path):
                item.add_marker(skip)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """What was lost is told."""
    report = yield
    if report.failed and call.excinfo.errisinstance(Lost):
        evidence.add("crash", {evidence.LOST: call.excinfo.value.missing})
    return report


class Rig:
    """A server, its disk, and those who write to it."""

    def __init__(self, folder, seed, *flags):
        self.folder = folder
        self.seed = seed
        self.seeded = random.Random(seed)
        self.data = folder / "data"
        self.disk = FaultyDisk(folder / "disk", self.data)
        self.server = harness.Server(folder, *flags,
                                     environment=self.disk.environment())
        self.experiment = None
        self.writers = []
        self.streams = []
        self._probes = 0
        self._doors = []
        self._doors_of = None
        self._figures = collections.Counter()

    def start(self):
        self.server.start()
        return self

    def doors_open(self):
        """One of each kind to the server that runs."""
        if self._doors_of != self.server.pid:
            self.close_doors()
            self._doors = [RestDoor(self.server), GrpcDoor(self.server)]
            self._doors_of = self.server.pid
        return self._doors

    def close_doors(self):
        for door in self._doors:
            door.close()
        self._doors = []

    def add_writers(self):
        rest, grpc = self.doors_open()
        self.experiment = rest.call("CreateExperiment", {"name": "crash"})[
            "experiment_id"]
        self.writers = [Writer(i, self.seed, self.experiment)
                        for i in range(WRITERS)]
        run = grpc.call("CreateRun", {"experiment_id": self.experiment})
        self.streams = [StreamWriter(0, run["run"]["info"]["run_id"])]
        return self

    @property
    def everybody(self):
        return [*self.writers, *self.streams]

    def write(self, until):
        """All write until until(seconds) returns; what they meet that no fault
        explains is raised."""
        stop = threading.Event()
        rest, grpc = self.doors_open()
        doors = [(rest, grpc)[i % 2] for i in range(len(self.writers))]
        threads = write_all(self.everybody,
                            [*doors, *[grpc] * len(self.streams)], stop)
        try:
            until()
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)
        assert not any(thread.is_alive() for thread in threads), (
            "a call does not end")
        for each in self.everybody:
            if each.error is not None:
                raise each.error

    def probe(self, door):
        """A commit of SQLite."""
        self._probes += 1
        door.call("SetExperimentTag", {
            "experiment_id": "0", "key": "probe", "value": str(self._probes)})

    def check(self, everything=False):
        """The server has what was acknowledged, and halves of nothing. Said
        through a door that the seed chooses."""
        # What is read from here on is on the disk.
        self.probe(self.doors_open()[0])
        self.read(everything, settle=True)

    def read(self, everything=False, settle=False):
        """The same, of a server that cannot write: what is open stays open."""
        for each in self.everybody:
            each.check(self.seeded.choice(self.doors_open()), everything,
                       settle)

    def end(self):
        """The last check, of everything; what was done goes into the table."""
        self.check(everything=True)
        self.tell()

    def tell(self):
        """Of a test that has found nothing lost: it would have ended by
        Lost."""
        self.note(evidence.WRITES,
                  sum(each.acknowledged for each in self.everybody))
        evidence.add("crash", {**self._figures, evidence.LOST: 0})

    def note(self, row, count=1):
        self._figures[row] += count

    def power_cut(self, how):
        self.note(evidence.CRASHES_SURVIVED)
        return self.disk.power_cut(self.seeded, how)


@pytest.fixture
def make_rig(tmp_path):
    """make_rig(*flags, seed=...): not yet started."""
    made = []

    def make(*flags, seed=harness.SEED):
        folder = tmp_path / f"rig{len(made)}"
        folder.mkdir()
        made.append(Rig(folder, seed, *flags))
        return made[-1]

    yield make
    for rig in made:
        rig.close_doors()
        rig.server.kill()


@pytest.fixture
def rig(make_rig):
    return make_rig().start()
