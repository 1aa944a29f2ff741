"""Servers that go and come back, and processes that are killed."""

import json
import multiprocessing
import os
import signal
import time

import millstream
import pytest

from proxy import Proxy

OWN_SERVER = True
N = 500
WAIT_SECONDS = 30
WRITER = """
import millstream, sys
client = millstream.Client(sys.argv[1])
run = client.create_run()
print(run.id, flush=True)
for line in sys.stdin:
    for step in range(int(line)):
        run.log("m", float(step), step=step)
    run.set_tags({"logged": line.strip()})
    print("logged", flush=True)
"""


def say(process, text):
    process.stdin.write(text + "\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def steps(client, run_id, key="m"):
    return [p.step for p in client.history(run_id, key)]


def tags_and_params(client, run_id):
    from millstream import _api
    run = client._session.call(
        "GetRun", _api.message("GetRunRequest")(run_id=run_id)).run
    return ({t.key: t.value for t in run.data.tags},
            {p.key: p.value for p in run.data.params}, run.info.status)


def test_training_does_not_notice_that_the_server_is_away(server, connect):
    client = connect(server)
    run = client.create_run()
    run.log("m", 0.0)
    run.flush()
    server.kill()
    began = time.monotonic()
    for step in range(1, N):
        run.log("m", float(step), step=step)
        if step % 100 == 0:
            run.set_tags({"step": step})
    run.log_params({"lr": 0.5})
    run.set_tags({"step": "last"})
    run.finish()
    assert time.monotonic() - began < 10
    server.start()
    assert client.flush(WAIT_SECONDS)
    client.close()
    assert sorted(steps(client, run.id)) == list(range(N))
    tags, params, status = tags_and_params(client, run.id)
    assert tags["step"] == "last" and params == {"lr": "0.5"} and status == 3


def test_frames_that_arrived_before_a_crash_are_not_doubled(
        server, connect):
    proxy = Proxy(server)
    try:
        client = connect(proxy)
        run = client.create_run()
        step = 0
        for _ in range(3):
            for _ in range(3000):
                run.log("m", 1.0, step=step)
                step += 1
            server.kill()
            server.start()
        assert client.flush(WAIT_SECONDS)
        assert sorted(steps(client, run.id)) == list(range(step))
        client.close()
        (writer,) = proxy.frames
        assert not proxy.broken
        assert proxy.points_of(writer) == list(range(step))
    finally:
        proxy.close()


def test_sync_sends_what_a_killed_process_left(
        server, run_python, uri_of, command, connect, spool):
    process = run_python(WRITER, uri_of(server))
    run_id = process.stdout.readline().strip()
    say(process, "0")
    server.kill()
    assert say(process, str(N)) == "logged"
    process.kill()
    process.wait()
    failed = command("sync", "--timeout", "0.5")
    assert failed.returncode == 1
    assert "does not answer" in failed.stderr and failed.stdout == ""
    assert "its process has ended" in command("status").stdout
    server.start()
    done = command("sync")
    assert done.returncode == 0, done.stderr
    assert f"sent {N} points and 1 calls of 1 runs" in done.stdout
    assert [p.name for p in spool.iterdir()] == [".known"]
    assert command("sync").returncode == 0
    client = connect(server)
    assert sorted(steps(client, run_id)) == list(range(N))
    assert tags_and_params(client, run_id)[0]["logged"] == str(N)


def test_the_next_process_sends_what_another_left(
        server, run_python, uri_of, connect, until, spool):
    process = run_python(WRITER, uri_of(server))
    run_id = process.stdout.readline().strip()
    server.kill()
    say(process, str(N))
    process.kill()
    process.wait()
    server.start()
    client = connect(server)
    client.create_run()
    until(lambda: sorted(steps(client, run_id)) == list(range(N)))


def test_what_is_logged_arrives_after_a_kill_while_the_server_is_there(
        server, run_python, uri_of, connect, until):
    process = run_python(WRITER, uri_of(server, linger=30))
    run_id = process.stdout.readline().strip()
    say(process, str(N))
    process.kill()
    process.wait()
    client = connect(server)
    until(lambda: sorted(steps(client, run_id)) == list(range(N)))


def test_sync_leaves_processes_that_run_alone(
        server, run_python, uri_of, command):
    process = run_python(WRITER, uri_of(server))
    process.stdout.readline()
    server.kill()
    say(process, "5")
    result = command("sync", "--timeout", "0.5")
    assert result.returncode == 0
    assert "still runs" in result.stderr


def test_the_end_of_a_process_says_what_is_not_sent(
        server, run_python, uri_of, command, spool, connect):
    process = run_python(WRITER, uri_of(server))
    run_id = process.stdout.readline().strip()
    server.kill()
    say(process, str(N))
    _, told = process.communicate()
    assert process.returncode == 0
    assert f"millstream sync --spool-dir {spool}" in told
    server.start()
    assert command("sync").returncode == 0
    assert sorted(steps(connect(server), run_id)) == list(range(N))


def test_ctrl_c_loses_nothing(server, run_python, uri_of, connect):
    process = run_python("""
import millstream, signal, sys
# Who starts the tests in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
with millstream.Run(sys.argv[1]) as run:
    print(run.id, flush=True)
    step = 0
    try:
        while True:
            run.log("m", 1.0, step=step)
            step += 1
            if step == 1000:
                print("going", flush=True)
    finally:
        print(step, flush=True)
""", uri_of(server))
    run_id = process.stdout.readline().strip()
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    logged = int(process.stdout.readline())
    process.communicate()
    client = connect(server)
    # The last may be in the log without being counted.
    assert len(steps(client, run_id)) - logged in (0, 1)
    assert tags_and_params(client, run_id)[2] == 4


def test_forked_children_log_for_themselves(server, connect):
    client = connect(server)
    run = client.create_run()
    run.log("parent", 1.0)
    children = []
    for number in range(2):
        pid = os.fork()
        if pid == 0:
            try:
                for step in range(N):
                    run.log(f"child{number}", 1.0, step=step)
                run.set_tags({f"child{number}": "was here"})
                os._exit(0 if run.flush() else 1)
            finally:
                os._exit(2)
        children.append(pid)
    run.log("parent", 2.0, step=1)
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0
    assert steps(client, run.id, "parent") == [0, 1]
    for number in range(2):
        assert sorted(steps(client, run.id, f"child{number}")) == (
            list(range(N)))
        assert tags_and_params(client, run.id)[0][f"child{number}"]


def log_in_worker(uri, run_id):
    run = millstream.Run(uri, run_id=run_id)
    for step in range(N):
        run.log("spawned", 1.0, step=step)


def test_spawned_children_log_for_themselves(server, connect, uri_of, until):
    client = connect(server)
    run = client.create_run()
    worker = multiprocessing.get_context("spawn").Process(
        target=log_in_worker, args=(uri_of(server, linger=30), run.id))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    # Such children run no exit handlers: their sender may still be at it.
    until(lambda: sorted(steps(client, run.id, "spawned")) == list(range(N)))


def test_a_full_spool_drops_the_newest_and_tells(server, connect, caplog):
    client = connect(server, spool_bytes="64K")
    run = client.create_run()
    run.log("m", 0.0)
    run.flush()
    server.kill()
    began = time.monotonic()
    for step in range(1, 10_000):
        run.log("m", float(step), step=step)
    run.set_tags({"kept": "always"})
    # It waits a few seconds for a server that it believes in, and not for the
    # end of the outage.
    assert time.monotonic() - began < WAIT_SECONDS
    assert [r.message for r in caplog.records if "full" in r.message] and (
        len([r for r in caplog.records if "full" in r.message]) == 1)
    server.start()
    assert client.flush(WAIT_SECONDS)
    # There is space again.
    run._session.check_sender()
    for step in range(20_000, 20_010):
        run.log("m", 1.0, step=step)
        run.flush()
    run.finish()
    arrived = steps(client, run.id)
    kept = [s for s in arrived if s < 20_000]
    tags = tags_and_params(client, run.id)[0]
    assert kept == list(range(len(kept))) and len(kept) < 2_000
    assert int(tags["millstream.dropped_points"]) == (
        10_010 - len(arrived))
    assert tags["kept"] == "always"


def test_a_run_that_was_deleted_takes_nothing_more(
        server, connect, caplog, spool, command, until):
    from millstream import _api
    client = connect(server)
    run = client.create_run()
    other = client.create_run()
    run.log("m", 1.0)
    assert run.flush()
    client._session.call("DeleteRun",
                         _api.message("DeleteRunRequest")(run_id=run.id))
    for step in range(10):
        run.log("m", 2.0, step=step)
        other.log("m", 1.0, step=step)
    run.flush()
    with pytest.raises(millstream.Error) as error:
        run.log("m", 3.0)
    assert error.value.code == "INVALID_PARAMETER_VALUE"
    assert "refused" in caplog.text
    assert len(steps(client, other.id)) == 10
    # Nothing of it is lost.
    until(lambda: list((spool / "refused").glob("*/*/refused")),
          "the log among those that were refused")
    assert "INVALID_PARAMETER_VALUE" in command("status").stdout
    client._session.call("RestoreRun",
                         _api.message("RestoreRunRequest")(run_id=run.id))
    done = command("sync", "--refused")
    assert done.returncode == 0, done.stderr
    assert "sent 10 points" in done.stdout
    assert steps(client, run.id) == [0, *range(10)]
    assert not list((spool / "refused").iterdir())


def test_a_frame_that_is_refused_does_not_hold_up_the_others(
        server, connect, spool, caplog):
    client = connect(server)
    run = client.create_run()
    run.log("m", 1.0, step=0)
    assert run.flush()
    # No caller gets such a name this far.
    client._session.log(run.id).point("#", 5.0, 0, 0)
    assert run.flush()
    for step in range(1, 10):
        run.log("m", 1.0, step=step)
    assert run.flush()
    assert steps(client, run.id) == list(range(10))
    (line,) = (spool / "refused.jsonl").read_text().splitlines()
    assert json.loads(line)["points"] == {"#": [[0, 0, 5.0]]}
    assert "refused" in caplog.text


def test_a_param_that_was_refused_later_is_kept_and_told(
        server, connect, caplog, spool):
    client = connect(server)
    run = client.create_run()
    run.log_params({"lr": 1})
    server.kill()
    run.log_params({"lr": 2})
    run.log("m", 1.0)
    server.start()
    assert client.flush(WAIT_SECONDS)
    assert steps(client, run.id) == [0]
    assert tags_and_params(client, run.id)[1] == {"lr": "1"}
    assert "refused" in caplog.text
    assert '"lr"' in json.loads(
        (spool / "refused.jsonl").read_text())["request"]


def test_a_call_that_needs_an_answer_waits_then_fails(server, connect):
    client = connect(server, timeout=0.5)
    run = client.create_run()
    server.kill()
    with pytest.raises(millstream.Error) as error:
        client.history(run.id, "m")
    assert error.value.code == "TEMPORARILY_UNAVAILABLE"
    server.start()
    assert client.history(run.id, "m") == []


def test_a_run_is_started_while_the_server_is_away(
        server, connect, caplog, run_python, uri_of, until):
    client = connect(server)
    client.create_run("an experiment")
    server.kill()
    began = time.monotonic()
    run = client.create_run("an experiment", name="early", tags={"a": "b"})
    assert "started without it" in caplog.text
    run.log("m", 1.0)
    run.log_params({"lr": 1})
    run.finish()
    # Another process, which never saw the server.
    process = run_python("""
import millstream, sys
with millstream.Run(sys.argv[1], experiment="an experiment") as run:
    run.log("m", 1.0, step=5)
print(run.id)
""", uri_of(server))
    output, told = process.communicate()
    assert process.returncode == 0, told
    assert time.monotonic() - began < WAIT_SECONDS
    with pytest.raises(millstream.Error) as error:
        client.create_run("one that nobody here has seen")
    assert error.value.code == "TEMPORARILY_UNAVAILABLE"
    server.start()
    assert client.flush(WAIT_SECONDS)
    assert steps(client, run.id) == [0]
    tags, params, status = tags_and_params(client, run.id)
    assert tags["a"] == "b" and tags["mlflow.runName"] == "early"
    assert params == {"lr": "1"} and status == 3
    # The next sender of this machine takes what the other process left.
    client.close()
    client.create_run("an experiment")
    def arrived():
        try:
            return steps(client, output.strip()) == [5]
        except millstream.Error:  # not even the run
            return False

    until(arrived)


def test_a_run_that_was_made_without_our_knowing_is_taken(server, connect):
    """The answer to CreateRun was lost, and it is asked for again."""
    from millstream import _api
    client = connect(server)
    request = _api.message("CreateRunRequest")(
        experiment_id="0", wanted_run_id="0123456789abcdef" * 2)
    for _ in range(2):
        made = client._session.create_run(request)
        assert made.info.run_id == request.wanted_run_id
    run = client.run(made.info.run_id)
    # And once more from the spool.
    method = _api.method("CreateRun")
    client._session._spool_call(run.id, method.path,
                                request.SerializeToString())
    run.log("m", 1.0)
    assert len(run.history("m")) == 1


def test_what_is_known_of_experiments_is_bounded(tmp_path, monkeypatch):
    from millstream import _known
    monkeypatch.setattr(_known, "FILES_MAX", 5)
    known = _known.Known(tmp_path, "server")
    for number in range(20):
        known.remember("/s/GetExperiment", b"%d" % number, b"answer")
    known.remember("/s/SearchRuns", b"1", b"answer")
    assert known.recall("/s/GetExperiment", b"19") == b"answer"
    assert known.recall("/s/GetExperiment", b"0") is None
    assert known.recall("/s/SearchRuns", b"1") is None
    other = _known.Known(tmp_path, "other")
    assert other.recall("/s/GetExperiment", b"19") is None
    assert len(list((tmp_path / ".known").iterdir())) == 5
