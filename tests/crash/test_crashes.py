"""The server dies, at random and at chosen moments, and with it, often, the
power of its machine: what it acknowledged is there after a restart, and halves
of nothing.

MILLSTREAM_ROUNDS is how often (100 are a long test), MILLSTREAM_SEED what is
written and where it dies: another one in each run, in which each of KINDS has
its turn.
"""

import collections
import http.client
import itertools
import os
import re
import shutil
import signal
import sqlite3
import time

import evidence
import faulty_disk as fd
import pytest
from doors import ApiError
from model import Lost

import harness

ROUNDS = int(os.environ.get("MILLSTREAM_ROUNDS", "12"))
# Steps of a start that are cut off, of all there are.
STEPS = max(ROUNDS, 8)
# Stops that leave a table each, until RocksDB merges them.
STOPS_MAX = 20
NEVER = 10 ** 6
PATIENCE_SECONDS = 60

Point = collections.namedtuple("Point", "events pattern action most")

SQLITE_LOG, ROCKSDB_LOG = "millstream.db-wal", "metrics/*.log"
# Where it dies while everybody writes: at one of the first `most` events.
WRITING = [
    Point(fd.SYNC, SQLITE_LOG, fd.KILL_BEFORE, 60),
    # Between the two stores: SQLite has the batch, RocksDB does not.
    Point(fd.SYNC, SQLITE_LOG, fd.KILL_AFTER, 60),
    Point(fd.WRITE, SQLITE_LOG, fd.KILL_AMID, 150),
    Point(fd.WRITE, SQLITE_LOG, fd.KILL_AFTER, 150),
    Point(fd.SYNC, ROCKSDB_LOG, fd.KILL_BEFORE, 60),
    Point(fd.SYNC, ROCKSDB_LOG, fd.KILL_AFTER, 60),
    Point(fd.WRITE, ROCKSDB_LOG, fd.KILL_BEFORE, 100),
    Point(fd.WRITE, ROCKSDB_LOG, fd.KILL_AMID, 100),
]
# While it stops: the log is copied into the database, RocksDB writes tables.
STOPPING = [
    Point(fd.WRITE, "millstream.db", fd.KILL_AMID, 20),
    Point(fd.SYNC, "millstream.db", fd.KILL_BEFORE, 1),
    Point(fd.SYNC, "millstream.db", fd.KILL_AFTER, 1),
    Point(fd.SYNC, "metrics/*.sst", fd.KILL_BEFORE, 1),
    Point(fd.SYNC, "metrics/*.sst", fd.KILL_AFTER, 1),
    Point(fd.SYNC, "metrics/MANIFEST-*", fd.KILL_BEFORE, 1),
    Point(fd.UNLINK, "*", fd.KILL_AFTER, 3),
    Point(fd.CHANGES, "*", fd.KILL_BEFORE, 40),
]
# While it starts: logs are replayed, tables compacted, old files removed.
STARTING = [
    Point(fd.CHANGES, "*", fd.KILL_BEFORE, 40),
    Point(fd.SYNC, "*", fd.KILL_AFTER, 12),
    Point(fd.RENAME, "metrics/CURRENT", fd.KILL_AFTER, 1),
    Point(fd.SYNC, "metrics/*.sst", fd.KILL_AFTER, 2),
]
# While tables are merged.
COMPACTING = [
    Point(fd.CREATE, "metrics/*.sst", fd.KILL_AFTER, 1),
    Point(fd.WRITE, "metrics/*.sst", fd.KILL_AMID, 1),
    Point(fd.SYNC, "metrics/*.sst", fd.KILL_BEFORE, 1),
    Point(fd.SYNC, "metrics/*.sst", fd.KILL_AFTER, 1),
    Point(fd.UNLINK, "metrics/*.sst", fd.KILL_BEFORE, 1),
]
POWER_CUTS = ["all", "last", "some"]


def arm(rig, point):
    return rig.disk.rule(point.events, point.pattern, point.action,
                         skip=rig.seeded.randrange(point.most), times=1)


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)


# Each of these tells whether it died.

def is_dead(rig):
    return not rig.server.is_running()


def die_writing(rig, point):
    if point is None:
        seconds = rig.seeded.uniform(0.2, 0.5)
        rig.write(lambda: time.sleep(seconds))
        assert rig.server.is_running(), rig.server.log()
    else:
        rule = arm(rig, point)
        rig.write(lambda: wait_for(lambda: is_dead(rig), PATIENCE_SECONDS))
        assert rule.acted == 1
        assert rig.server.exit_status == -signal.SIGKILL, rig.server.log()
    rig.server.kill()
    return True


def die_stopping(rig, point):
    """Unless it has less to do than that."""
    rig.write(lambda: time.sleep(rig.seeded.uniform(0.1, 0.3)))
    rule = arm(rig, point)
    assert rig.server.stop() == (-signal.SIGKILL if rule.acted else 0)
    return bool(rule.acted)


def die_starting(rig, point):
    die_writing(rig, None)
    start_and_die(rig, arm(rig, point))
    rig.server.kill()
    return True


def start_and_die(rig, rule, seconds=0):
    """Or does not, in that time."""
    try:
        rig.server.start()
        wait_for(lambda: rule.acted, seconds)
    except RuntimeError:
        assert rule.acted, rig.server.log()
    if rule.acted:
        wait_for(lambda: is_dead(rig), PATIENCE_SECONDS)
    assert rig.server.exit_status in (None, -signal.SIGKILL), rig.server.log()


def die_compacting(rig, point):
    """A stop writes a table, and RocksDB merges them when there are some:
    what is done to tables after that is of a compaction, which may come before
    the server has stopped or when it is started again."""
    by_a_stop = 0 if point.events == fd.UNLINK else NEVER
    for _ in range(STOPS_MAX):
        rig.write(lambda: time.sleep(rig.seeded.uniform(0.05, 0.1)))
        rule = rig.disk.rule(point.events, point.pattern, point.action,
                             skip=by_a_stop, times=1)
        assert rig.server.stop() == (-signal.SIGKILL if rule.acted else 0)
        if rule.acted:
            return True
        by_a_stop = min(by_a_stop, rule.seen or NEVER)
        rig.disk.drop_rules()
        tables = len(list(rig.data.glob("metrics/*.sst")))
        rule = arm(rig, point)
        start_and_die(rig, rule, 1 if tables >= 4 else 0)
        if rule.acted:
            rig.server.kill()
            return True
        rig.disk.drop_rules()
    raise AssertionError("RocksDB merges nothing")


def points_of(events, action, *logs):
    return [point for point in WRITING
            if (point.events, point.action) == (events, action)
            and (not logs or point.pattern in logs)]


def ways(die, points, *whats):
    """(how it dies, where, what becomes of the disk: one of those)"""
    return [(die, point, whats or WHATS) for point in points]


WHATS = [*POWER_CUTS, "power stays", "all is written"]
# What each run has one of.
KINDS = {
    "at a random moment": ways(die_writing, [None]),
    "before a sync": ways(die_writing, points_of(fd.SYNC, fd.KILL_BEFORE)),
    "after a sync": ways(die_writing, points_of(fd.SYNC, fd.KILL_AFTER,
                                                ROCKSDB_LOG)),
    "between the two stores": ways(
        die_writing, points_of(fd.SYNC, fd.KILL_AFTER, SQLITE_LOG)),
    "amid a write": ways(die_writing, points_of(fd.WRITE, fd.KILL_AMID)),
    "amid a write, torn between sectors": ways(
        die_writing, points_of(fd.WRITE, fd.KILL_AMID), "some"),
    "while it stops": ways(die_stopping, STOPPING),
    "while it starts": ways(die_starting, STARTING),
    "inside a compaction": ways(die_compacting, COMPACTING),
}
WAYS = [*ways(die_writing, [None, None, *WRITING]),
        *ways(die_stopping, STOPPING), *ways(die_starting, STARTING),
        *ways(die_compacting, COMPACTING)]


def in_turn(seeded, choices):
    """All of them, in an order of its own, again and again."""
    while True:
        yield from seeded.sample(choices, len(choices))


def deaths(seeded):
    """One of each kind, then all ways."""
    for kind in seeded.sample(list(KINDS), len(KINDS)):
        yield kind, seeded.choice(KINDS[kind])
    for way in in_turn(seeded, WAYS):
        yield "any", way


def crash(rig, kind, way):
    """One death, and a start after it."""
    die, point, whats = way
    begin = time.monotonic()
    died = die(rig, point)
    rig.disk.drop_rules()
    what = rig.seeded.choice(whats)
    if what in POWER_CUTS:
        rig.power_cut(what)
    elif died:
        rig.note(evidence.CRASHES_SURVIVED)
    if what == "all is written":
        rig.disk.forget()
    print(f"{kind}: {die.__name__} {point}, then {what}; "
          f"{time.monotonic() - begin:.1f} s")
    rig.start()
    rig.check()


def test_crashes_lose_and_halve_nothing(rig):
    rig.add_writers()
    for kind, way in itertools.islice(deaths(rig.seeded), ROUNDS):
        crash(rig, kind, way)
    rig.end()


def test_crashes_at_the_lesser_promise(make_rig):
    """With --durability process, kill -9 alone loses nothing either."""
    rig = make_rig("--durability", "process").start().add_writers()
    points = in_turn(rig.seeded, [None, None, *(
        point for point in WRITING if point.events == fd.WRITE)])
    for _ in range(max(ROUNDS // 4, 2)):
        die_writing(rig, next(points))
        rig.disk.drop_rules()
        rig.note(evidence.CRASHES_SURVIVED)
        rig.start()
        rig.check()
    rig.end()


@pytest.mark.parametrize("pattern", [SQLITE_LOG, ROCKSDB_LOG, ".", "metrics"])
def test_a_disk_that_lies_is_found_out(make_rig, pattern):
    """The tests above see what is not there: as with a server that does not
    sync a log, or the folder that has its name, an acknowledged write is
    gone."""
    rig = make_rig()
    rig.disk.rule(fd.SYNC, pattern, fd.LIE)
    rig.start().add_writers()
    rig.write(lambda: time.sleep(0.5))
    rig.server.kill()
    rig.disk.drop_rules()
    rig.power_cut("all")
    with pytest.raises((Lost, ApiError, RuntimeError)):
        rig.start()
        rig.check()


# --- Each step of a start.

def make_version_1(data):
    """A data folder of the first version of the schema."""
    sqlite = harness.ROOT / "storage" / "sqlite"
    number = re.search(r"kApplicationId = (0x[0-9a-f]+)",
                       (sqlite / "migrator.h").read_text())[1]
    data.mkdir()
    database = sqlite3.connect(data / "millstream.db")
    database.execute("PRAGMA journal_mode = WAL")
    database.executescript(
        (sqlite / "migrations" / "0001_initial.sql").read_text()
        + f"""
        PRAGMA application_id = {int(number, 16)};
        PRAGMA user_version = 1;
        INSERT INTO experiments VALUES
            (7, 'old', 'default', 'mlflow-artifacts:/7', 'active', 1, 2);
        """)
    database.close()


def check_experiment(rig, experiment_id, name):
    found = rig.doors_open()[0].call("GetExperiment", {
        "experiment_id": experiment_id})
    assert found["experiment"]["name"] == name


def prepare(rig, state):
    """Data that a start has something to do with; returns the check."""
    if state == "nothing":
        return lambda: check_experiment(rig, "0", "Default")
    if state == "an old version":
        make_version_1(rig.data)
        return lambda: check_experiment(rig, "7", "old")
    rig.start().add_writers()
    rig.write(lambda: time.sleep(0.4))
    rig.server.kill()
    return rig.check


def replace(folder, by):
    shutil.rmtree(folder, ignore_errors=True)
    if by.exists():
        shutil.copytree(by, folder, ignore=fd.SOCKETS)


# An upgrade of the schema is all that a start writes to SQLite's log.
FILES_OF = {"nothing": ["*"], "an old version": ["*", SQLITE_LOG],
            "logs": ["*"]}


@pytest.mark.parametrize("state", FILES_OF)
def test_a_start_may_be_cut_off_anywhere(make_rig, tmp_path, state):
    """At each change to a file, or, in a short run, at some of them."""
    rig = make_rig()
    check = prepare(rig, state)
    before = tmp_path / "before"
    replace(before, rig.data)
    rules = {files: rig.disk.rule(fd.CHANGES, files)
             for files in FILES_OF[state]}
    rig.start()
    changes = {files: rule.seen for files, rule in rules.items()}
    check()
    rig.server.kill()
    assert min(changes.values()) > 5
    steps = [(files, step) for files, count in changes.items() for step in
             rig.seeded.sample(range(count), min(STEPS // len(rules), count))]
    died = collections.Counter()
    for files, step in steps:
        replace(rig.data, before)
        rig.disk.forget()
        rig.disk.drop_rules()
        rule = rig.disk.rule(
            fd.CHANGES, files, rig.seeded.choice([fd.KILL_BEFORE,
                                                  fd.KILL_AFTER]),
            skip=step, times=1)
        try:
            rig.server.start()
        except RuntimeError:
            assert rule.acted == 1, rig.server.log()
            assert rig.server.exit_status == -signal.SIGKILL
        rig.server.kill()
        died[files] += rule.acted
        rig.disk.drop_rules()
        print(f"{state}: {files} step {step} of {changes[files]}")
        rig.power_cut(rig.seeded.choice(POWER_CUTS))
        rig.start()
        check()
        rig.server.kill()
    assert all(died[files] for files in changes), died
    rig.tell()


# --- Each answer comes after a sync.

ACKNOWLEDGED = {
    "metrics alone": ("LogMetric", {"key": "m", "value": 1.0, "timestamp": 1},
                      ROCKSDB_LOG),
    "a batch of metrics": ("LogBatch", {"metrics": [
        {"key": "m", "value": 2.0, "timestamp": 2, "step": 2}]}, ROCKSDB_LOG),
    "a batch": ("LogBatch", {
        "metrics": [{"key": "m", "value": 3.0, "timestamp": 3, "step": 3}],
        "params": [{"key": "p", "value": "1"}]}, SQLITE_LOG),
    "a param": ("LogParam", {"key": "q", "value": "1"}, SQLITE_LOG),
    "a tag": ("SetTag", {"key": "t", "value": "1"}, SQLITE_LOG),
    "the end": ("UpdateRun", {"status": "FINISHED", "end_time": 9},
                SQLITE_LOG),
    "a deletion": ("DeleteRun", {}, SQLITE_LOG),
}


@pytest.mark.parametrize("what", ACKNOWLEDGED)
def test_what_is_acknowledged_was_synced(rig, what):
    """A sync that does not end keeps the answer back: here, one that the
    process does not survive."""
    rpc, request, log = ACKNOWLEDGED[what]
    rest, grpc = rig.doors_open()
    run = rest.call("CreateRun", {"experiment_id": "0"})["run"]["info"]
    one = {"run_id": run["run_id"], **request}
    door = rig.seeded.choice([rest, grpc])
    rig.disk.rule(fd.SYNC, log, fd.KILL_BEFORE, times=1)
    with pytest.raises((ApiError, OSError, http.client.HTTPException)):
        door.call(rpc, one)
    wait_for(lambda: not rig.server.is_running(), PATIENCE_SECONDS)
    assert not rig.server.is_running()
