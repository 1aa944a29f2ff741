"""What was acknowledged is there after a restart and after a crash."""

import http.client
import os
import threading
import time
import urllib.parse

import mlflow
import pytest
import requests
from mlflow.entities import Metric, Param, RunTag

import harness

millstream_only = pytest.mark.skipif(
    bool(harness.REFERENCE), reason="the reference does not promise it")


def client_of(server):
    return mlflow.MlflowClient(server.url)


def snapshot(client, experiment_id, model):
    """Everything that the tests below stored, as plain values."""
    runs = client.search_runs([experiment_id], order_by=["start_time ASC"])
    return {
        "experiment": dict(client.get_experiment(experiment_id)),
        "runs": [run.to_dictionary() for run in runs],
        "histories": [
            [(m.step, m.timestamp, m.value)
             for m in client.get_metric_history(run.info.run_id, key)]
            for run in runs for key in sorted(run.data.metrics)],
        "artifacts": [f.path for run in runs
                      for f in client.list_artifacts(run.info.run_id)],
        "model": dict(client.get_registered_model(model)).keys(),
        "versions": [dict(v) for v in
                     client.search_model_versions(f"name = '{model}'")],
    }


def fill(client, unique):
    experiment_id = client.create_experiment(unique(), tags={"a": "b"})
    for i in range(3):
        run_id = client.create_run(experiment_id, start_time=i).info.run_id
        client.log_batch(run_id,
                         [Metric("m", j, j, j) for j in range(100)],
                         [Param("p", str(i))], [RunTag("t", str(i))])
        client.log_text(run_id, "text", "a.txt")
        client.set_terminated(run_id)
    client.create_registered_model(unique(), tags={"c": "d"})
    client.create_model_version(unique(), "s3://b/m", run_id)
    client.set_registered_model_alias(unique(), "best", "1")
    return experiment_id


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_restart_keeps_everything(start_server, unique, how):
    server = start_server()
    experiment_id = fill(client_of(server), unique)
    before = snapshot(client_of(server), experiment_id, unique())
    getattr(server, how)()
    server.start()
    assert snapshot(client_of(server), experiment_id, unique()) == before
    run_id = client_of(server).create_run(experiment_id).info.run_id
    client_of(server).log_metric(run_id, "after", 1)


def test_a_crash_between_writers_loses_nothing_acknowledged(start_server,
                                                            unique):
    server = start_server()
    client = client_of(server)
    experiment_id = client.create_experiment(unique())
    run_ids = [client.create_run(experiment_id).info.run_id for _ in range(4)]
    acknowledged = dict.fromkeys(run_ids, -1)
    enough = threading.Event()

    def write(run_id):
        number = 0
        try:
            while True:
                client.log_batch(
                    run_id, [Metric("m", number, number, number)],
                    [Param(f"p{number}", "v")],
                    [RunTag(f"t{number}", "v")])
                acknowledged[run_id] = number
                number += 1
                if sum(acknowledged.values()) > 100:
                    enough.set()
        except Exception:  # the server is gone: that is the point
            enough.set()

    writers = [threading.Thread(target=write, args=[r]) for r in run_ids]
    for each in writers:
        each.start()
    assert enough.wait(60)
    server.kill()
    for each in writers:
        each.join()
    server.start()
    client = client_of(server)
    for run_id, last in acknowledged.items():
        data = client.get_run(run_id).data
        steps = [m.step for m in client.get_metric_history(run_id, "m")]
        assert steps == list(range(len(steps)))
        assert len(steps) in (last + 1, last + 2)  # the unanswered one may be
        if steps:
            assert data.metrics == {"m": steps[-1]}
        if not harness.REFERENCE:  # a batch is one unit
            assert len(data.params) == len(steps)
            assert sum(k.startswith("t") for k in data.tags) == len(steps)


@millstream_only
def test_sigterm_ends_with_status_0(start_server):
    server = start_server()
    with requests.Session() as session:  # an idle connection holds nobody up
        session.get(server.url + "/health")
        assert server.stop() == 0


def wait_until_read(address, connection):
    """Waits until the server has taken all that was sent on the connection."""
    ends = f":{address.port:04X}", f":{connection.sock.getsockname()[1]:04X}"
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for line in open("/proc/net/tcp"):
            _, local, remote, _, queues, *_ = line.split()
            if (local[-5:], remote[-5:]) == ends:
                if int(queues.split(":")[1], 16) == 0:
                    return
        time.sleep(0.01)
    raise AssertionError("the server does not read")


@millstream_only
def test_sigterm_finishes_what_was_begun(start_server, unique):
    server = start_server()
    address = urllib.parse.urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port,
                                            timeout=20)
    half = os.urandom(1 << 20)
    path = "/api/2.0/mlflow-artifacts/artifacts/begun/data.bin"
    connection.putrequest("PUT", path)
    connection.putheader("Content-Length", str(2 * len(half)))
    connection.endheaders()
    connection.send(half)
    wait_until_read(address, connection)
    exit_status = []
    stopper = threading.Thread(
        target=lambda: exit_status.append(server.stop()))
    stopper.start()
    connection.send(half)
    assert connection.getresponse().status == 200
    connection.close()
    stopper.join()
    assert exit_status == [0]
    server.start()
    assert requests.get(server.url + path).content == half + half


@millstream_only
def test_two_servers_never_share_a_data_folder(start_server):
    server = start_server()
    with pytest.raises(RuntimeError, match="the server ended at start"):
        harness.Server(server.folder).start()
    assert requests.get(server.url + "/health").text == "OK"
