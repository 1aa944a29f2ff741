"""Kinds of weaknesses that tracking servers were found to have, each tried at
a running server. The list, and what else shows that they are closed:
docs/security.md."""

import gzip
import itertools
import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request

import grpc
import pytest
from test_auth import PASSWORD, USER, basic
from test_hostile import raw

import doors

_names = itertools.count()
# Of one request that is refused, whatever it would unpack to.
MEMORY_MB_MAX = 64
# Of calls whose times are compared; more guesses for a user have to wait.
TIMED_MAX = 19
SECRET = "what is not for callers"


def peak_mb(pid):
    """The most memory that the process has ever had."""
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmHWM:\s+(\d+)", status.read())[1]) / 1024


def fetch(url, method="GET", body=None, headers=()):
    """(status, headers, body)"""
    request = urllib.request.Request(url, body, dict(headers), method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


# --- Decompression bombs


def test_compressed_bodies_are_not_unpacked(start_server):
    server = start_server()
    door = doors.RestDoor(server)
    door.call("SearchExperiments", {"max_results": 1})
    before = peak_mb(server.pid)
    # Some 0.3 MB that would be 300.
    bomb = gzip.compress(b'{"name": "' + b" " * 300_000_000 + b'"}', 1)
    for path in ("/api/2.0/mlflow/experiments/create", "/graphql"):
        status, _, _ = fetch(server.url + path, "POST", bomb, {
            "Content-Type": "application/json", "Content-Encoding": "gzip"})
        assert status == 400
    # As a coding of the transfer it is none that is spoken here.
    assert raw(server, b"POST /api/2.0/mlflow/experiments/create HTTP/1.1\r\n"
               b"Host: localhost\r\nContent-Type: application/json\r\n"
               b"Transfer-Encoding: gzip, chunked\r\n\r\n") in ([400], [501])
    # A file is kept as it came.
    path = "0/bomb.gz"
    door.upload("UploadArtifact", {"artifact_path": path}, bomb)
    assert door.download("DownloadArtifact", {"artifact_path": path}) == bomb
    assert peak_mb(server.pid) - before < MEMORY_MB_MAX


def test_compressed_messages_are_refused(start_server):
    server = start_server()
    with grpc.insecure_channel(server.grpc_address) as channel:
        paths = {"unary": "/millstream.v1.TrackingService/GetServerInfo",
                 "stream": "/millstream.v1.StreamService/LogMetrics"}
        channel.unary_unary(paths["unary"])(b"", timeout=60)
        before = peak_mb(server.pid)
        for path in paths.values():
            call = channel.stream_stream(path)(
                iter([b"\0" * 300_000_000]), timeout=60,
                compression=grpc.Compression.Gzip)
            with pytest.raises(grpc.RpcError) as caught:
                list(call)
            assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
        # Small ones are no exception: there is one rule.
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(paths["unary"])(
                b"\0" * 1000, compression=grpc.Compression.Deflate)
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert peak_mb(server.pid) - before < MEMORY_MB_MAX


# --- Files of the server's machine, and calls to other machines


@pytest.fixture
def run_of():
    """run_of(door, **experiment): the id of a run in a new experiment; None
    where such an experiment is refused."""

    def make(door, **experiment):
        name = f"weakness-{os.getpid()}-{next(_names)}"
        try:
            made = door.call("CreateExperiment", {"name": name, **experiment})
        except doors.ApiError:
            return None
        return door.call("CreateRun", made)["run"]["info"]["run_id"]

    return make


def everything_read(door, run, paths):
    """What a caller gets of the files of a run."""
    for path in paths:
        request = {"run_id": run, "path": path}
        for call in (lambda: door.download("GetRunArtifact", request),
                     lambda: json.dumps(door.call("ListArtifacts", request))
                     .encode()):
            try:
                yield call()
            except doors.ApiError as error:
                yield error.message.encode()


def outside(folder):
    """Ways to name a folder of the server's machine."""
    up = "../" * 12
    encoded = up.replace(".", "%2e")
    yield from (f"{folder}", f"file://{folder}", f"file:{folder}",
                f"file://localhost{folder}", f"FILE://{folder}",
                f" file://{folder}", f"file:///x/{up}{folder}",
                f"http:///#/{up}{folder}", f"http:///?/{up}{folder}",
                f"mlflow-artifacts:/{up}{folder}",
                f"mlflow-artifacts:{up}{folder}",
                f"mlflow-artifacts:/{encoded}{folder}",
                f"mlflow-artifacts:/{encoded.replace('%', '%25')}{folder}",
                f"mlflow-artifacts:/x#/{up}{folder}",
                f"s3://bucket/{up}{folder}", f"dbfs:{folder}",
                f"sqlite:///{folder}", f"\x00{folder}", f"./{up}{folder}")


def test_no_place_of_an_experiment_reads_the_machines_files(
        server, door, run_of):
    (server.folder / "secret").write_text(SECRET)
    for place in outside(server.folder):
        run = run_of(door, artifact_location=place)
        if run is None:
            continue
        for text in everything_read(door, run, [
                "secret", "", "../secret", "data/millstream.db",
                f"{server.folder}/secret"]):
            assert SECRET.encode() not in text, place
            assert b"SQLite format" not in text, place
            assert b'"millstream.db"' not in text, place


def test_no_source_of_a_version_reads_the_machines_files(
        server, door, run_of, name):
    (server.folder / "secret").write_text(SECRET)
    model = name("model")
    door.call("CreateRegisteredModel", {"name": model})
    run = run_of(door)
    sources = [*outside(server.folder), *outside(server.folder / "data"),
               f"runs:/{run}/../../../../{server.folder}",
               f"runs:/{run}/%2e%2e/%2e%2e/x", f"models:/{model}/../1",
               f"mlflow-artifacts:/0/{run}/artifacts/../../../../x",
               server.folder / "data" / "artifacts"]
    refused = 0
    for source in map(str, sources):
        for of_run in ({}, {"run_id": run}):
            try:
                version = door.call("CreateModelVersion", {
                    "name": model, "source": source, **of_run})
            except doors.ApiError:
                refused += 1
                continue
            for path in ("secret", "millstream.db", "../secret", ""):
                try:
                    text = door.download("GetModelVersionArtifact", {
                        "name": model, "path": path,
                        "version": version["model_version"]["version"]})
                except doors.ApiError as error:
                    text = error.message.encode()
                assert SECRET.encode() not in text, source
                assert b"SQLite format" not in text, source
    assert refused > len(sources)


def test_the_server_calls_nobody_whom_callers_name(server, door, run_of, name):
    """Places, sources and webhooks at an address where somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        there = f"127.0.0.1:{listener.getsockname()[1]}"
        places = [f"{scheme}://{there}/x" for scheme in (
            "http", "https", "ftp", "sftp", "hdfs", "viewfs", "s3", "gs", "r2",
            "wasbs", "abfss", "dbfs", "mlflow-artifacts", "file", "b2")]
        places += [f"s3://bucket/x?endpoint_url=http://{there}",
                   f"//{there}/x", f"HTTP://{there}", f" \thttp://{there}"]
        model = name("model")
        door.call("CreateRegisteredModel", {"name": model})
        for place in places:
            run = run_of(door, artifact_location=place)
            if run is not None:
                list(everything_read(door, run, ["", "f"]))
                with pytest.raises(doors.ApiError):
                    door.upload("UploadRunArtifact",
                                {"run_uuid": run, "path": "f"}, b"x")
            try:
                version = door.call("CreateModelVersion", {
                    "name": model, "source": place})["model_version"]
                with pytest.raises(doors.ApiError):
                    door.download("GetModelVersionArtifact", {
                        "name": model, "path": "f",
                        "version": version["version"]})
            except doors.ApiError:
                pass
        for path in ("webhooks", "webhooks/test", "gateway-proxy"):
            status, _, _ = fetch(
                f"{server.url}/ajax-api/2.0/mlflow/{path}", "POST", json.dumps({
                    "name": "w", "url": f"http://{there}/", "events": [],
                    "target_uri": f"http://{there}/"}).encode(),
                {"Content-Type": "application/json"})
            assert status >= 400
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


# --- Pages


def test_files_of_strangers_are_no_pages_of_ours(server, both, run_of):
    """Whatever is uploaded, browsers show it without running it and without
    the origin of the UI."""
    door = both[1]
    run = run_of(door)
    root = door.call("GetRun", {"run_id": run})["run"]["info"][
        "artifact_uri"].removeprefix("mlflow-artifacts:/")
    script = b"<script>fetch('/api/2.0/mlflow/experiments/search')</script>"
    for file in ("x.html", "x.svg", "x.xhtml", "x.js", "x", "x.html.txt",
                 "x.pdf", "MLmodel"):
        door.upload("UploadRunArtifact", {"run_uuid": run, "path": file},
                    script)
        for url in (f"/get-artifact?run_id={run}&path={file}",
                    f"/api/2.0/mlflow-artifacts/artifacts/{root}/{file}",
                    f"/ajax-api/2.0/mlflow-artifacts/artifacts/{root}/{file}"):
            status, headers, body = fetch(server.url + url)
            assert (status, body) == (200, script), url
            assert headers["Content-Security-Policy"].startswith("sandbox;")
            assert "script" not in headers["Content-Security-Policy"]
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Content-Disposition"].startswith("attachment;")


def test_answers_repeat_no_markup(server):
    markup = "%3Cscript%3Ealert(1)%3C/script%3E"
    for url in (f"/{markup}", f"/get-artifact?run_id={markup}&path=x",
                f"/api/2.0/mlflow/runs/get?run_id={markup}",
                f"/static-files/{markup}",
                f"/api/2.0/mlflow-artifacts/artifacts/{markup}"):
        _, headers, body = fetch(server.url + url)
        assert headers["X-Content-Type-Options"] == "nosniff"
        if headers["Content-Type"].startswith("text/html"):
            assert b"<script>alert" not in body, url


# --- Requests in requests, bombs


def test_no_request_hides_another(server):
    """Where a proxy could see one request, there is one answer and an end."""
    head = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\n"
    json_type = b"Content-Type: application/json\r\n"
    inner = b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"
    length = b"Content-Length: %d\r\n" % len(inner)
    chunked = b"Transfer-Encoding: chunked\r\n"
    empty = b"0\r\n\r\n"
    for text in (
            head + json_type + length + chunked + b"\r\n" + empty + inner,
            head + json_type + chunked + length + b"\r\n" + empty + inner,
            head + length + b"Content-Length: 0\r\n\r\n" + inner,
            head + b"Content-Length: 0, %d\r\n\r\n" % len(inner) + inner,
            head + b"Content-Length: +%d\r\n\r\n" % len(inner) + inner,
            head + b"Content-Length: -1\r\n\r\n" + inner,
            head + b"Content-Length : %d\r\n\r\n" % len(inner) + inner,
            head + b"Content-Length: 0x10\r\n\r\n" + inner,
            head + b"Transfer-Encoding: xchunked\r\n\r\n" + empty + inner,
            head + b"Transfer-Encoding: chunked, identity\r\n\r\n" + empty
            + inner,
            head + b"Transfer-Encoding : chunked\r\n\r\n" + empty + inner,
            head + b"Transfer-Encoding:\x0bchunked\r\n\r\n" + empty + inner,
            head + chunked + b"\r\n0x1\r\nx\r\n" + empty + inner,
            head + chunked + b"\r\n-1\r\n" + empty + inner,
            head + chunked + b"\r\n1\r\nxx\r\n" + empty + inner,
            head + chunked + b"\r\nffffffffffffffff1\r\n" + empty + inner,
            b"POST /graphql HTTP/1.1\r\n" + b"Host: localhost\r\n" * 2 + length
            + b"\r\n" + inner,
            b"POST /graphql HTTP/1.1\nHost: localhost\n\n" + inner,
            b"POST /graphql HTTP/1.1 \r\nHost: localhost\r\n\r\n" + inner):
        statuses = raw(server, text)
        assert len(statuses) == 1 and 400 <= statuses[0] < 600, (
            text, statuses)


def test_graphql_bombs_are_answered_at_once(server):
    deep = "{ a " * 5000 + "}" * 5000
    aliases = "{ " + " ".join(
        f"a{i}: mlflowGetExperiment(input: {{experimentId: \"0\"}}) {{"
        " experiment { name } }" for i in range(2000)) + " }"
    fragments = "{ ...f0 } " + " ".join(
        f"fragment f{i} on Query {{ ...f{i + 1} ...f{i + 1} }}"
        for i in range(60)) + " fragment f60 on Query { __typename }"
    cycle = "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }"
    lists = "{ mlflowGetRun(input: " + "[" * 20_000 + "]" * 20_000 + ") }"
    for query in (deep, aliases, fragments, cycle, lists, "{" * 90_000,
                  "{ __schema { types { fields { type { fields { type { fields "
                  "{ type { fields { name } } } } } } } } } }"):
        begin = time.monotonic()
        status, _, body = fetch(
            server.url + "/graphql", "POST",
            json.dumps({"query": query}).encode(),
            {"Content-Type": "application/json"})
        assert time.monotonic() - begin < 5
        assert status in (200, 400), query[:50]
        # Fragments that come to one field are no bomb.
        if status == 200 and not json.loads(body).get("errors"):
            assert query is fragments and len(body) < 100


# --- Passwords


@pytest.fixture(params=["htpasswd", "basic-auth"])
def with_users(request, start_server, tmp_path):
    proxies = "--trusted-proxies", "127.0.0.1"
    if request.param == "basic-auth":
        return start_server(
            "--app-name", "basic-auth", *proxies, environment={
                "MLFLOW_AUTH_ADMIN_USERNAME": USER,
                "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD + PASSWORD})
    path = tmp_path / "users"
    path.write_text(subprocess.run(
        ["htpasswd", "-nbBC", "8", USER, PASSWORD], check=True,
        capture_output=True, text=True).stdout)
    return start_server("--htpasswd-file", path, *proxies)


def test_time_does_not_tell_who_is_a_user(with_users):
    """The shortest times are the same. What else a machine does makes times
    longer, so they are taken until it has let both through."""
    seconds = {USER: 60, "nobody": 60}
    for i in range(TIMED_MAX):
        for user in sorted(seconds, reverse=i % 2 == 1):
            # From everywhere, so that nobody is slowed down.
            headers = {"Authorization": basic(user, f"wrong {i}"),
                       "X-Forwarded-For": f"{i + 11}.{len(user)}.0.1"}
            begin = time.monotonic()
            status, _, body = fetch(with_users.url + "/version",
                                    headers=headers)
            seconds[user] = min(seconds[user], time.monotonic() - begin)
            assert status == 401
            assert user.encode() not in body
        ratio = max(seconds.values()) / min(seconds.values())
        if i > 4 and ratio < 1.1:
            break
    print(f"{i + 1} of each: {seconds}")
    assert ratio < 1.25
