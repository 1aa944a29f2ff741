"""Large files in parts, for clients that ask for it."""

import hashlib
import random

import pytest
from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository

PART = 5 * 1024 * 1024


@pytest.fixture
def parts(monkeypatch):
    """Sizes of the parts that the client sends."""
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(PART))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(PART))
    sizes = []
    send = HttpArtifactRepository._upload_part

    def counting(credential, local_file, size, start_byte):
        sizes.append(size)
        return send(credential, local_file, size, start_byte)

    monkeypatch.setattr(HttpArtifactRepository, "_upload_part",
                        staticmethod(counting))
    return sizes


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_sent_in_parts_comes_back_whole(client, run_id, tmp_path,
                                               parts):
    source = tmp_path / "big file+ü.bin"
    source.write_bytes(random.Random(1).randbytes(3 * PART + 17))
    client.log_artifact(run_id, str(source), "models/sub dir")
    assert len(parts) == 4
    (listed,) = client.list_artifacts(run_id, "models/sub dir")
    assert listed.file_size == source.stat().st_size
    target = tmp_path / "target"
    target.mkdir()
    back = client.download_artifacts(run_id, listed.path, str(target))
    assert digest(type(source)(back)) == digest(source)


def test_a_file_that_is_not_complete_is_not_there(client, run_id, tmp_path,
                                                  parts, monkeypatch):
    def broken(*_, **__):
        raise OSError("the network is down")

    monkeypatch.setattr(HttpArtifactRepository, "_upload_part",
                        staticmethod(broken))
    source = tmp_path / "big.bin"
    source.write_bytes(b"x" * (2 * PART))
    with pytest.raises(Exception, match="part"):
        client.log_artifact(run_id, str(source))
    assert client.list_artifacts(run_id) == []


def test_nobody_is_told_to_send_parts(client, run_id, tmp_path, parts,
                                      monkeypatch):
    """A folder takes one stream best; clients ask the server by default."""
    monkeypatch.delenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD")
    source = tmp_path / "big.bin"
    source.write_bytes(b"x" * (2 * PART))
    client.log_artifact(run_id, str(source))
    assert parts == []
    assert [f.path for f in client.list_artifacts(run_id)] == ["big.bin"]
