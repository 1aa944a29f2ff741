"""A wrong password, server or folder of data: nothing is thrown away."""

import fcntl
import signal
import termios
import threading
import time

import grpc
import millstream
import pytest
from concurrent import futures
from millstream import _refused

import harness

N = 300
WRITER = """
import millstream, sys
client = millstream.Client(sys.argv[1])
run = client.create_run()
print(run.id, flush=True)
sys.stdin.readline()
for step in range(int(sys.argv[2])):
    run.log("m", 1.0, step=step)
run.set_tags({"logged": "all"})
print("logged", flush=True)
sys.stdin.readline()
"""
USER, PASSWORD = "alice", "a pass:word"
NAMES = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


@pytest.fixture
def log_in(monkeypatch, tmp_path):
    """log_in(password) sets what this process and those it starts say; None:
    nothing."""
    # No file of the user's.
    monkeypatch.setenv("HOME", str(tmp_path))

    def set_password(password, user=USER):
        for name, value in zip(NAMES, (user, password)):
            if password is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)

    return set_password


@pytest.fixture
def guarded(start_server, log_in):
    log_in(PASSWORD)
    return start_server(environment=dict(zip(NAMES, (USER, PASSWORD))))


@pytest.fixture
def leave(run_python, uri_of):
    """leave(server) leaves N points and a call of a dead process in the spool,
    and returns their run; the server is running."""

    def act(server):
        process = run_python(WRITER, uri_of(server), N)
        run_id = process.stdout.readline().strip()
        server.kill()
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.readline() == "logged\n"
        process.kill()
        process.wait()
        server.start()
        return run_id

    return act


def steps(client, run_id):
    return sorted(p.step for p in client.history(run_id, "m"))


def test_sync_without_a_password_keeps_everything(
        guarded, leave, command, log_in, connect, spool):
    run_id = leave(guarded)
    for password in (None, "another"):
        log_in(password)
        tried = command("sync")
        assert tried.returncode == 1
        assert "UNAUTHENTICATED" in tried.stderr
        assert "are left" in tried.stderr
        assert not (spool / "refused").exists()
    log_in(PASSWORD)
    done = command("sync")
    assert done.returncode == 0, done.stderr
    assert steps(connect(guarded), run_id) == list(range(N))


def test_the_password_may_be_in_mlflows_file(
        guarded, leave, command, log_in, connect, tmp_path):
    run_id = leave(guarded)
    log_in(None)
    (tmp_path / ".mlflow").mkdir()
    (tmp_path / ".mlflow" / "credentials").write_text(
        f"[mlflow]\n{NAMES[0].lower()} = {USER}\n"
        f"{NAMES[1].lower()} = {PASSWORD}\n")
    assert command("sync").returncode == 0
    assert steps(connect(guarded), run_id) == list(range(N))


def test_sync_to_the_wrong_server_keeps_everything(
        start_server, leave, command, connect, spool):
    server = start_server()
    run_id = leave(server)
    stranger = start_server()
    tried = command("sync", "--uri", stranger.grpc_address)
    assert tried.returncode == 1
    assert "RESOURCE_DOES_NOT_EXIST" in tried.stderr
    assert command("sync").returncode == 0
    assert steps(connect(server), run_id) == list(range(N))
    assert not (spool / "refused").exists()


def test_a_grpc_server_that_is_not_ours_gets_nothing(
        start_server, leave, command, connect):
    server = start_server()
    run_id = leave(server)
    other = grpc.server(futures.ThreadPoolExecutor(2))
    port = other.add_insecure_port("127.0.0.1:0")
    other.start()
    try:
        tried = command("sync", "--uri", f"127.0.0.1:{port}")
    finally:
        other.stop(0)
    assert tried.returncode == 1 and "ENDPOINT_NOT_FOUND" in tried.stderr
    assert command("sync").returncode == 0
    assert steps(connect(server), run_id) == list(range(N))


def test_sync_keeps_runs_that_its_own_server_does_not_know(
        start_server, leave, command, connect, spool, tmp_path):
    server = start_server()
    run_id = leave(server)
    server.kill()
    stranger = at_the_address_of(server, tmp_path / "stranger")
    tried = command("sync")
    assert tried.returncode == 3 and "--refused" in tried.stderr
    stranger.kill()
    server.start()
    done = command("sync")
    assert done.returncode == 0
    assert steps(connect(server), run_id) == []
    done = command("sync", "--refused")
    assert done.returncode == 0, done.stderr
    assert steps(connect(server), run_id) == list(range(N))


def at_the_address_of(server, folder):
    folder.mkdir()
    other = harness.Server(folder)
    other.grpc_address = server.grpc_address
    return other.start()


@pytest.mark.parametrize("kind", ["password", "data"])
def test_training_outlives_a_server_that_is_wrong_for_a_while(
        guarded, connect, log_in, tmp_path, kind, until, caplog):
    client = connect(guarded)
    run = client.create_run()
    run.log("m", 1.0, step=0)
    assert run.flush()
    guarded.kill()
    if kind == "data":
        wrong = at_the_address_of(guarded, tmp_path / "wrong")
    else:
        wrong = guarded
        guarded.environment[NAMES[1]] = "another"
        guarded.start()
    for step in range(1, 100):
        run.log("m", 1.0, step=step)
    until(lambda: run.flush(0.2) or "stays in" in caplog.text)
    run.log("m", 1.0, step=100)
    wrong.kill()
    guarded.environment[NAMES[1]] = PASSWORD
    guarded.start()
    assert run.flush(30)
    assert steps(client, run.id) == list(range(101))


def test_who_may_not_send_what_another_left_leaves_it(
        guarded, leave, command, log_in, connect, uri_of, run_python, spool):
    run_id = leave(guarded)
    log_in(None)
    # Adopts what was left at its start.
    process = run_python("""
import millstream, sys
client = millstream.Client(sys.argv[1])
try:
    client.create_run()
except millstream.Error as error:
    print(error.code, flush=True)
client.close()
""", uri_of(guarded))
    assert process.communicate()[0] == "UNAUTHENTICATED\n"
    log_in(PASSWORD)
    deadline = time.monotonic() + 30
    # Its sender may still be there.
    while "left alone" in command("sync").stderr:
        assert time.monotonic() < deadline
    assert steps(connect(guarded), run_id) == list(range(N))


def test_a_password_in_clear_is_told(monkeypatch, log_in, caplog):
    from millstream import _config, _session, _who
    log_in(PASSWORD)
    session = _session.Session(_config.parse("millstream://far.example:5001"))
    session._warn_of_clear_secrets()
    session._warn_of_clear_secrets()
    assert caplog.text.count("unencrypted") == 1
    env = dict(zip(NAMES, (USER, PASSWORD)), HOME="/nowhere")
    assert _who.secrets_in_clear("10.0.0.7:5001", env)
    for target in ("127.0.0.1:5001", "[::1]:5001", "localhost:1",
                   "millstreams://far.example:5001"):
        assert not _who.secrets_in_clear(target, env)
    assert not _who.secrets_in_clear("far.example:5001", {"HOME": "/nowhere"})


@pytest.mark.parametrize("what", ["a call", "a point"])
def test_what_is_refused_is_kept_or_waits(start_server, connect, spool, command,
                                          caplog, until, what):
    """The file for it has a bound."""
    server = start_server()
    client = connect(server)
    run = client.create_run()
    run.log_params({"lr": 1})
    file = spool / _refused.NAME
    with file.open("wb") as full:
        full.truncate(_refused.BYTES_MAX)
    server.kill()
    if what == "a call":
        run.log_params({"lr": 2})
    else:
        client._session.log(run.id).point("#", 5.0, 0, 0)
        run.set_tags({"t": 1})
    run.log("m", 1.0)
    server.start()
    until(lambda: run.flush(0.2) or "move it away" in caplog.text)
    assert not run.flush(0.2) and "it stays in" in caplog.text
    assert "FULL" in command("status").stdout
    file.rename(spool / "moved")
    assert run.flush(30)
    assert steps(client, run.id) == [0]
    (line,) = file.read_text().splitlines()
    assert "lr" in line if what == "a call" else '"#"' in line
    assert file.stat().st_mode & 0o777 == 0o600
    told = command("status").stdout
    assert f"{file}  1 calls and frames" in told and "FULL" not in told


def test_the_end_of_a_run_and_what_follows_keep_their_order(
        start_server, connect):
    """A run that ends and goes on, while the server is away."""
    server = start_server()
    client = connect(server)
    runs = [client.create_run() for _ in range(4)]
    server.kill()
    for run in runs:
        for number in range(5):
            for step in range(200):
                run.log(f"metric{number}", 1.0, step=step)
            run.set_tags({"k": number})
            run.finish("FAILED" if number < 4 else "FINISHED")
    server.start()
    assert client.flush(30)
    for run in runs:
        got = get_run(client, run.id)
        assert {t.key: t.value for t in got.data.tags}["k"] == "4"
        assert got.info.status == 3


def get_run(client, run_id):
    from millstream import _api
    return client._session.call(
        "GetRun", _api.message("GetRunRequest")(run_id=run_id), run_id).run


def test_calls_that_make_something_are_made_once(server, connect, until):
    """A sender that dies in the middle may have made it."""
    from millstream import _link
    client = connect(server)
    client.create_run()
    link = client._session._link
    process = link._process
    process.send_signal(signal.SIGSTOP)
    raised = []

    def ask():
        try:
            link.ask({"op": "call", "path": "/x/CreateRegisteredModel",
                      "patience": 1.0})
        except _link.NoSender as error:
            raised.append(error.message)

    asking = threading.Thread(target=ask)
    idle = link._idle[0]
    asking.start()
    # What it asked lies there unread.
    until(lambda: fcntl.ioctl(idle, termios.TIOCOUTQ, bytes(4)) != bytes(4))
    process.kill()
    process.wait()
    asking.join()
    assert "CreateRegisteredModel" in raised[0]
    # Others are asked again, of the next sender.
    assert link.ask({"op": "status"})[0]["away"] is False


def test_a_bug_in_the_sender_reaches_the_caller(server, connect):
    client = connect(server)
    client.create_run()
    link = client._session._link
    process = link._process
    with pytest.raises(millstream.Error) as error:
        link.ask({"op": "call"})
    assert error.value.code == "INTERNAL_ERROR"
    assert process.poll() is None and link._process is process
