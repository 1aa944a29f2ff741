"""Files, alike through both doors."""

import os

import pytest
from doors import ApiError


def root_of(door, run):
    uri = door.call("GetRun", {"run_id": run})["run"]["info"]["artifact_uri"]
    return uri.removeprefix("mlflow-artifacts:/")


def test_a_file_comes_back_as_it_went(door, run):
    data = bytes(range(256)) * 4000  # more than one chunk
    path = f"{root_of(door, run)}/folder/odd name+ü.bin"
    door.upload("UploadArtifact", {"artifact_path": path}, data)
    assert door.download("DownloadArtifact", {"artifact_path": path}) == data
    assert door.download("GetRunArtifact", {
        "run_id": run, "path": "folder/odd name+ü.bin"}) == data
    files = door.call("ListArtifacts", {"run_id": run, "path": "folder"})
    assert files["files"] == [{"path": "folder/odd name+ü.bin",
                               "is_dir": False, "file_size": len(data)}]


def test_an_empty_file_is_a_file(door, run):
    path = f"{root_of(door, run)}/empty"
    door.upload("UploadArtifact", {"artifact_path": path}, b"")
    assert door.download("DownloadArtifact", {"artifact_path": path}) == b""


def test_uploads_by_run(door, run):
    door.upload("UploadRunArtifact", {"run_uuid": run, "path": "a/b.txt"},
                b"text")
    assert door.download("GetRunArtifact", {"run_id": run,
                                            "path": "a/b.txt"}) == b"text"


def test_deleted_files_are_gone(door, run):
    path = f"{root_of(door, run)}/x"
    door.upload("UploadArtifact", {"artifact_path": path}, b"x")
    door.call("DeleteArtifact", {"artifact_path": path})
    assert "files" not in door.call("ListArtifacts", {"run_id": run})


def test_no_path_leaves_the_root(door, run):
    for path in ["../x", "a/../../x", "/etc/passwd", "%2e%2e/x", "C:\\x",
                 "..\\x", "a\\..\\..\\x", "\\x", "..%5cx"]:
        with pytest.raises(ApiError):
            door.download("GetRunArtifact", {"run_id": run, "path": path})
        with pytest.raises(ApiError):
            door.upload("UploadRunArtifact", {"run_uuid": run, "path": path},
                        b"x")


def send_parts(door, run, name, parts):
    """Uploads a file in parts, last first; returns what completes it."""
    folder = f"{root_of(door, run)}/in parts"
    target = {"artifact_path": folder, "path": f"/home/me/{name}"}
    begun = door.call("CreateMultipartUpload",
                      {**target, "num_parts": len(parts)})
    numbers = [c["part_number"] for c in begun["credentials"]]
    assert numbers == list(range(1, len(parts) + 1))
    sent = []
    for number, data in reversed(list(zip(numbers, parts))):
        answer = door.upload("UploadArtifactPart", {
            "artifact_path": f"{folder}/{name}", "part_number": number,
            "upload_id": begun["upload_id"]}, data)
        sent.insert(0, {"part_number": number, "etag": answer["etag"]})
    return {**target, "upload_id": begun["upload_id"], "parts": sent}


def test_parts_make_a_file(door, run):
    parts = [b"first " * 50_000, b"", b"last"]
    whole = send_parts(door, run, "big+ü.bin", parts)
    path = {"run_id": run, "path": "in parts/big+ü.bin"}
    with pytest.raises(ApiError) as refused:
        door.download("GetRunArtifact", path)
    assert refused.value.code == "RESOURCE_DOES_NOT_EXIST"
    door.call("CompleteMultipartUpload", whole)
    assert door.download("GetRunArtifact", path) == b"".join(parts)
    with pytest.raises(ApiError):
        door.call("CompleteMultipartUpload", whole)


def test_parts_must_be_the_ones_that_were_sent(door, run):
    whole = send_parts(door, run, "x", [b"1", b"2"])
    for parts in ([], whole["parts"][:1], whole["parts"][::-1],
                  [whole["parts"][0], {"part_number": 2, "etag": "0" * 32}]):
        with pytest.raises(ApiError) as refused:
            door.call("CompleteMultipartUpload", {**whole, "parts": parts})
        assert refused.value.code == "INVALID_PARAMETER_VALUE"
    del whole["parts"]
    door.call("AbortMultipartUpload", whole)
    with pytest.raises(ApiError):
        door.call("AbortMultipartUpload", whole)
    assert "files" not in door.call("ListArtifacts", {"run_id": run})


def test_listing_folders(door, run):
    for path in ["b", "a/x", "a/deep/y"]:
        door.upload("UploadArtifact",
                    {"artifact_path": f"{root_of(door, run)}/{path}"}, b"12")

    def listed(**request):
        answer = door.call("ListArtifacts", {"run_id": run, **request})
        return [(f["path"], f["is_dir"]) for f in answer.get("files", [])]

    assert listed() == [("a", True), ("b", False)]
    assert listed(path="a") == [("a/deep", True), ("a/x", False)]
    assert listed(path="b") == listed(path="nothing") == []
    proxied = door.call("ListProxiedArtifacts",
                        {"path": root_of(door, run) + "/a"})
    assert [f["path"] for f in proxied["files"]] == ["deep", "x"]


def test_uploads_of_runs_are_small_and_not_nothing(door, run):
    with pytest.raises(ApiError):
        door.upload("UploadRunArtifact", {"run_uuid": run, "path": "x"}, b"")
    with pytest.raises(ApiError):
        door.upload("UploadRunArtifact", {"run_uuid": run, "path": "x"},
                    b"x" * (10 * 1024 * 1024 + 1))
    with pytest.raises(ApiError):
        door.upload("UploadRunArtifact", {"run_uuid": run, "path": "dir/"},
                    b"x")
    assert "files" not in door.call("ListArtifacts", {"run_id": run})


def test_the_root_cannot_be_deleted(door, run):
    for path in [".", "./."]:
        with pytest.raises(ApiError) as refused:
            door.call("DeleteArtifact", {"artifact_path": path})
        assert refused.value.code == "INVALID_PARAMETER_VALUE"


def test_foreign_storage_is_named(door):
    experiment = door.call("CreateExperiment", {
        "name": "foreign " + os.urandom(4).hex(),
        "artifact_location": "gs://bucket/x"})["experiment_id"]
    run = door.call("CreateRun", {"experiment_id": experiment})
    run = run["run"]["info"]["run_id"]
    for call in [lambda: door.call("ListArtifacts", {"run_id": run}),
                 lambda: door.download("GetRunArtifact", {
                     "run_id": run, "path": "x"})]:
        with pytest.raises(ApiError, match="gs") as refused:
            call()
        assert refused.value.code == "INVALID_PARAMETER_VALUE"
