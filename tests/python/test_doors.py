"""TLS, artifacts and large calls through the package."""

import asyncio
import json
import os
import subprocess
import threading
import time
from concurrent import futures

import grpc
import millstream
import pytest
from millstream import _api, _config, _server, _session

from proxy import Proxy

MIB = 1 << 20


def certificate(folder, name, issuer=None):
    """A certificate for 127.0.0.1 and its key; one file has both."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    signed_by = [] if issuer is None else ["-CA", issuer[0], "-CAkey",
                                           issuer[1]]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
         f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
         "-out", cert, "-keyout", key, *signed_by],
        check=True, capture_output=True)
    both = folder / f"{name}.both"
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    return cert, key, both


@pytest.fixture
def secured(start_server, tmp_path, monkeypatch):
    for name in ("SERVER_CERT_PATH", "CLIENT_CERT_PATH", "INSECURE_TLS"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    own = certificate(tmp_path, "server")
    ca = certificate(tmp_path, "authority")
    member = certificate(tmp_path, "member", ca)
    server = start_server("--tls-cert", own[0], "--tls-key", own[1],
                          "--tls-client-ca", ca[0])
    monkeypatch.setenv("MLFLOW_TRACKING_CLIENT_CERT_PATH", str(member[2]))
    return server, own


@pytest.fixture
def connect_by_tls(uri_of, end_sessions):
    yield lambda server, **parameters: millstream.Client(
        uri_of(server, **parameters).replace("millstream:", "millstreams:"))
    end_sessions()


@pytest.mark.parametrize("trust", ["file", "folder", "anybody"])
def test_tls(secured, connect_by_tls, monkeypatch, tmp_path, trust, command):
    server, own = secured
    if trust == "anybody":
        monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "true")
    else:
        path = own[0]
        if trust == "folder":
            path = tmp_path / "trusted"
            path.mkdir()
            (path / "server.pem").write_bytes(own[0].read_bytes())
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(path))
    client = connect_by_tls(server, away_wait=0.2)
    run = client.create_run()
    for step in range(100):
        run.log("m", 1.0, step=step)
    assert len(run.history("m")) == 100
    # What is left knows by which way it is to be sent.
    server.kill()
    run.log("m", 1.0, step=100)
    client.close()
    server.start()
    assert command("sync").returncode == 0
    assert len(client.history(run.id, "m")) == 101


def test_a_certificate_that_nobody_vouches_for_is_refused(
        secured, connect_by_tls, monkeypatch, tmp_path):
    server, own = secured
    other = certificate(tmp_path, "other")
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(other[0]))
    client = connect_by_tls(server, timeout=0.5)
    with pytest.raises(millstream.Error) as error:
        client.create_run("Another")
    assert error.value.code == "TEMPORARILY_UNAVAILABLE"


def test_a_port_with_tls_is_told_from_one_without(
        secured, start_server, connect, connect_by_tls):
    server, _ = secured
    with pytest.raises(millstream.Error, match="Say millstreams://"):
        connect(server, timeout=30).create_run()
    plain = start_server()
    with pytest.raises(millstream.Error, match="Say millstream://"):
        connect_by_tls(plain, timeout=30).create_run()
    # The port of its REST API.
    server.grpc_address = server.url.removeprefix("https://")
    with pytest.raises(millstream.Error, match="that is the HTTP port"):
        connect_by_tls(server, timeout=30).create_run()


@pytest.mark.parametrize("variables, told", [
    ({"SERVER_CERT_PATH": "/nowhere"}, "SERVER_CERT_PATH=/nowhere"),
    ({"SERVER_CERT_PATH": "/dev/null", "INSECURE_TLS": "1"}, "choose one")])
def test_variables_that_cannot_be_meant_are_told(
        monkeypatch, spool, variables, told):
    for name, value in variables.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    session = _session.Session(_config.parse(
        f"millstreams://127.0.0.1:1?spool_dir={spool}"))
    with pytest.raises(millstream.Error, match=told):
        session.log("0" * 32)


def test_addresses_by_tls():
    config = _config.parse("millstreams://host", {})
    assert config.target == "millstreams://host:5001"
    assert config.ui == "https://host:5000"


# --- Artifacts


@pytest.fixture
def artifact(tmp_path):
    path = tmp_path / "artifact"
    path.write_bytes(os.urandom(3 * MIB))
    return path


def test_artifacts_wait_for_a_server_that_is_away(
        start_server, connect, artifact, tmp_path):
    server = start_server()
    session = connect(server, timeout=30)._session
    server.kill()
    back = threading.Timer(0.5, server.start)
    back.start()
    session.upload("0/run/artifacts/f", str(artifact))
    back.join()
    server.kill()
    back = threading.Timer(0.5, server.start)
    back.start()
    session.download("0/run/artifacts/f", str(tmp_path / "copy"))
    back.join()
    assert (tmp_path / "copy").read_bytes() == artifact.read_bytes()


def test_artifacts_fail_when_it_does_not_come_back(
        start_server, connect, artifact, tmp_path):
    server = start_server()
    session = connect(server, timeout=0.5)._session
    server.kill()
    for act in (session.upload, session.download):
        with pytest.raises(millstream.Error) as error:
            act("0/run/artifacts/f", str(artifact))
        assert error.value.code == "TEMPORARILY_UNAVAILABLE"


def test_refusals_of_artifacts_come_at_once(server, connect, artifact):
    session = connect(server, timeout=60)._session
    began = time.monotonic()
    with pytest.raises(millstream.Error) as error:
        session.upload("0/../../f", str(artifact))
    assert error.value.code == "INVALID_PARAMETER_VALUE"
    with pytest.raises(millstream.Error) as error:
        session.download("0/run/artifacts/none", str(artifact))
    assert error.value.code in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
    with pytest.raises(millstream.Error) as error:
        session.upload("0/run/artifacts/f", "/nowhere")
    assert error.value.code == "IO_ERROR"
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("mebibytes", [1, 100])
def test_a_transfer_that_stands_still_ends(silence, artifact, mebibytes):
    """Also when all was sent, and only the answer does not come."""
    os.truncate(artifact, mebibytes * MIB)

    async def transfer(way, *arguments):
        there = _server.Server(silence)
        try:
            await getattr(there, way)(*arguments)
        finally:
            await there.close()

    for way in ("upload", "download"):
        with pytest.raises(millstream.Error) as error:
            asyncio.run(transfer(way, "0/run/f", str(artifact), 0.0))
        assert error.value.code == "TEMPORARILY_UNAVAILABLE"
        assert "does not move" in error.value.message


@pytest.fixture
def silence(monkeypatch):
    """A server that takes calls and then nothing."""
    monkeypatch.setattr(_server, "TRANSFER_STALL_SECONDS", 0.3)
    monkeypatch.setattr(_server, "TRANSFER_KEEP_SECONDS", 0.3)
    done = threading.Event()

    class Silent(grpc.GenericRpcHandler):
        def service(self, details):
            def wait(requests, context):
                done.wait()
                return iter(())
            return grpc.stream_stream_rpc_method_handler(wait)

    silent = grpc.server(futures.ThreadPoolExecutor(4))
    silent.add_generic_rpc_handlers([Silent()])
    port = silent.add_insecure_port("127.0.0.1:0")
    silent.start()
    yield f"127.0.0.1:{port}"
    done.set()
    silent.stop(0).wait()


# --- Large calls


def inputs(run_id, profile_bytes):
    request = _api.message("LogInputsRequest")(run_id=run_id)
    dataset = request.datasets.add().dataset
    dataset.name, dataset.digest = "d", "1"
    dataset.source_type, dataset.source = "local", "s"
    dataset.profile = "p" * profile_bytes
    return request


def test_a_call_as_large_as_a_dataset_may_be(start_server, connect, spool):
    server = start_server()
    client = connect(server)
    run = client.create_run()
    other = client.create_run()
    client._session.write(run.id, "LogInputs", inputs(run.id, 12 * MIB))
    # And the same later, from the spool, with what is behind it.
    server.kill()
    client._session.write(other.id, "LogInputs", inputs(other.id, 12 * MIB))
    other.log("m", 1.0)
    other.finish()
    server.start()
    assert client.flush(30)
    for each in (run, other):
        got = client._session.call(
            "GetRun", _api.message("GetRunRequest")(run_id=each.id)).run
        assert len(got.inputs.dataset_inputs[0].dataset.profile) == 12 * MIB
    assert got.info.status == 3
    assert not (spool / "refused.jsonl").exists()


def test_a_call_that_no_server_takes_is_refused_at_once(server, connect):
    client = connect(server)
    run = client.create_run()
    for act in (lambda: run.set_tags({"t": "v" * 65_000_000}),
                lambda: client.create_run(tags={"t": "v" * 65_000_000})):
        with pytest.raises(millstream.Error) as error:
            act()
        assert error.value.code == "INVALID_PARAMETER_VALUE"
    run.log("m", 1.0)
    assert run.flush()


def test_what_something_before_the_server_refuses_blocks_nothing(
        start_server, connect, spool, caplog):
    server = start_server()
    proxy = Proxy(server)  # takes 4 MiB
    try:
        client = connect(proxy)
        run = client.create_run()
        with pytest.raises(millstream.Error) as error:
            client._session.write(run.id, "LogInputs", inputs(run.id, 5 * MIB))
        assert error.value.code == "INVALID_PARAMETER_VALUE"
        client._session._spool_call(
            run.id, _api.method("LogInputs").path,
            inputs(run.id, 5 * MIB).SerializeToString())
        run.log("m", 1.0)
        run.finish()
        assert client.flush(30)
        assert len(client.history(run.id, "m")) == 1
        assert "refused" in caplog.text
        assert (spool / "refused.jsonl").exists()
        client.close()
    finally:
        proxy.close()


def test_frames_of_long_names_are_bounded(start_server, connect):
    """8,192 points of as many metrics, whose names are 8 MB."""
    server = start_server()
    proxy = Proxy(server)
    try:
        client = connect(proxy)
        run = client.create_run()
        keys = [f"{number:05}".ljust(250, "\U00020000")
                for number in range(8192)]
        server.kill()
        for key in keys:
            run.log(key, 1.0)
        run.log_array(keys[0], [1.0] * 10, steps=1)
        server.start()
        assert client.flush(30)
        assert len(client.history(run.id, keys[-1])) == 1
        assert len(client.history(run.id, keys[0])) == 11
        (frames,) = proxy.frames.values()
        assert max(map(len, frames.values())) <= 2000
        client.close()
    finally:
        proxy.close()


# --- The server's log


def test_calls_are_in_the_access_log(start_server, connect):
    server = start_server("--access-log", "--log-format", "json")
    client = connect(server)
    run = client.create_run()
    run.log("m", 1.0)
    run.finish()
    with pytest.raises(millstream.Error):
        client.run("0" * 32).log("m", 1.0)
    # Its stream ends.
    client.close()
    server.stop()
    lines = [json.loads(line) for line in server.log().splitlines()
             if line.startswith("{")]
    calls = {(line["rpc"].rpartition(".")[2], line["code"]): line
             for line in lines if line["message"] == "call"}
    assert {("CreateRun", "OK"), ("UpdateRun", "OK"),
            ("LogBatch", "RESOURCE_DOES_NOT_EXIST")} <= calls.keys()
    assert "LogMetrics" in {rpc for rpc, _ in calls}
    line = calls["CreateRun", "OK"]
    assert line["ms"] > 0 and "127.0.0.1" in line["peer"]
