"""Attackers: without a user, and with one who has no right to what he asks
for. What each rpc demands: test_permissions.py; that nothing is left out of
that: server/access_test.cc."""

import concurrent.futures
import hashlib
import itertools
import json
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import grpc
import pytest
from test_auth import GOOD, PASSWORD, USER, Asker, basic, guarded, routes
from test_permissions import (DENIED, USERS, AnyShape, Things, ask, grant,
                              refusal, server, user)

import doors
import evidence
import harness

__all__ = ["ask", "guarded", "server", "user"]  # fixtures

_names = itertools.count()
LONG = "a long password"


def raw(server, text):
    """Sends bytes over a connection; the statuses of what comes back."""
    host, port = server.root_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as sock:
        sock.sendall(text)
        answers = b""
        while chunk := sock.recv(1 << 16):
            answers += chunk
    return [int(status) for status in re.findall(
        rb"(?:^|(?<=[\n>}]))HTTP/1\.[01] (\d+)", answers)]


@pytest.fixture
def quick_users(tmp_path):
    """A file of users whose passwords take no time to check."""
    path = tmp_path / "quick"
    path.write_text(subprocess.run(
        ["htpasswd", "-nbs", USER, PASSWORD], check=True, capture_output=True,
        text=True).stdout)
    return path


# --- Without a user


def spellings(path):
    """Other ways to write a path, right or wrong."""
    yield path + "?a=b"
    yield path + "/"
    yield "/" + path
    yield path.replace("/", "//")
    yield "/." + path
    yield "/x/.." + path
    yield re.sub(r"[a-z](?=[^a-z]*$)", lambda m: f"%{ord(m[0]):02x}", path)
    yield path.replace("/", "%2f")
    yield path + ";x"
    yield path.upper()
    yield "/health/.." + path
    yield "/health?" + path


def test_no_spelling_of_a_route_is_open(guarded):
    ask = Asker(guarded)
    refused = 0
    for method, path in sorted(set(routes())):
        if path in ("/health", "/"):
            continue
        for other in ("HEAD", "OPTIONS", "PATCH"):
            assert ask(other, path)[0] == 401, (other, path)
            refused += 1
        for spelled in spellings(path):
            status, _, text = ask(method, spelled)
            refused += status >= 400
            if spelled.startswith("/health?"):
                assert text in (b"OK", b"") or status == 401
            else:
                assert status in (400, 401), (method, spelled, status)
    evidence.add("access", {evidence.REFUSED: refused})


@pytest.mark.parametrize("prefix", ["/mlflow", "/a/b"])
def test_a_static_prefix_opens_nothing(start_server, prefix):
    server = start_server("--static-prefix", prefix, environment={
        "MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": PASSWORD})
    ask = Asker(server)
    assert ask("GET", prefix + "/health")[0] == 200
    assert ask("GET", prefix + "/version", GOOD)[0] == 200
    for method, path in sorted(set(routes())):
        for placed in (prefix + path, path, prefix + prefix + path,
                       prefix.upper() + path):
            if placed != prefix + "/health":
                assert ask(method, placed)[0] == 401, (method, placed)


def test_no_way_to_send_a_request_is_open(guarded):
    path = b"/api/2.0/mlflow/experiments/search?max_results=1"
    host = b"Host: localhost\r\n"
    close = b"Connection: close\r\n\r\n"
    good = b"Authorization: " + GOOD.encode() + b"\r\n"
    get = b"GET " + path + b" HTTP/1.1\r\n" + host
    assert raw(guarded, get + good + close) == [200]
    for request in (
            get + close,
            b"GET " + path + b" HTTP/1.0\r\n" + host + b"\r\n",
            b"GET http://localhost" + path + b" HTTP/1.1\r\n" + host + close,
            b"OPTIONS * HTTP/1.1\r\n" + host + close,
            get + b"Authorization:\r\n" + close,
            get + b"Authorization: Basic\r\n" + close,
            get + b"Authorization: Basic " + b"A" * 5000 + b"\r\n" + close,
            get + b"X-Forwarded-User: alice\r\nRemote-User: alice\r\n" + close,
            get + b"X-Forwarded-For: 127.0.0.1\r\n" + close,
            get + b"Proxy-" + good + close,
            b"POST /graphql HTTP/1.1\r\n" + host +
            b"Content-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n" + close +
            b"2\r\n{}\r\n0\r\n\r\n",
            b"CONNECT localhost:1 HTTP/1.1\r\n" + host + close,
            b"TRACE / HTTP/1.1\r\n" + host + close):
        statuses = raw(guarded, request)
        assert len(statuses) <= 1, request
        assert set(statuses) <= {400, 401, 405, 501, 505}, (request, statuses)
    # What one says of himself holds for that request and none behind it.
    assert raw(guarded, get + good + b"\r\n" + get + close) == [200, 401]
    assert raw(guarded, get + b"\r\n" + get + good + close) in ([401, 200],
                                                               [401])


def test_pages_of_others_are_kept_out(guarded):
    """A name that was rebound to our address; a form on somebody's page."""
    url = guarded.url + "/api/2.0/mlflow/experiments/create"

    def send(**headers):
        request = urllib.request.Request(
            url, b'{"name": "by a page"}',
            {"Authorization": GOOD, "Content-Type": "application/json",
             **{name.replace("_", "-"): value
                for name, value in headers.items()}})
        try:
            return urllib.request.urlopen(request).status
        except urllib.error.HTTPError as error:
            return error.code

    assert send(Host="evil.example") == 403
    assert send(Origin="https://evil.example") == 403
    assert send(Origin="null") == 403
    assert send(Content_Type="text/plain") == 400
    assert send() == 200


def test_proxies_of_others_name_nobody(quick_users, start_server):
    """Guesses are counted by the address that they came from."""
    server = start_server("--htpasswd-file", quick_users)
    statuses = []
    for i in range(40):
        request = urllib.request.Request(server.url + "/version", headers={
            "Authorization": basic(f"user{i}", "x"),
            "X-Forwarded-For": f"9.9.9.{i}"})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        statuses.append(caught.value.code)
    assert 429 in statuses


def test_proxies_name_callers_over_grpc_too(quick_users, start_server):
    server = start_server("--htpasswd-file", quick_users,
                          "--trusted-proxies", "127.0.0.1")

    def guess(channel, name, i, caller):
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(
                "/millstream.v1.TrackingService/GetServerInfo")(
                b"", timeout=30, metadata=[
                    ("authorization", basic(f"{name}{i}", "x")),
                    ("x-forwarded-for", caller)])
        return caught.value.code().name

    with grpc.insecure_channel(server.grpc_address) as channel:
        # One after the other from one address is slowed; from others not.
        assert "RESOURCE_EXHAUSTED" in {
            guess(channel, "a", i, "8.8.8.8") for i in range(30)}
        assert {guess(channel, "b", i, f"9.9.9.{i}") for i in range(30)} == {
            "UNAUTHENTICATED"}
        # Who writes himself more hops in front changes nothing.
        assert "RESOURCE_EXHAUSTED" in {
            guess(channel, "c", i, f"7.7.7.{i}, 8.8.8.9") for i in range(30)}
        # One network of IPv6 is one caller.
        assert "RESOURCE_EXHAUSTED" in {
            guess(channel, "d", i, f"2001:db8::{i:x}") for i in range(30)}
    assert "from 8.8.8.8" in server.log()


def test_a_flood_of_wrong_passwords_keeps_nobody_waiting(tmp_path,
                                                         start_server):
    """Each guess takes a slow hash, of some 50 ms."""
    path = tmp_path / "users"
    path.write_text(subprocess.run(
        ["htpasswd", "-nbBC", "10", USER, PASSWORD], check=True,
        capture_output=True, text=True).stdout)
    server = start_server("--htpasswd-file", path, "--trusted-proxies",
                          "127.0.0.1")
    ask = Asker(server)
    assert ask("GET", "/version", GOOD)[0] == 200
    door = doors.GrpcDoor(server, GOOD)
    stop = time.monotonic() + 3

    def flood(thread):
        sent, statuses = 0, set()
        while time.monotonic() < stop:
            sent += 1
            request = urllib.request.Request(server.url + "/version", headers={
                "Authorization": basic(f"user{thread}-{sent}", "x"),
                "X-Forwarded-For": f"9.{thread}.{sent >> 8}.{sent & 255}"})
            try:
                urllib.request.urlopen(request, timeout=60)
            except urllib.error.HTTPError as error:
                statuses.add(error.code)
            except OSError:
                pass
        return statuses

    slowest, asked = 0, 0
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        floods = [pool.submit(flood, i) for i in range(40)]
        while time.monotonic() < stop:
            begin = time.monotonic()
            assert ask("GET", "/health")[0] == 200
            assert ask("GET", "/version", GOOD)[0] == 200
            door.call("GetServerInfo")
            slowest = max(slowest, time.monotonic() - begin)
            asked += 1
        assert set().union(*(each.result() for each in floods)) <= {
            401, 429, 503}
    door.close()
    # Behind all guesses of the flood it would be the whole time.
    assert asked > 20
    assert slowest < 2


# --- Secrets


def test_logs_hold_no_secrets(tmp_path, start_server):
    token = "t0ken-" + "z" * 40
    (tmp_path / "tokens").write_text(
        f"job:sha256:{hashlib.sha256(token.encode()).hexdigest()}\n")
    secrets = {"admin": "adm1n-s3cret", "user": "us3r-s3cret-1",
               "next": "us3r-s3cret-2", "wrong": "wr0ng-s3cret",
               "token": token, "unknown": "unkn0wn-t0ken-aaaa"}
    (tmp_path / "basic_auth.ini").write_text(
        f"[mlflow]\nadmin_password = {secrets['admin']}\n"
        f"database_uri = sqlite:///{tmp_path}/users.db\n")
    help_text = subprocess.run([harness.BINARY, "server", "--help"],
                               capture_output=True, text=True).stdout
    flags = [flag for option, flag in (
        ("--log-format", ["--log-format", "json"]),
        ("--log-level", ["--log-level", "debug"]))
        if option in help_text for flag in flag]
    server = start_server(
        "--app-name", "basic-auth", "--auth-config",
        tmp_path / "basic_auth.ini", "--token-file", tmp_path / "tokens",
        *flags)
    admin = Asker(server)
    as_admin = basic("admin", secrets["admin"])

    def send(method, path, body, authorization=as_admin):
        connection = admin._connection
        connection.request(method, path, json.dumps(body), {
            "Content-Type": "application/json",
            "Authorization": authorization})
        answer = connection.getresponse()
        answer.read()
        return answer.status

    users = "/api/2.0/mlflow/users/"
    assert send("POST", users + "create", {
        "username": "bob", "password": secrets["user"]}) == 200
    # Refused ones too, and such as come where none belongs.
    assert send("POST", users + "create", {
        "username": "bob", "password": secrets["user"]}) == 400
    assert send("POST", users + "create", {
        "username": ["x"], "password": secrets["user"]}) == 400
    assert send("PATCH", users + "update-password", {
        "username": "bob", "password": secrets["next"]}) == 200
    assert admin("GET", users + "get?username=bob&password="
                 + secrets["next"], as_admin)[0] == 200
    assert admin("GET", "/nothing/" + secrets["next"], as_admin)[0] == 404
    for wrong in (basic("bob", secrets["wrong"]),
                  basic("nobody", secrets["wrong"]),
                  "Bearer " + secrets["unknown"],
                  "Basic " + secrets["wrong"], "Digest " + secrets["wrong"]):
        assert admin("GET", "/version", wrong)[0] == 401
    assert admin("GET", "/version", "Bearer " + token)[0] == 200
    door = doors.GrpcDoor(server, as_admin)
    with pytest.raises(doors.ApiError):
        door.call("CreateUser", {"username": "bob",
                                 "password": secrets["user"]})
    door.close()
    server.stop()
    log = server.log()
    assert "A wrong password for" in log
    for name, secret in secrets.items():
        if name == "next":
            # As part of an address it is no secret; that is not logged with
            # its query, though.
            assert f"password={secret}" not in log
            continue
        assert secret not in log, name
    assert "scrypt:" not in log
    encoded = as_admin.removeprefix("Basic ")
    assert encoded not in log


# --- With a user


def test_streams_end_with_what_they_need(server, ask, user):
    """Permissions that are taken away, and users who are deleted."""
    owner, reader, gone = user(), user(), user()
    things = Things(server, owner)
    for one in (reader, gone):
        grant(ask, one, "experiment", things.experiment, "EDIT")

    def open_streams(name):
        door = doors.GrpcDoor(server, basic(name, LONG))
        streams = [
            door.stream("WatchRuns", [{"experiment_id": things.experiment}],
                        timeout=60),
            door.stream("TailMetrics", [{"run_id": things.run}], timeout=60)]

        def messages():
            yield {"open": {"run_id": things.run, "writer_id": name}}
            done.wait()

        streams.append(door.stream("LogMetrics", messages(), timeout=60))
        for stream in streams:
            next(stream)
        return door, streams

    done = threading.Event()
    opened = {name: open_streams(name) for name in (owner, reader, gone)}
    ask("admin", "POST", "/api/3.0/mlflow/users/permissions/revoke",
        {"username": reader, "resource_type": "experiment",
         "resource_id": things.experiment})
    ask("admin", "DELETE", "/api/2.0/mlflow/users/delete", {"username": gone})
    for name, code in ((reader, "PERMISSION_DENIED"),
                       (gone, "UNAUTHENTICATED")):
        for stream in opened[name][1]:
            with pytest.raises(grpc.RpcError) as caught:
                for _ in stream:
                    pass
            assert caught.value.code().name == code
    # Who may go on is not disturbed.
    watch = opened[owner][1][0]
    things.door.call("SetTag", {"run_id": things.run, "key": "k",
                                "value": "v"})
    assert next(watch)
    done.set()
    for door, streams in opened.values():
        for stream in streams:
            stream.cancel()
        door.close()


def test_tokens_that_go_end_their_streams(tmp_path, start_server):
    path = tmp_path / "tokens"
    lines = {name: f"{name}:sha256:{hashlib.sha256(name.encode()).hexdigest()}"
             for name in ("stays", "goes")}
    path.write_text("\n".join(lines.values()))
    server = start_server("--token-file", path)
    watching = {}
    for name in lines:
        door = doors.GrpcDoor(server, f"Bearer {name}")
        watching[name] = door, door.stream("WatchRuns", [
            {"experiment_id": "0"}], timeout=60)
        next(watching[name][1])
    path.write_text(lines["stays"])
    with pytest.raises(grpc.RpcError) as caught:
        for _ in watching["goes"][1]:
            pass
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    door, stream = watching["stays"]
    door.call("CreateRun", {"experiment_id": "0"})
    assert next(stream)
    for door, stream in watching.values():
        stream.cancel()
        door.close()


def test_transfers_of_one_caller_leave_room(start_server):
    """Each holds a descriptor. Who begins more than a share of them, and does
    not go on, keeps nobody out: of 256 one address may have 192."""
    server = start_server()
    door = doors.GrpcDoor(server)
    upload = door.channel.stream_unary(
        "/millstream.v1.ArtifactService/UploadArtifact")
    message = door.new("UploadArtifact")
    message.data = b"x"
    done = threading.Event()
    refused = threading.Semaphore(0)

    def part(path):
        message.artifact_path = path
        return message.SerializeToString()

    def leave_open(first):
        yield first
        done.wait()

    calls = []
    for i in range(256):
        calls.append(upload.future(leave_open(part(f"left/{i}"))))
        calls[-1].add_done_callback(lambda _: refused.release())
    for _ in range(256 - 192):
        assert refused.acquire(timeout=60)
    assert {call.code() for call in calls if call.done()} == {
        grpc.StatusCode.RESOURCE_EXHAUSTED}
    # Everything else works, over HTTP too.
    door.call("CreateRun", {"experiment_id": "0"})
    rest = doors.RestDoor(server)
    rest.upload("UploadArtifact", {"artifact_path": "file"}, b"12")
    for call in calls:
        call.cancel()
    done.set()
    deadline = time.monotonic() + 60
    while True:
        try:
            door.upload("UploadArtifact", {"artifact_path": "other"}, b"12")
            break
        except doors.ApiError as error:
            assert error.code == "RESOURCE_EXHAUSTED"
            assert time.monotonic() < deadline
    assert rest.download("DownloadArtifact",
                         {"artifact_path": "other"}) == b"12"
    door.close()


@pytest.fixture(scope="module")
def open_server(tmp_path_factory):
    """Everybody may do everything, unless it is denied."""
    folder = tmp_path_factory.mktemp("open")
    (folder / "basic_auth.ini").write_text(
        "[mlflow]\ndefault_permission = MANAGE\n"
        f"database_uri = sqlite:///{folder}/users.db\n")
    started = harness.Server(
        folder, "--app-name", "basic-auth", environment={
            "MLFLOW_AUTH_CONFIG_PATH": folder / "basic_auth.ini",
            "MLFLOW_AUTH_ADMIN_PASSWORD": LONG}).start()
    yield started
    started.kill()


def as_admin(server):
    def send(method, path, body):
        request = urllib.request.Request(
            server.url + path, json.dumps(body).encode(),
            {"Authorization": basic("admin", LONG),
             "Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request) as response:
            return json.loads(response.read() or b"{}")

    return send


def new_user(server, denied):
    """One to whom things are denied: pairs of a kind and an id."""
    send, name = as_admin(server), f"denied{next(_names)}"
    send("POST", "/api/2.0/mlflow/users/create",
         {"username": name, "password": LONG})
    for kind, thing in denied:
        send("POST", "/api/3.0/mlflow/users/permissions/grant",
             {"username": name, "resource_type": kind, "resource_id": thing,
              "permission": "DENY"})
    return name


def test_other_spellings_of_what_is_denied_are_denied(open_server):
    things = Things(open_server, "admin")
    other = new_user(open_server, [("experiment", things.experiment),
                                   ("registered_model", things.name)])
    door = AnyShape(open_server, other)
    rest = doors.RestDoor(open_server, basic(other, LONG))
    id_, artifacts = things.experiment, f"{things.experiment}/{things.run}"
    for rpc, request in (
            [("GetExperiment", {"experiment_id": spelled})
             for spelled in (f" {id_}", f"0{id_}", f"+{id_}", f"{id_} ")]
            + [("CreateRun", {"experiment_id": f"0{id_}"}),
               ("DeleteExperiment", {"experiment_id": f" {id_}"}),
               ("WatchRuns", {"experiment_id": f"0{id_}"}),
               ("SearchDatasets", {"experiment_ids": [f"0{id_}"]})]
            + [("GetRun", {"run_uuid": things.run}),
               ("GetMetricHistory", {"run_uuid": things.run,
                                     "metric_key": "m"})]
            + [("CreateExperiment", {"name": f"n{next(_names)}",
                                     "artifact_location": location})
               for location in (
                   f"mlflow-artifacts:/{artifacts}/artifacts",
                   f" mlflow-artifacts:/{artifacts}/artifacts",
                   f"MLFLOW-ARTIFACTS:/{artifacts}/artifacts",
                   f"mlflow-artifacts:/%{ord(id_[0]):x}{id_[1:]}/x",
                   f"{open_server.folder}/data/artifacts/{artifacts}",
                   f"file://{open_server.folder}/data/artifacts/{artifacts}")]
            + [("ListProxiedArtifacts", {"path": spelled})
               for spelled in (id_, f"./{id_}", f"{id_}/", f"{id_}//x",
                               f"%{ord(id_[0]):x}{id_[1:]}")]):
        assert door.code(rpc, request) == DENIED, (rpc, request)
        if rpc in rest._routes and rpc != "WatchRuns":
            code = refusal(lambda: rest.call(rpc, request))
            assert code == DENIED, (rpc, request)
    found = rest.call("SearchRuns", {"experiment_ids": [f"0{id_}", f" {id_}"]})
    assert found.get("runs", []) == []
    door.close()


def test_what_else_a_request_names_counts(open_server):
    """Of two things that a request names, the second may be denied."""
    theirs = Things(open_server, "admin")
    other = new_user(open_server, [("experiment", theirs.experiment),
                                   ("registered_model", theirs.name)])
    mine = Things(open_server, other)
    metric = {"key": "m", "value": 1, "timestamp": 1, "step": 0}
    for grpc_door in (False, True):
        door = (doors.GrpcDoor if grpc_door else doors.RestDoor)(
            open_server, basic(other, LONG))
        for rpc, request, name in (
                ("LogMetric", {**metric, "run_id": mine.run}, "model_id"),
                ("CreateLoggedModel", {"experiment_id": mine.experiment},
                 "source_run_id"),
                ("CreateModelVersion", {"name": mine.name, "source": "s3://x"},
                 "run_id"),
                ("CreateModelVersion", {"name": mine.name, "source": "s3://x"},
                 "model_id"),
                ("CreatePresignedUploadUrl", {"path": "f"}, "model_id")):
            value = theirs.run if "run" in name else theirs.model
            assert refusal(lambda: door.call(
                rpc, {**request, name: value})) == DENIED, (rpc, name)
        for rpc, request in (
                ("LogBatch", {"metrics": [
                    metric, {**metric, "model_id": theirs.model}]}),
                ("LogInputs", {"models": [{"model_id": theirs.model}]}),
                ("LogOutputs", {"models": [{"model_id": theirs.model,
                                            "step": 0}]})):
            assert refusal(lambda: door.call(
                rpc, {**request, "run_id": mine.run})) == DENIED, rpc
        door.close()


def test_graphql_searches_datasets_that_may_be_read(open_server):
    def log_dataset(things):
        things.door.call("LogInputs", {"run_id": things.run, "datasets": [{
            "dataset": {"name": f"of-{things.name}", "digest": "d",
                        "source_type": "code", "source": "{}"}}]})

    theirs = Things(open_server, "admin")
    log_dataset(theirs)
    other = new_user(open_server, [("experiment", theirs.experiment)])
    mine = Things(open_server, other)
    log_dataset(mine)

    def search(name, ids):
        request = urllib.request.Request(
            open_server.url + "/graphql", json.dumps({
                "operationName": "S", "variables": {"data": {
                    "experimentIds": ids}},
                "query": "mutation S($data: MlflowSearchDatasetsInput!) {"
                " mlflowSearchDatasets(input: $data) { datasetSummaries {"
                " name } } }"}).encode(),
            {"Authorization": basic(name, LONG),
             "Content-Type": "application/json"})
        with urllib.request.urlopen(request) as response:
            return json.loads(response.read())["data"]["mlflowSearchDatasets"]

    both = [mine.experiment, theirs.experiment]
    assert len(search("admin", both)["datasetSummaries"]) == 2
    assert search(other, both) == {
        "datasetSummaries": [{"name": f"of-{mine.name}"}]}
    assert search(other, [theirs.experiment]) is None
    # Over REST such a search is refused whole.
    door = doors.RestDoor(open_server, basic(other, LONG))
    assert refusal(lambda: door.call(
        "SearchDatasets", {"experiment_ids": both})) == DENIED


def test_users_are_administered_by_administrators(server, ask, user):
    """Each rpc about users, by somebody without any role, and by somebody who
    manages the workspace."""
    one, two, manager = user(), user(), user()
    send = as_admin(server)
    roles = [send("POST", "/api/3.0/mlflow/roles/create", {
        "name": f"hostile{next(_names)}", "workspace": "default"})["role"]["id"]
        for _ in range(2)]
    send("POST", "/api/3.0/mlflow/roles/permissions/add", {
        "role_id": roles[0], "resource_type": "workspace",
        "resource_pattern": "*", "permission": "MANAGE"})
    send("POST", "/api/3.0/mlflow/roles/assign", {
        "username": manager, "role_id": roles[0]})
    request = {"username": two, "password": LONG + "x", "is_admin": True,
               "role_id": roles[1], "role_permission_id": 10 ** 6,
               "name": f"x{next(_names)}", "workspace": "default",
               "resource_type": "experiment", "resource_id": "0",
               "resource_pattern": "0", "permission": "MANAGE"}
    anybody = {"GetCurrentUser", "ListUsers", "ListCurrentUserPermissions"}
    not_manager = {"GetUser", "UpdateUserPassword", "UpdateUserAdmin",
                   "DeleteUser"}
    # Last, as nothing is left to ask for then.
    order = sorted(USERS, key=lambda rpc: (
        "Delete" in rpc or "Unassign" in rpc or "Remove" in rpc, rpc))
    for caller, allowed in ((one, anybody), (manager, USERS - not_manager)):
        door = AnyShape(server, caller)
        wrong = []
        for rpc in order:
            asked = dict(request)
            if rpc == "ListRoles":
                asked["workspace"] = ["default"]
            if rpc == "CreateUser":
                asked["username"] = f"made{next(_names)}"
            code = door.code(rpc, asked)
            if (code != DENIED) != (rpc in allowed):
                wrong.append((rpc, code))
        door.close()
        assert not wrong, caller
    assert refusal(lambda: ask(one, "GET", "/api/3.0/mlflow/roles/list")
                   ) == DENIED
