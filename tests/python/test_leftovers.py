"""What a killed process left for a run goes before what is logged next."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest
from millstream import _format as fmt
from millstream._writer import Budget, LogWriter

OWN_SERVER = True
WRITER = """
import millstream, sys
uri, run_id, first, count = sys.argv[1:]
client = millstream.Client(uri)
run = client.run(run_id) if run_id else client.create_run()
print(run.id, flush=True)
sys.stdin.readline()
for step in range(int(first), int(first) + int(count)):
    run.log("m", 1.0, step=step)
run.set_tags({"by": first})
run.finish("FAILED")
run.log("m", 1.0, step=int(first) + int(count))
print("logged", flush=True)
sys.stdin.readline()
"""
MANY = 30_000


@pytest.fixture
def leave(server, run_python, uri_of):
    """leave(door, run_id, first) has a process log MANY + 1 points from step
    `first` on, a tag and an end to a run while the server is away, and kills
    it; returns the run's id. The server is away then."""

    def act(door, run_id="", first=0):
        process = run_python(WRITER, uri_of(door), run_id, first, MANY)
        made = process.stdout.readline().strip()
        server.kill()
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.readline() == "logged\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
        return made

    return act


def arrived(proxy):
    """Steps of all points in the order their frames were sent first."""
    return [step for writer, number in proxy.order
            for steps in proxy.frames[writer][number] for step in steps]


def state_of(client, run_id):
    from millstream import _api
    run = client._session.call(
        "GetRun", _api.message("GetRunRequest")(run_id=run_id), run_id).run
    return {t.key: t.value for t in run.data.tags}["by"], run.info.status


def test_leftovers_go_before_what_the_next_process_logs(
        server, proxy, leave, connect):
    run_id = leave(proxy)
    # Another, that goes on with the run and comes no further.
    assert leave(proxy, run_id, first=100_000) == run_id
    server.start()
    client = connect(proxy)
    run = client.run(run_id)
    for step in range(200_000, 200_100):
        run.log("m", 1.0, step=step)
    run.set_tags({"by": "the last"})
    for step in range(200_100, 200_200):
        run.log("m", 1.0, step=step)
    run.finish()
    assert client.flush(30)
    assert state_of(client, run_id) == ("the last", 3)
    steps = arrived(proxy)
    assert steps == [*range(MANY + 1), *range(100_000, 100_001 + MANY),
                     *range(200_000, 200_200)]
    assert not proxy.broken


def test_what_is_no_metric_waits_for_leftovers_too(
        server, proxy, leave, connect):
    """The new process logs no point before its tag."""
    run_id = leave(proxy)
    server.start()
    client = connect(proxy)
    client.run(run_id).set_tags({"by": "the next"})
    assert client.flush(30)
    assert state_of(client, run_id)[0] == "the next"


def test_a_run_that_was_left_unmade_is_resumed(
        server, proxy, connect, run_python, uri_of):
    """Even the call that makes it is in the spool."""
    # The proxy takes a moment to find the server again.
    patient = {"write_wait": 30, "timeout": 30, "away_wait": 10}
    connect(proxy, **patient).create_run("known")
    server.kill()
    process = run_python("""
import millstream, sys, os, signal
run = millstream.Run(sys.argv[1], experiment="known")
run.log("m", 1.0, step=0)
print(run.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
""", uri_of(proxy))
    run_id = process.communicate()[0].strip()
    server.start()
    client = connect(proxy, **patient)
    run = client.run(run_id)
    run.log("m", 1.0, step=1)
    assert [p.step for p in run.history("m")] == [0, 1]


def test_sync_keeps_the_order_of_processes(
        server, proxy, leave, command, connect):
    run_id = leave(proxy)
    leave(proxy, run_id, first=100_000)
    server.start()
    done = command("sync")
    assert done.returncode == 0, done.stderr
    steps = arrived(proxy)
    assert steps == sorted(steps) and len(steps) == 2 * MANY + 2
    assert state_of(connect(server), run_id)[0] == "100000"


def test_leftovers_that_another_sender_has_are_waited_for(
        server, proxy, leave, connect, spool, until):
    run_id = leave(proxy)
    (folder,) = fmt.writer_folders(spool)
    lock = fmt.Lock(folder / "sender.lock")
    until(lock.take, "the end of the sender")
    server.start()
    client = connect(proxy)
    run = client.run(run_id)
    run.log("m", 1.0, step=100_000)
    # It stands still: who wants to end does not wait for long.
    assert not run.flush()
    assert arrived(proxy) == []
    # Other runs do not wait.
    other = client.create_run()
    other.log("m", 1.0, step=500_000)
    assert other.flush(30)
    lock.release()
    assert run.flush(30)
    assert arrived(proxy) == [500_000, *range(MANY + 1), 100_000]


def test_damaged_leftovers_hold_nobody_up(server, leave, connect, spool):
    run_id = leave(server)
    (folder,) = fmt.writer_folders(spool)
    for log in fmt.log_folders(folder):
        (log / "journal").unlink(missing_ok=True)
        (log / "journal").mkdir()
    server.start()
    client = connect(server)
    run = client.run(run_id)
    run.log("m", 1.0, step=100_000)
    assert run.flush(30)
    assert [p.step for p in client.history(run_id, "m")] == [100_000]
    assert fmt.log_folders(folder)


def test_leftovers_of_another_server_are_none_of_ours(
        server, start_server, leave, connect, spool):
    leave(server)
    other = start_server()
    client = connect(other)
    run = client.create_run()
    run.log("m", 1.0)
    assert run.flush(30)
    assert len(list(fmt.writer_folders(spool))) == 2


def test_more_runs_are_sent_than_files_may_be_open(
        server, connect, spool):
    client = connect(server)
    runs = [client.create_run().id for _ in range(80)]
    client.close()
    folder = fmt.new_writer_folder(spool)
    fmt.describe_writer(folder, server.grpc_address)
    for number, run_id in enumerate(runs, 1):
        log = LogWriter(folder / str(number), run_id, Budget(1 << 30),
                        lambda: 0.0)
        log.point("m", 1.0, 0, 0)
    program = pathlib.Path(sys.executable).parent / "millstream"
    done = subprocess.run(
        ["sh", "-c", f"ulimit -Sn 64; exec {program} sync --spool-dir {spool}"],
        text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert f"sent {len(runs)} points" in done.stdout


def test_who_began_first_goes_first(tmp_path):
    """Logs of one run never wait for each other in a circle."""
    from millstream._leftovers import Leftovers

    logs = []
    for number in range(3):
        folder = fmt.new_writer_folder(tmp_path)
        fmt.describe_writer(folder, "server")
        for name in "12":
            logs.append(LogWriter(folder / name, "run", Budget(1 << 20),
                                  lambda: 0.0).folder)
    other = LogWriter(logs[0].parent / "3", "another", Budget(1 << 20),
                      lambda: 0.0).folder
    for number, log in enumerate(logs):
        os.utime(log / "run", (number, number))
    leftovers = Leftovers(None, tmp_path, print, target="server")
    leftovers._refresh()
    for number, log in enumerate(logs):
        before = {found.folder for found in leftovers._before(log)}
        assert before == {each for each in logs[:number]
                          if each.parent != log.parent}
    assert leftovers._before(other) == []
