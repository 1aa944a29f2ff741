"""Backups and restores to disks that are full or whose power is cut: refused in
words that help, or known as half a copy; the server, its folder and the next
command go on."""

import errno
import os
import random
import shutil
import time

import evidence
import faulty_disk as fd
import pytest
from backups import (PATIENCE_SECONDS, Writer, compare, done, faults, refused,
                     run)
from doors import GrpcDoor, RestDoor

import harness

SEED = int(os.environ.get("MILLSTREAM_CRASH_SEED", "1"))
ROUNDS = int(os.environ.get("MILLSTREAM_ROUNDS", "8"))
BATCHES = 20
# Where a disk may be full: (event, files, how many of them go well first).
FULL = [
    (fd.CREATE, "*millstream.unfinished", 0),
    (fd.CREATE, "*/millstream.db", 0),
    (fd.WRITE, "*/millstream.db", 0),
    (fd.WRITE, "*/metrics/MANIFEST-*", 0),
    (fd.CREATE, "*/artifacts/*", 2),
    (fd.WRITE, "*/artifacts/*", 1),
]
# Of a backup alone, and of both at the end: all of it is forced to the disk,
# and the names of what was made and of what was taken away.
FULL_BACKUP = [*FULL, (fd.WRITE, "*/manifest", 0), (fd.SYNC, "*", 3),
               (fd.SYNC, "*", 4)]
FULL_RESTORE = [*FULL, (fd.SYNC, "*", 2), (fd.SYNC, "*", 3)]
in_place = pytest.mark.parametrize("is_there", [False, True],
                                   ids=["a new name", "an empty folder"])


@pytest.fixture
def disk(tmp_path):
    """The disk of tmp_path/"copies", for commands."""
    (tmp_path / "copies").mkdir()
    return fd.FaultyDisk(tmp_path / "disk", tmp_path / "copies")


@pytest.fixture
def target(disk, is_there):
    """Where a copy is to be."""
    path = disk.root / "copy"
    if is_there:
        path.mkdir()
    return path


@pytest.fixture
def serving(start_server):
    """A server with a run of so many batches."""
    server = start_server()
    writer = Writer(server, GrpcDoor, "a run")
    for number in range(BATCHES):
        writer.log(number)
    writer.door.close()
    return server, writer.run_id


@pytest.fixture
def backup(serving, tmp_path):
    """One that is whole, and of no server's disk."""
    path = tmp_path / "backup"
    done("backup", "--data-dir", serving[0].folder / "data", "--to", path)
    return path


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() if path.is_file()
            else None for path in folder.rglob("*")}


def each_is_told(disk, places, command, *arguments):
    """The command fails at each of those places, says what to do, and leaves
    its disk as it was."""
    before = contents(disk.root)
    for event, pattern, skip in places:
        rule = disk.rule(event, pattern, fd.FAIL, errno.ENOSPC, skip)
        why = refused(command, *arguments, environment=disk.environment())
        place = pattern, why
        assert rule.acted, place
        rule.drop()
        assert "No space left" in why and "Make room there" in why, place
        assert "Nothing was left behind" in why, place
        assert contents(disk.root) == before, place
        evidence.add("backup", {evidence.FAULTS: 1})


@in_place
def test_a_disk_that_fills_up_amid_a_backup(disk, target, serving):
    server, run_id = serving
    data = server.folder / "data"
    writer = Writer(server, RestDoor, "goes on")
    writer.start()
    each_is_told(disk, FULL_BACKUP, "backup", "--data-dir", data,
                 "--to", target)
    now = writer.acknowledged
    wait_until(lambda: writer.acknowledged > now + 5)
    writer.end()
    wait_until(lambda: not (data / ".backup").exists())
    done("backup", "--data-dir", data, "--to", target,
         environment=disk.environment())
    assert faults(target) == []
    door = GrpcDoor(server)
    compare(door, run_id, BATCHES)
    compare(door, writer.run_id, writer.acknowledged)
    door.close()
    assert server.stop() == 0
    assert faults(data) == []


@in_place
def test_a_disk_that_fills_up_amid_a_restore(disk, target, serving, backup):
    server, run_id = serving
    before = contents(backup)
    each_is_told(disk, FULL_RESTORE, "restore", "--from", backup,
                 "--data-dir", target)
    assert contents(backup) == before
    assert server.is_running()
    done("restore", "--from", backup, "--data-dir", target,
         environment=disk.environment())
    assert faults(target) == []


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_half(target):
    return (target / "millstream.unfinished").exists()


def is_whole(target):
    """Whether it can be used; if not, it is said to be half, or there is
    nothing."""
    if not target.exists() or not list(target.iterdir()):
        return False
    checked = run("check", "--data-dir", target)
    if checked.returncode == 0:
        return True
    assert "half a copy" in checked.stderr, checked.stdout + checked.stderr
    return False


@in_place
@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_copy_that_a_crash_cut_off_is_known(disk, target, serving, backup,
                                              tmp_path, is_there, command):
    server, _ = serving
    arguments = {
        "backup": ("--data-dir", server.folder / "data", "--to", target),
        "restore": ("--from", backup, "--data-dir", target)}[command]
    seeded = random.Random(SEED)
    counter = disk.rule(fd.CHANGES, "*")
    done(command, *arguments, environment=disk.environment())
    events = counter.seen
    counter.drop()
    halves = 0
    for _ in range(ROUNDS):
        shutil.rmtree(target)
        disk.forget()
        if is_there:
            target.mkdir()
        rule = disk.rule(fd.CHANGES, "*", seeded.choice(fd.KILLS),
                         skip=seeded.randint(0, events + 2))
        result = run(command, *arguments, environment=disk.environment())
        assert result.returncode in (0, -9), result.stderr
        rule.drop()
        evidence.add("backup", {evidence.CRASHES_SURVIVED: 1})
        if seeded.random() < 0.75:
            disk.power_cut(seeded, seeded.choice(["all", "last", "some"]))
        whole = is_whole(target)
        assert whole or result.returncode, "what was promised is lost"
        if whole:
            continue
        if is_half(target):
            halves += 1
            assert "half a copy" in refused(
                "restore", "--from", target, "--data-dir", tmp_path / "new")
        done(command, *arguments, environment=disk.environment())
        assert is_whole(target)
        assert [path.name for path in disk.root.iterdir()] == ["copy"]
    # What is made beside has its name when it is whole, and not before.
    assert bool(halves) == is_there


def test_no_server_opens_half_a_copy(disk, backup, tmp_path):
    folder = disk.root / "copy"
    (folder / "data").mkdir(parents=True)
    rule = disk.rule(fd.WRITE, "*/artifacts/*", fd.KILL_AMID, skip=1)
    result = run("restore", "--from", backup, "--data-dir", folder / "data",
                 environment=disk.environment())
    assert result.returncode == -9
    rule.drop()
    server = harness.Server(folder)
    with pytest.raises(RuntimeError, match="half a copy"):
        server.start()
    done("restore", "--from", backup, "--data-dir", folder / "data")
    try:
        server.start()
        assert server.stop() == 0
    finally:
        server.kill()
    assert faults(folder / "data") == []
