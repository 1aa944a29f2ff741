"""A process that logs many runs, one after another, keeps none that ended."""

import pathlib

RUNS = 300
BEFORE = 100
# Of what 200 runs had on the disk, mapped, 13 MB would remain.
GROWTH_BYTES_MAX = 6 << 20


def mapped_segments(pid="self"):
    maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
    return sum(".seg" in line for line in maps.splitlines())


def resident_bytes():
    pages = pathlib.Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4096


def test_runs_that_ended_are_let_go(server, connect, spool, until):
    client = connect(server)
    session = client._session
    for number in range(RUNS):
        run = client.create_run()
        run.log("m", 1.0)
        # What is read after a run may not be what lets go of it.
        run.finish()
        if number == BEFORE:
            before = resident_bytes()
    assert mapped_segments() < 20
    assert resident_bytes() - before < GROWTH_BYTES_MAX
    assert not session.logs
    assert not session._active
    # What was not removed from the disk by then.
    assert len(session._ended) < RUNS - BEFORE
    assert len(session._run_locks) == 0
    sender = session._link._process.pid
    until(lambda: not list(spool.glob("*/*/run")), "the end of all logs")
    assert mapped_segments(sender) < 20
    # All of them are still there.
    assert len(client.history(run.id, "m")) == 1


def test_runs_that_end_while_the_server_is_away_wait_on_the_disk_alone(
        start_server, connect):
    server = start_server()
    client = connect(server, away_wait=0)
    runs = [client.create_run() for _ in range(40)]
    server.kill()
    for run in runs:
        run.log("m", 1.0)
        run.finish()
    assert mapped_segments() < 20
    server.start()
    assert client.flush(30)
    for run in runs:
        assert len(client.history(run.id, "m")) == 1
    assert not client._session._ended
