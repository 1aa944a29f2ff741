"""Whoever calls must say who it is: every route, every gRPC method."""

import base64
import hashlib
import http.client
import os
import re
import subprocess
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

import doors
import evidence
import harness

USER, PASSWORD = "alice", "a pass:wörd"


def basic(user, password):
    return "Basic " + base64.b64encode(
        f"{user}:{password}".encode()).decode()


GOOD = basic(USER, PASSWORD)
WRONG = {"nothing": None, "a wrong password": basic(USER, "other"),
         "a wrong user": basic("bob", PASSWORD), "a token": "Bearer x",
         "nonsense": "nonsense"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    server = harness.Server(
        tmp_path_factory.mktemp("guarded"), environment={
            "MLFLOW_TRACKING_USERNAME": USER,
            "MLFLOW_TRACKING_PASSWORD": PASSWORD}).start()
    yield server
    server.kill()


def routes():
    """Every route of the gateway's own list, with something for variables."""
    for line in doors.ROUTES.read_text().splitlines():
        method, path, _ = line.split(" ", 2)
        yield method, re.sub(r"\{[^}]*\}", "x", path)


class Asker:
    """Asks over one connection, as long as the server keeps it."""

    def __init__(self, server):
        self._host = server.url.removeprefix("http://")
        self._connection = http.client.HTTPConnection(self._host)

    def __call__(self, method, path, authorization=None):
        headers = {"Content-Type": "application/json"}
        if authorization is not None:
            headers["Authorization"] = authorization
        body = None if method in ("GET", "HEAD") else b"{}"
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        text = response.read()
        return response.status, response.headers, text


def test_every_route_asks_for_credentials(guarded):
    ask = Asker(guarded)
    walked = list(routes())
    assert len(walked) > 100
    walked += [("GET", "/nothing"), ("GET", "/graphql"), ("POST", "/graphql"),
               ("GET", "/favicon.ico"), ("GET", "//health"),
               ("GET", "/health/"), ("GET", "/static-files/../health"),
               ("POST", "/health"), ("PATCH", "/version"),
               ("OPTIONS", "/api/2.0/mlflow/runs/get")]
    for method, path in walked:
        status, headers, _ = ask(method, path)
        if (method, path) == ("GET", "/health"):
            assert status == 200
            continue
        assert status == 401, (method, path, status)
        assert headers["WWW-Authenticate"] == 'Basic realm="mlflow"'
    # /health is open.
    evidence.add("access", {evidence.ROUTES: len(list(routes())) - 1,
                            evidence.REFUSED: len(walked) - 1})


@pytest.mark.parametrize("credentials", WRONG.values(), ids=WRONG)
def test_wrong_credentials_are_refused(guarded, credentials):
    ask = Asker(guarded)
    for path in ("/", "/api/2.0/mlflow/experiments/search", "/version",
                 "/get-artifact?run_id=x&path=y"):
        assert ask("GET", path, credentials)[0] == 401, path
    assert ask("GET", "/health", credentials)[0] == 200


def test_right_credentials_are_taken(guarded):
    ask = Asker(guarded)
    assert ask("GET", "/", GOOD)[0] == 200
    assert ask("GET", "/version", GOOD)[0] == 200
    assert ask("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0",
               GOOD)[0] == 200
    assert ask("GET", "/nothing", GOOD)[0] == 404


def test_an_upload_is_refused_before_it_is_sent(guarded):
    connection = http.client.HTTPConnection(
        guarded.url.removeprefix("http://"))
    connection.putrequest(
        "PUT", "/api/2.0/mlflow-artifacts/artifacts/0/x/artifacts/f")
    connection.putheader("Content-Length", str(10 ** 12))
    connection.putheader("Expect", "100-continue")
    connection.endheaders()
    assert connection.getresponse().status == 401


def test_browsers_may_ask_what_they_may_send(guarded):
    """Their preflights carry no credentials."""
    connection = http.client.HTTPConnection(
        guarded.url.removeprefix("http://"))
    connection.request("OPTIONS", "/api/2.0/mlflow/runs/create", headers={
        "Origin": "http://localhost:3000",
        "Access-Control-Request-Method": "POST"})
    assert connection.getresponse().status == 200


def rpcs_of_the_protos(but=()):
    for path in (harness.ROOT / "proto" / "millstream" / "v1").glob("*.proto"):
        if path.name not in but:
            yield from re.findall(r"^  rpc (\w+)\(", path.read_text(), re.M)


def test_every_grpc_method_asks_for_credentials(guarded):
    door = doors.GrpcDoor(guarded, GOOD)
    methods = door.methods()
    # Users are administered where the server keeps them.
    assert {m.name for m in methods} == set(
        rpcs_of_the_protos(but=("users.proto",)))
    with grpc.insecure_channel(guarded.grpc_address) as channel:
        for method in methods:
            path = f"/{method.containing_service.full_name}/{method.name}"
            for metadata in ([], [("authorization", WRONG["nonsense"])]):
                # Of any shape: what is sent is empty messages.
                with pytest.raises(grpc.RpcError) as caught:
                    list(channel.stream_stream(path)(iter([b""]), timeout=30,
                                                     metadata=metadata))
                assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED, (
                    path)
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            list(reflection.ServerReflectionInfo(iter([
                reflection_pb2.ServerReflectionRequest(list_services="")])))
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
        evidence.add("access", {evidence.ROUTES: len(methods) + 1,
                                evidence.REFUSED: 2 * len(methods) + 1})
        # The /health of gRPC.
        health = health_pb2_grpc.HealthStub(channel)
        serving = health_pb2.HealthCheckResponse.SERVING
        request = health_pb2.HealthCheckRequest()
        assert health.Check(request).status == serving
        watch = health.Watch(request)
        assert next(watch).status == serving
        watch.cancel()
    door.close()


def test_grpc_takes_right_credentials(guarded, name):
    door = doors.GrpcDoor(guarded, GOOD)
    experiment = door.call("CreateExperiment", {"name": name()})
    run = door.call("CreateRun", experiment)["run"]["info"]["run_id"]
    door.upload("UploadRunArtifact", {"run_uuid": run, "path": "f"}, b"x" * 10)
    assert door.download("GetRunArtifact",
                         {"run_id": run, "path": "f"}) == b"x" * 10
    call = door.stream("WatchRuns", [experiment])
    next(call)
    call.cancel()
    door.close()


def test_streams_whose_password_takes_long_to_check_start_all_the_same(
        start_server):
    """The first call of a server: nothing is remembered yet."""
    server = start_server("--auth-user", USER, environment={
        "MLFLOW_TRACKING_PASSWORD": PASSWORD})
    with grpc.intercept_channel(grpc.insecure_channel(server.grpc_address),
                                doors.Authorize(GOOD)) as channel:
        stream = channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            reflection_pb2.ServerReflectionRequest.SerializeToString,
            reflection_pb2.ServerReflectionResponse.FromString)
        answers = list(stream(iter([
            reflection_pb2.ServerReflectionRequest(list_services="")])))
    assert answers[0].list_services_response.service


def test_guessing_is_slowed(start_server):
    server = start_server(environment={"MLFLOW_TRACKING_USERNAME": USER,
                                       "MLFLOW_TRACKING_PASSWORD": PASSWORD})
    ask = Asker(server)
    assert ask("GET", "/version", GOOD)[0] == 200
    statuses = [ask("GET", "/version", basic(USER, str(i)))[0]
                for i in range(40)]
    assert statuses[0] == 401
    assert 429 in statuses
    # Who is known is not kept waiting by it.
    assert ask("GET", "/version", GOOD)[0] == 200
    assert "A wrong password for alice from 127.0.0.1" in server.log()
    assert PASSWORD not in server.log()


def test_an_htpasswd_file_is_read_and_read_again(tmp_path, start_server):
    path = tmp_path / "users"
    hashes = {"bcrypt": "-nbB", "apr1": "-nbm", "sha": "-nbs",
              "sha256": "-nb2", "sha512": "-nb5"}
    path.write_text("".join(
        subprocess.run(["htpasswd", option, user, f"of {user}"], check=True,
                       capture_output=True, text=True).stdout
        for user, option in hashes.items()))
    # The variables are for clients then.
    server = start_server("--htpasswd-file", path, environment={
        "MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": PASSWORD})
    ask = Asker(server)
    for user in hashes:
        assert ask("GET", "/version", basic(user, f"of {user}"))[0] == 200
        assert ask("GET", "/version", basic(user, "other"))[0] == 401
    assert ask("GET", "/version", GOOD)[0] == 401
    subprocess.run(["htpasswd", "-b", path, "bcrypt", "another"], check=True,
                   capture_output=True)
    subprocess.run(["htpasswd", "-D", path, "sha"], check=True,
                   capture_output=True)
    deadline = time.monotonic() + 20
    while ask("GET", "/version", basic("sha", "of sha"))[0] == 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert ask("GET", "/version", basic("bcrypt", "of bcrypt"))[0] == 401
    assert ask("GET", "/version", basic("bcrypt", "another"))[0] == 200
    # What is no such file changes nothing.
    path.write_text("alice:plain\n")
    deadline = time.monotonic() + 20
    while "line 1 has no password hash" not in server.log():
        assert ask("GET", "/version", basic("bcrypt", "another"))[0] == 200
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert ask("GET", "/version", basic("bcrypt", "another"))[0] == 200


def test_settings_that_would_leave_the_door_open_are_refused(tmp_path):
    (tmp_path / "plain").write_text("alice:plain\n")
    for flags, variables, text in (
            ([], {"MLFLOW_TRACKING_USERNAME": USER}, "go together"),
            ([], {"MLFLOW_TRACKING_PASSWORD": "x"}, "go together"),
            (["--htpasswd-file", tmp_path / "plain"], {}, "line 1"),
            (["--htpasswd-file", tmp_path / "none"], {}, "--htpasswd-file")):
        ended = subprocess.run(
            [harness.BINARY, "server", "--port", "0", "--grpc-port", "0",
             "--data-dir", tmp_path / "data", *flags],
            env={"PATH": os.environ["PATH"], **variables},
            capture_output=True, text=True, timeout=60)
        assert ended.returncode != 0
        assert text in ended.stderr


def test_tokens_are_taken_until_they_go(tmp_path, start_server):
    digest = hashlib.sha256(b"a-token").hexdigest()
    path = tmp_path / "tokens"
    path.write_text(f"job:sha256:{digest}\n")
    server = start_server("--token-file", path)
    ask = Asker(server)
    assert ask("GET", "/version", "Bearer a-token")[0] == 200
    for wrong in (None, "Bearer another", f"Bearer {digest}", GOOD,
                  basic("job", "a-token")):
        assert ask("GET", "/version", wrong)[0] == 401
    door = doors.GrpcDoor(server, "Bearer a-token")
    door.call("GetServerInfo")
    door.close()
    path.write_text("")
    deadline = time.monotonic() + 20
    while ask("GET", "/version", "Bearer a-token")[0] == 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
