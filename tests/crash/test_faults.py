"""Disks that are full, fail or do half of what they are asked: callers are
told, reads go on, nothing acknowledged is lost, and where no doubt is left the
server goes on by itself."""

import errno
import time

import evidence
import faulty_disk as fd
import pytest
from doors import ApiError

PATIENCE_SECONDS = 60
# How a server says that it cannot keep something now.
CANNOT = {"RESOURCE_EXHAUSTED", "TEMPORARILY_UNAVAILABLE"}
# And that it cannot read.
CANNOT_READ = {"INTERNAL_ERROR", "DATA_LOSS", "TEMPORARILY_UNAVAILABLE"}

def wait_until_all_wait(rig):
    """All who write have met a failure, or a moment has passed."""
    end = time.monotonic() + 2
    while time.monotonic() < end and not all(
            w.is_waiting for w in rig.writers):
        time.sleep(0.01)


def goes_on(rig, calls):
    """Seconds until every call succeeds."""
    begin = time.monotonic()
    for rpc, request in calls:
        while True:
            try:
                rig.doors_open()[0].call(rpc, request)
                break
            except ApiError as error:
                assert error.code in CANNOT
                assert time.monotonic() < begin + PATIENCE_SECONDS, (
                    f"{rpc} is refused for ever: {error}")
                time.sleep(0.05)
    return time.monotonic() - begin


def metrics_of_a_new_run(rig):
    """Once all succeed, batches whose append was left to be done are whole."""
    run_id = rig.doors_open()[0].call("CreateRun", {"experiment_id": "0"})[
        "run"]["info"]["run_id"]
    return [("LogMetric", {"run_id": run_id, "key": "m", "value": 1.0,
                           "timestamp": 1}),
            ("LogBatch", {"run_id": run_id,
                          "metrics": [{"key": "n", "value": 1.0,
                                       "timestamp": 1}],
                          "params": [{"key": "p", "value": "1"}]})]


def refused(door, rpc, request, rig):
    with pytest.raises(ApiError) as caught:
        door.call(rpc, request)
    error = caught.value
    for secret in (str(rig.folder), "millstream.db", "metrics/", "SQLite",
                   "RocksDB", "IO error"):
        assert secret not in error.message, error.message
    return error


def writes(run_id):
    return [
        ("LogMetric", {"run_id": run_id, "key": "m", "value": 1.0,
                       "timestamp": 1}),
        ("LogBatch", {"run_id": run_id,
                      "metrics": [{"key": "n", "value": 1.0, "timestamp": 1}],
                      "params": [{"key": "p", "value": "1"}]}),
        ("SetTag", {"run_id": run_id, "key": "t", "value": "v"}),
        ("CreateRun", {"experiment_id": "0", "run_name": "full"}),
        ("UpdateRun", {"run_id": run_id, "status": "FINISHED", "end_time": 5}),
        ("CreateRegisteredModel", {"name": "full"}),
    ]


@pytest.mark.parametrize("door_number", [0, 1], ids=["rest", "grpc"])
def test_a_full_disk_refuses_writes_in_clear_words(rig, door_number):
    rig.add_writers()
    door = rig.doors_open()[door_number]
    run_id = door.call("CreateRun", {"experiment_id": "0"})["run"]["info"][
        "run_id"]
    rig.disk.set_space(0)
    rig.note(evidence.FAULTS)
    for rpc, request in writes(run_id):
        error = refused(door, rpc, request, rig)
        assert error.code == "RESOURCE_EXHAUSTED", (rpc, error)
        assert "disk is full" in error.message, (rpc, error)
    rig.read()
    rig.disk.set_space(fd.NO_END)
    goes_on(rig, writes(run_id))
    rig.end()


def test_a_full_disk_that_has_space_again_needs_no_restart(rig):
    """Whoever writes when it fills up, with whatever fits half."""
    rig.add_writers()
    calls = metrics_of_a_new_run(rig)
    calls.append(("SetTag", {"run_id": calls[0][1]["run_id"], "key": "t",
                             "value": "v"}))
    slowest = 0
    for _ in range(3):
        rig.write(lambda: time.sleep(0.1))
        rig.disk.set_space(rig.seeded.randint(0, 100_000))
        rig.note(evidence.FAULTS)
        rig.write(lambda: wait_until_all_wait(rig))
        assert all(writer.is_waiting for writer in rig.writers)
        rig.read()
        rig.disk.set_space(fd.NO_END)
        slowest = max(slowest, goes_on(rig, calls))
        rig.check()
    print(f"went on after {slowest:.1f} s at most")
    rig.write(lambda: time.sleep(0.1))
    rig.server.kill()
    rig.power_cut("all")
    rig.start()
    rig.end()


def test_a_full_disk_keeps_artifacts_whole(rig):
    door = rig.doors_open()[0]
    place = {"artifact_path": "a/file"}
    door.upload("UploadArtifact", place, b"old" * 1000)
    rig.disk.set_space(1000)
    rig.note(evidence.FAULTS)
    with pytest.raises(ApiError) as caught:
        door.upload("UploadArtifact", place, b"new" * 1000)
    assert caught.value.code == "IO_ERROR"
    assert "full" in caught.value.message
    assert door.download("DownloadArtifact", place) == b"old" * 1000
    rig.disk.set_space(fd.NO_END)
    door.upload("UploadArtifact", place, b"new" * 1000)
    rig.server.kill()
    rig.power_cut("all")
    rig.start()
    door = rig.doors_open()[0]
    assert door.download("DownloadArtifact", place) == b"new" * 1000
    rig.tell()


@pytest.mark.parametrize("event", [fd.SYNC, fd.WRITE], ids=["sync", "write"])
def test_a_log_of_sqlite_that_failed_takes_nothing_until_a_restart(rig, event):
    """What a failed sync has thrown away a second one would not miss."""
    rig.add_writers()
    rule = rig.disk.rule(event, "millstream.db-wal", fd.FAIL, errno.EIO,
                         skip=rig.seeded.randint(0, 30), times=1)
    rig.note(evidence.FAULTS)
    rig.write(lambda: wait_until_all_wait(rig))
    assert rule.acted == 1
    error = refused(rig.doors_open()[0], "SetExperimentTag",
                    {"experiment_id": "0", "key": "k", "value": "v"}, rig)
    assert error.code == "TEMPORARILY_UNAVAILABLE", error
    rig.read()
    rig.server.kill()
    rig.power_cut("all")
    rig.start()
    rig.check()
    rig.write(lambda: time.sleep(0.1))
    rig.end()


@pytest.mark.parametrize("event", [fd.SYNC, fd.WRITE], ids=["sync", "write"])
def test_a_log_of_metrics_that_failed_is_replaced(rig, event):
    """Nothing is taken from it: what it should have is written elsewhere."""
    rig.add_writers()
    rule = rig.disk.rule(event, "metrics/*.log", fd.FAIL, errno.EIO,
                         skip=rig.seeded.randint(0, 30), times=1)
    rig.note(evidence.FAULTS)
    rig.write(lambda: wait_until_all_wait(rig))
    assert rule.acted == 1
    goes_on(rig, metrics_of_a_new_run(rig))
    rig.check()
    rig.write(lambda: time.sleep(0.1))
    rig.server.kill()
    rig.power_cut("all")
    rig.start()
    rig.end()


@pytest.mark.parametrize("pattern", ["millstream.db", "metrics/*.sst"])
def test_a_disk_that_cannot_be_read_is_no_wrong_answer(rig, pattern):
    rig.add_writers()
    rig.write(lambda: time.sleep(0.3))
    # A start has in memory what it makes of the log, and what it packs.
    for _ in range(7):
        assert rig.server.stop() == 0
        rig.start()
        rule = rig.disk.rule(fd.READ, pattern, fd.FAIL, errno.EIO)
        failed = 0
        for each in rig.everybody:
            for door in rig.doors_open():
                try:
                    each.check(door, everything=True, settle=False)
                except ApiError as error:
                    assert error.code in CANNOT_READ, error
                    assert str(rig.folder) not in error.message
                    failed += 1
        if failed and rule.acted:
            break
        rule.drop()
    assert failed and rule.acted, "nothing was read"
    rig.note(evidence.FAULTS, rule.acted)
    rule.drop()
    rig.end()


def test_a_disk_that_does_half_of_each_write_is_asked_again(rig):
    rig.add_writers()
    rule = rig.disk.rule(fd.WRITE, "*", fd.SHORT)
    rig.write(lambda: time.sleep(0.5))
    assert not any(writer.is_waiting for writer in rig.writers)
    rig.note(evidence.FAULTS, rule.acted)
    rig.server.kill()
    rig.power_cut("all")
    rig.start()
    rig.check()
    assert rig.server.stop() == 0
    rig.start()
    rig.end()


def fail_at_random(rig, pattern):
    """Some calls that change files fail, some writes do half."""
    event = rig.seeded.choice([fd.SYNC, fd.WRITE, fd.RENAME, fd.CREATE])
    rig.disk.rule(event, pattern, fd.FAIL,
                  rig.seeded.choice([errno.EIO, errno.ENOSPC]),
                  skip=rig.seeded.randint(0, 60),
                  times=rig.seeded.choice([1, 2, 20]))
    rig.disk.rule(fd.WRITE, pattern, fd.SHORT,
                  skip=rig.seeded.randint(0, 60), times=5)
    rig.note(evidence.FAULTS)


def test_errors_at_random_lose_nothing(rig):
    """Of any file, and a restart after each."""
    rig.add_writers()
    for _ in range(6):
        fail_at_random(rig, "*")
        rig.write(lambda: wait_until_all_wait(rig))
        # At the end more is written.
        assert rig.server.stop() >= 0, "the server crashed"
        rig.disk.drop_rules()
        rig.power_cut(rig.seeded.choice(["all", "last", "some"]))
        rig.start()
        rig.check()
    rig.end()


def test_errors_of_metrics_at_random_need_no_restart(rig):
    rig.add_writers()
    calls = metrics_of_a_new_run(rig)
    for _ in range(8):
        fail_at_random(rig, "metrics*")
        rig.write(lambda: wait_until_all_wait(rig))
        rig.read()
        rig.disk.drop_rules()
        goes_on(rig, calls)
        rig.check()
    rig.write(lambda: time.sleep(0.1))
    rig.server.kill()
    rig.power_cut("all")
    rig.start()
    rig.end()


def test_a_server_that_cannot_start_says_why(make_rig):
    rig = make_rig()
    rig.disk.set_space(0)
    rig.note(evidence.FAULTS)
    with pytest.raises(RuntimeError, match="millstream: "):
        rig.server.start()
    assert rig.server.exit_status == 1
    rig.disk.set_space(fd.NO_END)
    rig.start()
    rig.tell()

