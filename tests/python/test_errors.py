"""Errors over millstream:// are those of the same call over http://."""

import asyncio
import time

import millstream
import mlflow
import pytest
from millstream import _config, _listener, _server
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException, RestException

NOBODY = "0" * 32
CALLS = {
    "get_run": lambda c, run: c.get_run(NOBODY),
    "metric of no run": lambda c, run: c.log_metric(NOBODY, "m", 1.0),
    "metric of a deleted run": lambda c, run: c.log_metric(
        c.gone, "m", 1.0),
    "name of a metric": lambda c, run: c.log_metric(run, "a#b", 1.0),
    "time of a metric": lambda c, run: c.log_metric(run, "m", 1.0, -1),
    "name in a batch": lambda c, run: c.log_batch(
        run, [Metric("m", 1.0, 1, 0), Metric("..", 1.0, 1, 0)],
        [Param("p", "1")], [RunTag("t", "1")]),
    "param": lambda c, run: c.log_param(run, "lr", 2),
    "params": lambda c, run: c.log_batch(run, [], [Param("lr", "2")]),
    "tag": lambda c, run: c.set_tag(NOBODY, "t", 1),
    "no tag": lambda c, run: c.delete_tag(run, "none"),
    "end": lambda c, run: c.set_terminated(NOBODY),
    "delete": lambda c, run: c.delete_run(NOBODY),
    "filter": lambda c, run: c.search_runs(["0"], "metrics.m ="),
    "order": lambda c, run: c.search_runs(["0"], order_by=["nonsense"]),
    "experiment": lambda c, run: c.get_experiment("987654321"),
    "experiments": lambda c, run: c.create_experiment("taken"),
    "model": lambda c, run: c.get_registered_model("none"),
    "models": lambda c, run: c.create_registered_model("taken"),
    "version": lambda c, run: c.get_model_version("taken", "7"),
    "alias": lambda c, run: c.get_model_version_by_alias("taken", "none"),
}


@pytest.fixture
def both(start_server, uri_of, end_sessions):
    """Clients of one server by either way, and a run."""
    server = start_server()
    clients = [mlflow.MlflowClient(uri, uri)
               for uri in (server.url, uri_of(server))]
    run_id = clients[0].create_run("0").info.run_id
    gone = clients[0].create_run("0").info.run_id
    clients[0].log_param(run_id, "lr", 1)
    clients[0].delete_run(gone)
    clients[0].create_experiment("taken")
    clients[0].create_registered_model("taken")
    for client in clients:
        client.gone = gone
    yield server, clients, run_id
    end_sessions()


def error_of(act, *arguments):
    try:
        return act(*arguments)
    except Exception as error:
        return error


def test_errors_are_those_of_http(both):
    _, clients, run_id = both
    different = {}
    for name, act in CALLS.items():
        there, here = (error_of(act, client, run_id) for client in clients)
        # mlflow makes another one of some.
        assert isinstance(there, MlflowException), (name, there)
        for what in ("__class__", "error_code", "message", "json", "sqlstate",
                     "error_class"):
            pair = tuple(getattr(e, what, None) for e in (there, here))
            if pair[0] != pair[1]:
                different[name, what] = pair
        if str(there) != str(here):
            different[name, "str"] = str(there), str(here)
    assert not different
    # What was refused left nothing, in the spool neither.
    run = clients[1].get_run(run_id)
    assert run.data.metrics == {} and run.data.params == {"lr": "1"}


def test_a_bool_is_a_number_as_over_http(both):
    _, clients, run_id = both
    for client, name in zip(clients, ("a", "b")):
        for value in (True, False):
            client.log_batch(run_id, [Metric(name, value, 1, int(value))])
    metrics = clients[1].get_run(run_id).data.metrics
    assert metrics == {"a": 1.0, "b": 1.0}


def test_what_is_no_metric_is_told_while_the_server_is_away(both):
    server, clients, run_id = both
    clients[1].log_metric(run_id, "m", 1.0)
    server.kill()
    error = error_of(clients[1].log_metric, run_id, "a#b", 1.0)
    assert type(error) is RestException
    assert str(error).startswith("INVALID_PARAMETER_VALUE: Invalid")


# --- Whom one waits for


def test_whom_one_waits_for_is_told(start_server, connect, caplog):
    server = start_server()
    client = connect(server, timeout=3)
    run = client.create_run()
    server.kill()
    for _ in range(2):
        with pytest.raises(millstream.Error):
            client.history(run.id, "m")
    told = [r.message for r in caplog.records if "waiting for" in r.message]
    # Once.
    assert len(told) == 1
    assert f"{server.grpc_address}, up to 3 s: " in told[0]


@pytest.fixture
def at(spool, end_sessions):
    """at(address) connects there."""
    yield lambda address: millstream.Client(
        f"{address}?spool_dir={spool}&timeout=30&linger=0&away_wait=0.2")
    end_sessions()


def test_the_http_port_is_told_from_the_grpc_port(start_server, at):
    server = start_server()
    address = server.url.removeprefix("http://")
    began = time.monotonic()
    with pytest.raises(millstream.Error) as error:
        at(address).create_run()
    assert time.monotonic() - began < 10
    assert error.value.code == "ENDPOINT_NOT_FOUND"
    host, _, port = address.partition(":")
    assert "that is the HTTP port" in error.value.message
    assert f"millstream://{host}:{int(port) + 1}" in error.value.message


def test_the_http_port_is_told_to_users_of_mlflow(
        start_server, run_python, spool):
    server = start_server()
    process = run_python(
        "import mlflow; mlflow.start_run()",
        MLFLOW_TRACKING_URI=server.url.replace("http:", "millstream:"),
        MILLSTREAM_SPOOL_DIR=str(spool))
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "that is the HTTP port" in errors.splitlines()[-1]


def test_sync_to_the_http_port_keeps_everything(
        start_server, run_python, uri_of, command, until):
    server = start_server()
    process = run_python("""
import millstream, sys
run = millstream.Run(sys.argv[1])
print(run.id, flush=True)
sys.stdin.readline()
run.log("m", 1.0)
print("logged", flush=True)
sys.stdin.readline()
""", uri_of(server))
    process.stdout.readline()
    server.kill()
    process.stdin.write("go\n")
    process.stdin.flush()
    assert process.stdout.readline() == "logged\n"
    process.kill()
    process.wait()
    server.start()
    tried = command("sync", "--uri", server.url.removeprefix("http://"))
    assert tried.returncode == 1
    assert "that is the HTTP port" in tried.stderr
    assert "sent" not in tried.stdout
    done = command("sync")
    assert done.returncode == 0 and "sent 1 points" in done.stdout


def test_a_server_that_comes_to_the_port_is_believed(start_server, at,
                                                     monkeypatch):
    """What listened there before spoke HTTP."""
    monkeypatch.setattr(_server, "NOT_OURS_SECONDS", 0.0)
    server = start_server()
    target = server.grpc_address
    server.kill()

    async def answer(reader, writer):
        await reader.read(100)
        writer.write(b"HTTP/1.1 505 No\r\n\r\n")
        writer.close()

    async def ask():
        host, _, port = target.partition(":")
        other = await asyncio.start_server(answer, host, int(port))
        there = _server.Server(target)
        path = "/millstream.v1.TrackingService/GetServerInfo"
        try:
            failure = await there._is_not_ours()
            other.close()
            await other.wait_closed()
            await asyncio.to_thread(server.start)
            await there.patient_call(path, b"", 30.0)
            return failure
        finally:
            await there.close()

    assert asyncio.run(ask())


def test_nobody_is_not_told_from_a_server_that_is_away(start_server):
    server = start_server()
    assert asyncio.run(_listener.why_not_ours(server.grpc_address)) is None
    server.kill()
    assert asyncio.run(_listener.why_not_ours(server.grpc_address)) is None


def test_unknown_addresses_name_what_is_wrong(monkeypatch):
    for uri, told in [
            ("millstream:127.0.0.1:45001",
             "say millstream://127.0.0.1:45001"),
            ("millstreams:host", "say millstreams://host"),
            ("millstream:/host:5", "say millstream://host:5"),
            ("millstream://host:port", "millstream://host:port")]:
        with pytest.raises(ValueError) as error:
            _config.parse(uri, {})
        assert told in str(error.value)
    # A host that has our name.
    assert _config.parse("millstream:7", {}).target == "millstream:7"
    with pytest.raises(ValueError, match="^MILLSTREAM_SPOOL_BYTES='abc'"):
        _config.parse("host", {"MILLSTREAM_SPOOL_BYTES": "abc"})
    with pytest.raises(ValueError, match="^spool_bytes='abc'"):
        _config.parse("host?spool_bytes=abc", {})


def test_the_command_says_that_there_is_nothing(command, spool):
    for what in ("status", "sync"):
        done = command(what)
        assert done.returncode == 0
        assert str(spool) in done.stdout and "nothing" in done.stdout
    assert command("--version").stdout.startswith(
        f"millstream {millstream.__version__}")
