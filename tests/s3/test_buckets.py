"""Artifacts in a bucket: through the proxy, and written by the client."""

import hashlib
import pathlib
import socket
import threading
import time

import mlflow
import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
from mlflow.store.artifact.mlflow_artifacts_repo import (
    MlflowArtifactsRepository)

import harness

PART = 5 << 20
BINARY = bytes(range(256)) * 4096  # 1 MiB
NAMES = ["with blank.txt", "a+b.txt", "a&b=c.txt", "größe-模型-🚀.txt",
         "semi;colon,comma.txt", "(a) [b] {c}.txt", "~$*'!@:.txt"]


def listed(client, run_id, folder=None):
    return {f.path: (f.is_dir, f.file_size)
            for f in client.list_artifacts(run_id, folder)}


def fetched(client, run_id, path, folder):
    return pathlib.Path(client.download_artifacts(run_id, path, str(folder)))


def test_files_come_back_through_the_proxy(minio, proxied, new_run, tmp_path):
    client, run_id = new_run(proxied)
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    for name in NAMES:
        (source / name).write_text(name)
    (source / "sub" / "data.bin").write_bytes(BINARY)
    (source / "empty").write_bytes(b"")
    client.log_artifacts(run_id, str(source), "odd names")
    assert listed(client, run_id) == {"odd names": (True, None)}
    assert listed(client, run_id, "odd names") == {
        "odd names/sub": (True, None), "odd names/empty": (False, 0),
        **{f"odd names/{name}": (False, len(name.encode()))
           for name in NAMES}}
    target = tmp_path / "target"
    target.mkdir()
    folder = fetched(client, run_id, "odd names", target)
    assert {p.name: p.read_bytes() for p in folder.rglob("*")
            if p.is_file()} == {
        "data.bin": BINARY, "empty": b"",
        **{name: name.encode() for name in NAMES}}
    # Where MLflow's own server would have put them.
    experiment_id = client.get_run(run_id).info.experiment_id
    root = f"proxied/{experiment_id}/{run_id}/artifacts/odd names/"
    assert set(minio.keys(root)) == {
        root + name for name in [*NAMES, "empty", "sub/data.bin"]}
    head = minio.client.head_object(Bucket=minio.bucket, Key=root + NAMES[0])
    assert head["ContentType"] == "text/plain"


def test_files_are_replaced_and_deleted(minio, proxied, new_run):
    client, run_id = new_run(proxied)
    for text in "first", "2nd":
        client.log_text(run_id, text, "dir/note.txt")
    client.log_text(run_id, "stays", "dir-not.txt")
    assert listed(client, run_id, "dir") == {"dir/note.txt": (False, 3)}
    root = client.get_run(run_id).info.artifact_uri
    MlflowArtifactsRepository(root).delete_artifacts("dir")
    assert listed(client, run_id) == {"dir-not.txt": (False, 5)}
    with pytest.raises(MlflowException):
        mlflow.artifacts.load_text(f"runs:/{run_id}/dir/note.txt")


def test_ranges_and_missing_files(proxied, new_run):
    client, run_id = new_run(proxied)
    client.log_text(run_id, "0123456789" * 50_000, "a.txt")

    def get(path, **headers):
        return requests.get(f"{proxied.url}/get-artifact", timeout=30,
                            params={"run_id": run_id, "path": path},
                            headers=headers)

    assert get("a.txt").text == "0123456789" * 50_000
    part = get("a.txt", Range="bytes=499995-")
    assert (part.status_code, part.text) == (206, "56789")
    assert get("a.txt", Range="bytes=3-5").text == "345"
    assert get("no.txt").status_code == 404
    etag = get("a.txt").headers["ETag"]
    assert get("a.txt", **{"If-None-Match": etag}).status_code == 304


def test_clients_send_and_fetch_parts_by_url(minio, proxied, new_run,
                                             monkeypatch, tmp_path):
    """What the server says it can, clients do without being asked."""
    info = requests.get(f"{proxied.url}/api/3.0/mlflow/server-info",
                        timeout=30).json()
    assert info["multipart_uploads_enabled"] is True
    assert info["multipart_downloads_enabled"] is True
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(PART))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(PART))
    monkeypatch.setenv("MLFLOW_MULTIPART_DOWNLOAD_MINIMUM_FILE_SIZE",
                       str(PART))
    monkeypatch.setenv("MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE", str(PART))
    urls = []
    send = HttpArtifactRepository._upload_part

    def watching(credential, *rest, **named):
        urls.append(credential.url)
        return send(credential, *rest, **named)

    monkeypatch.setattr(HttpArtifactRepository, "_upload_part",
                        staticmethod(watching))
    client, run_id = new_run(proxied)
    source = tmp_path / "big file+ü.bin"
    source.write_bytes(BINARY * 12)
    client.log_artifact(run_id, str(source), "models")
    assert len(urls) == 3
    assert all(url.startswith(minio.url) for url in urls)
    target = tmp_path / "target"
    target.mkdir()
    back = fetched(client, run_id, f"models/{source.name}", target)
    assert back.read_bytes() == source.read_bytes()


def test_a_url_to_fetch_by(minio, proxied, new_run):
    client, run_id = new_run(proxied)
    client.log_text(run_id, "text", "dir/größe.txt")
    experiment_id = client.get_run(run_id).info.experiment_id
    answer = requests.get(
        f"{proxied.url}/api/2.0/mlflow-artifacts/presigned/{experiment_id}/"
        f"{run_id}/artifacts/dir/größe.txt", timeout=30).json()
    assert int(answer["file_size"]) == 4
    direct = requests.get(answer["url"], timeout=30)
    assert (direct.status_code, direct.text) == (200, "text")
    assert direct.headers["Content-Disposition"].startswith("attachment")
    missing = requests.get(
        f"{proxied.url}/api/2.0/mlflow-artifacts/presigned/no/such",
        timeout=30)
    assert missing.status_code == 404


def test_an_upload_that_breaks_off_leaves_nothing(minio, proxied, new_run):
    client, run_id = new_run(proxied)
    experiment_id = client.get_run(run_id).info.experiment_id
    path = f"{experiment_id}/{run_id}/artifacts/broken.bin"

    def body():
        for _ in range(20):
            yield BINARY
        raise OSError("the client is gone")

    with pytest.raises(OSError):
        requests.put(f"{proxied.url}/api/2.0/mlflow-artifacts/artifacts/"
                     f"{path}", data=body(), timeout=30)
    for _ in range(100):
        if not minio.unfinished():
            break
        threading.Event().wait(0.1)
    assert minio.unfinished() == []
    assert listed(client, run_id) == {}


def resident_mb(server):
    status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def test_large_files_pass_in_little_memory(proxied, new_run):
    """bench/s3_transfer does this with 5 GB."""
    client, run_id = new_run(proxied)
    experiment_id = client.get_run(run_id).info.experiment_id
    url = (f"{proxied.url}/api/2.0/mlflow-artifacts/artifacts/{experiment_id}/"
           f"{run_id}/artifacts/large.bin")
    sent = hashlib.sha256()

    def body():
        for number in range(300):
            piece = number.to_bytes(4, "little") * (1 << 18)
            sent.update(piece)
            yield piece

    before = resident_mb(proxied)
    requests.put(url, data=body(), timeout=300).raise_for_status()
    received = hashlib.sha256()
    with requests.get(url, stream=True, timeout=300) as answer:
        assert int(answer.headers["Content-Length"]) == 300 << 20
        for piece in answer.iter_content(1 << 20):
            received.update(piece)
    assert received.digest() == sent.digest()
    assert resident_mb(proxied) - before < 50


def test_clients_write_themselves(minio, direct, new_run, client_keys,
                                  tmp_path):
    client, run_id = new_run(direct)
    run = client.get_run(run_id)
    root = f"s3://{minio.bucket}/direct/"
    assert run.info.artifact_uri == (
        f"{root}{run.info.experiment_id}/{run_id}/artifacts")
    for name in NAMES:
        client.log_text(run_id, name, f"odd/{name}")
    client.log_dict(run_id, {"a": 1}, "d.json")
    # The server lists and shows them, as the UI asks for them.
    shown = requests.get(f"{direct.url}/api/2.0/mlflow/artifacts/list",
                         params={"run_id": run_id, "path": "odd"},
                         timeout=30).json()
    assert shown["root_uri"] == run.info.artifact_uri
    assert {f["path"] for f in shown["files"]} == {
        f"odd/{name}" for name in NAMES}
    for name in NAMES:
        got = requests.get(f"{direct.url}/get-artifact", timeout=30,
                           params={"run_id": run_id, "path": f"odd/{name}"})
        assert got.content == name.encode(), name
    back = fetched(client, run_id, "d.json", tmp_path)
    assert back.read_text().split() == ["{", '"a":', "1", "}"]
    info = requests.get(f"{direct.url}/api/3.0/mlflow/server-info",
                        timeout=30).json()
    assert info["multipart_uploads_enabled"] is False


def test_urls_to_send_and_fetch_by(minio, direct, new_run):
    _, run_id = new_run(direct)
    api = f"{direct.url}/api/2.0/mlflow/artifacts"
    send = requests.post(f"{api}/presigned-upload-url", timeout=30,
                         json={"run_id": run_id, "path": "dir/a b.txt"}).json()
    assert send["headers"] == {"Content-Type": "text/plain"}
    requests.put(send["presigned_url"], data=b"sent", timeout=30,
                 headers=send["headers"]).raise_for_status()
    fetch = requests.post(f"{api}/presigned-download-url", timeout=30,
                          json={"run_id": run_id, "path": "dir/a b.txt",
                                "expiration": 60}).json()
    assert int(fetch["file_size"]) == 4
    assert "X-Amz-Expires=60&" in fetch["presigned_url"]
    assert requests.get(fetch["presigned_url"], timeout=30).text == "sent"
    missing = requests.post(f"{api}/presigned-download-url", timeout=30,
                            json={"run_id": run_id, "path": "no"})
    assert missing.status_code == 404


def test_models_live_in_buckets(proxied, new_run):
    client, run_id = new_run(proxied)
    for name in "MLmodel", "data/weights.bin":
        client.log_text(run_id, name, f"model/{name}")
    client.create_registered_model(f"m-{run_id}")
    source = f"{client.get_run(run_id).info.artifact_uri}/model"
    version = client.create_model_version(f"m-{run_id}", source, run_id)
    got = requests.get(
        f"{proxied.url}/model-versions/get-artifact", timeout=30,
        params={"name": f"m-{run_id}", "version": version.version,
                "path": "data/weights.bin"})
    assert got.text == "data/weights.bin"


def test_a_model_version_is_no_door_to_the_bucket(minio, direct, new_run,
                                                  client_keys):
    """The server reads with its own keys: what it may, its callers may not."""
    client, run_id = new_run(direct)
    for name in "mine", "theirs":
        client.log_text(run_id, name, f"{name}/MLmodel")
    root = client.get_run(run_id).info.artifact_uri
    client.create_registered_model(f"m-{run_id}")

    def shown(source, run):
        version = client.create_model_version(f"m-{run_id}", source, run)
        return requests.get(
            f"{direct.url}/model-versions/get-artifact", timeout=30,
            params={"name": f"m-{run_id}", "version": version.version,
                    "path": "MLmodel"})

    assert shown(f"{root}/mine", run_id).text == "mine"
    of_nobody = shown(f"{root}/theirs", None)
    assert of_nobody.status_code == 400
    assert "download URI" in of_nobody.json()["message"]
    assert shown(f"{root.rpartition(run_id)[0]}x", run_id).status_code == 400


def test_a_bucket_that_is_not_there_is_said(minio, new_run, start_server):
    server = start_server("--artifacts-destination", "s3://no-such-bucket",
                          environment=minio.environment)
    client, run_id = new_run(server)
    with pytest.raises(Exception, match="no-such-bucket"):
        client.list_artifacts(run_id)
    with pytest.raises(Exception, match="no-such-bucket|404"):
        client.log_text(run_id, "x", "a.txt")


def test_runs_go_on_while_the_object_store_is_away(new_run, start_server):
    nobody = f"http://127.0.0.1:{harness.free_port()}"
    server = start_server("--artifacts-destination", "s3://artifacts",
                          environment={"MLFLOW_S3_ENDPOINT_URL": nobody,
                                       "AWS_ACCESS_KEY_ID": "id",
                                       "AWS_SECRET_ACCESS_KEY": "secret"})
    client, run_id = new_run(server)
    answer = requests.get(f"{server.url}/get-artifact", timeout=60,
                          params={"run_id": run_id, "path": "a.txt"})
    assert answer.status_code == 503
    assert answer.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
    client.log_metric(run_id, "m", 1)
    assert client.get_run(run_id).data.metrics == {"m": 1}


def test_a_store_that_hangs_does_not_keep_metrics_waiting(new_run,
                                                          start_server):
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        port = silent.getsockname()[1]
        server = start_server(
            "--artifacts-destination", "s3://artifacts",
            environment={"MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                         "AWS_ACCESS_KEY_ID": "id",
                         "AWS_SECRET_ACCESS_KEY": "secret"})
        client, run_id = new_run(server)

        def fetch(path):
            with pytest.raises(requests.RequestException):
                requests.get(server.url + path, timeout=60,
                             params={"run_id": run_id, "path": "a"}
                             ).raise_for_status()

        # More than the server has threads.
        fetchers = [
            threading.Thread(target=fetch, args=[path]) for _ in range(20)
            for path in ("/get-artifact", "/api/2.0/mlflow/artifacts/list")]
        for fetcher in fetchers:
            fetcher.start()
        silent.settimeout(30)
        waiting = [silent.accept() for _ in range(5)]
        start = time.monotonic()
        for step in range(20):
            client.log_metric(run_id, "m", step, step=step)
        assert time.monotonic() - start < 5
        server.kill()
        for fetcher in fetchers:
            fetcher.join()
        for connection, _ in waiting:
            connection.close()
