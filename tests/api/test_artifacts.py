"""Files, alike through both doors."""

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
    for path in ["../x", "a/../../x", "/etc/passwd", "%2e%2e/x", "C:\\x"]:
        with pytest.raises(ApiError):
            door.download("GetRunArtifact", {"run_id": run, "path": path})
        with pytest.raises(ApiError):
            door.upload("UploadRunArtifact", {"run_uuid": run, "path": path},
                        b"x")
