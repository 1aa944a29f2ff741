"""TLS at both doors."""

import http.client
import json
import socket
import ssl
import subprocess
import sys
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import harness


def certificate(folder, name="server", issuer=None):
    """A certificate and key for 127.0.0.1; signed by itself or `issuer`."""
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    signed_by = [] if issuer is None else ["-CA", issuer[0], "-CAkey",
                                           issuer[1]]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
         f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
         "-out", paths[0], "-keyout", paths[1], *signed_by],
        check=True, capture_output=True)
    return paths


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def secured(tmp_path_factory, files):
    server = harness.Server(tmp_path_factory.mktemp("secured"), "--tls-cert",
                            files[0], "--tls-key", files[1]).start()
    yield server
    server.kill()


def connect(server, trusted, **options):
    context = ssl.create_default_context(cafile=trusted)
    if "client" in options:
        context.load_cert_chain(*options["client"])
    if "version" in options:
        # Python's own floor is the same as ours.
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = options["version"]
    return http.client.HTTPSConnection(
        server.url.removeprefix("https://"), context=context, timeout=30)


def get(connection, path="/health"):
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read()


def grpc_status(server, trusted, **keys):
    credentials = grpc.ssl_channel_credentials(
        trusted.read_bytes(), **{k: v.read_bytes() for k, v in keys.items()})
    with grpc.secure_channel(server.grpc_address, credentials) as channel:
        try:
            return health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=10).status
        except grpc.RpcError as error:
            return error.code()


SERVING = health_pb2.HealthCheckResponse.SERVING


def test_both_doors_speak_tls(secured, files):
    connection = connect(secured, files[0])
    for _ in range(3):
        assert get(connection) == (200, b"OK")
    assert get(connection, "/nothing")[0] == 404
    assert connection.sock.version() == "TLSv1.3"
    assert grpc_status(secured, files[0]) == SERVING


def test_large_files_go_both_ways(secured, files):
    data = bytes(range(256)) * 40_000
    connection = connect(secured, files[0])
    path = "/api/2.0/mlflow-artifacts/artifacts/0/r/artifacts/f"
    connection.request("PUT", path, data)
    response = connection.getresponse()
    response.read()
    assert response.status == 200
    connection.close()
    connection.request("GET", path)
    assert connection.getresponse().read() == data


def test_who_speaks_no_tls_is_told(secured):
    connection = http.client.HTTPConnection(
        secured.url.removeprefix("https://"), timeout=30)
    status, body = get(connection)
    assert status == 400
    assert b"https://" in body


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1,
                                     ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(secured, files, version):
    with pytest.raises(OSError):
        get(connect(secured, files[0], version=version))
    assert get(connect(secured, files[0],
                       version=ssl.TLSVersion.TLSv1_2))[0] == 200


def test_urls_in_answers_say_https(secured, files):
    connection = connect(secured, files[0])
    connection.request(
        "POST", "/api/2.0/mlflow-artifacts/mpu/create/0/r/artifacts",
        b'{"path": "f", "num_parts": 1}', {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    assert answer["credentials"][0]["url"].startswith(secured.url + "/")


def test_a_new_certificate_is_taken_without_dropping_connections(
        tmp_path, start_server):
    first = certificate(tmp_path, "first")
    cert, key = tmp_path / "cert", tmp_path / "key"
    cert.write_bytes(first[0].read_bytes())
    key.write_bytes(first[1].read_bytes())
    server = start_server("--tls-cert", cert, "--tls-key", key)
    opened = connect(server, first[0])
    assert get(opened)[0] == 200
    # Half of a change is not taken.
    second = certificate(tmp_path, "second")
    cert.write_bytes(second[0].read_bytes())
    wait(lambda: get(connect(server, first[0]))[0] == 200 and
         "--tls-key" in server.log())
    key.write_bytes(second[1].read_bytes())
    wait(lambda: works(lambda: get(connect(server, second[0]))))
    wait(lambda: grpc_status(server, second[0]) == SERVING)
    assert not works(lambda: get(connect(server, first[0])))
    assert get(opened)[0] == 200


def works(call):
    try:
        call()
    except OSError:
        return False
    return True


def wait(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_callers_may_have_to_bring_a_certificate(tmp_path, start_server):
    own = certificate(tmp_path)
    authority = certificate(tmp_path, "authority")
    member = certificate(tmp_path, "member", authority)
    stranger = certificate(tmp_path, "stranger")
    server = start_server("--tls-cert", own[0], "--tls-key", own[1],
                          "--tls-client-ca", authority[0])
    assert get(connect(server, own[0], client=member))[0] == 200
    assert not works(lambda: get(connect(server, own[0], client=stranger)))
    assert not works(lambda: get(connect(server, own[0])))
    assert grpc_status(server, own[0], certificate_chain=member[0],
                       private_key=member[1]) == SERVING
    assert grpc_status(server, own[0]) == grpc.StatusCode.UNAVAILABLE


def test_a_connection_that_does_not_agree_ends(secured):
    """limits::kTlsHandshakeMsMax is ten seconds."""
    host, port = secured.url.removeprefix("https://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as silent:
        assert silent.recv(1) == b""


def test_the_stock_client_trusts_the_certificate(secured, files, tmp_path):
    program = ("import mlflow; print(len(mlflow.MlflowClient()"
               ".search_experiments()))")
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "MLFLOW_TRACKING_URI": secured.url,
             "MLFLOW_TRACKING_SERVER_CERT_PATH": str(files[0])},
        capture_output=True, text=True, timeout=120)
    assert ended.stdout == "1\n", ended.stderr


@pytest.mark.parametrize("broken", ["missing", "mismatch", "nonsense",
                                    "alone"])
def test_files_that_cannot_be_used_are_refused_at_start(tmp_path, broken):
    own = certificate(tmp_path)
    other = certificate(tmp_path, "other")
    (tmp_path / "nonsense").write_text("nonsense")
    flags = {"missing": ["--tls-cert", tmp_path / "none", "--tls-key", own[1]],
             "mismatch": ["--tls-cert", own[0], "--tls-key", other[1]],
             "nonsense": ["--tls-cert", own[0], "--tls-key",
                          tmp_path / "nonsense"],
             "alone": ["--tls-cert", own[0]]}[broken]
    ended = subprocess.run(
        [harness.BINARY, "server", "--port", "0", "--grpc-port", "0",
         "--data-dir", tmp_path / "data", *flags],
        capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert "--tls-" in ended.stderr
