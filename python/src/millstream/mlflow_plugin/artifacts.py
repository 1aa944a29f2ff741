"""Artifacts that the server keeps (mlflow-artifacts:), over gRPC."""

from __future__ import annotations

import os
import posixpath
import urllib.parse
from typing import Any

from mlflow.entities import FileInfo
from mlflow.store.artifact.artifact_repo import (
    ArtifactRepository as Base, verify_artifact_path)

from .. import _api, _session
from .._errors import Error
from . import _calls


class ArtifactRepository(Base):
    """Files below one path of the server's artifact store."""

    def __init__(self, artifact_uri: str, tracking_uri: str) -> None:
        super().__init__(artifact_uri)
        self._session = _calls.session(tracking_uri)
        self._uri = artifact_uri
        self._root = urllib.parse.urlsplit(artifact_uri).path.strip("/")

    def _place(self) -> str:
        """Where the files are; asks the server, for a run that was started
        without it."""
        if not self._uri.startswith(_session.UNKNOWN_URI):
            return self._root
        run_id = self._uri[len(_session.UNKNOWN_URI):].split("/")[0]
        request = _api.message("GetRunRequest")(run_id=run_id)
        self._do(self._session.flush, run_id, self._session.config.timeout)
        run = self._do(self._session.call, "GetRun", request, run_id).run
        uri = run.info.artifact_uri
        if not uri.startswith("mlflow-artifacts:"):
            raise _calls.to_mlflow(Error(
                "INVALID_STATE", f"run {run_id} was started while the server "
                f"was away; its artifacts go to {uri}. Log them once more"))
        self._root = urllib.parse.urlsplit(
            uri + self._uri[len(_session.UNKNOWN_URI) + len(run_id):]
        ).path.strip("/")
        self._uri = uri
        return self._root

    def log_artifact(self, local_file: str,
                     artifact_path: str | None = None) -> None:
        verify_artifact_path(artifact_path)
        self._do(self._session.upload, self._path(
            artifact_path, os.path.basename(local_file)), str(local_file))

    def log_artifacts(self, local_dir: str,
                      artifact_path: str | None = None) -> None:
        local_dir = os.path.abspath(local_dir)
        for folder, _, names in os.walk(local_dir):
            below = os.path.relpath(folder, local_dir).replace(os.sep, "/")
            parts = [p for p in (artifact_path, below) if p and p != "."]
            for name in names:
                self.log_artifact(os.path.join(folder, name),
                                  "/".join(parts) or None)

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        answer = self._call("ListProxiedArtifacts", path=self._path(path))
        files = [FileInfo(posixpath.join(path or "", file.path), file.is_dir,
                          None if file.is_dir else file.file_size)
                 for file in answer.files]
        # A file lists itself; mlflow wants nothing then.
        if path and len(files) == 1 and not files[0].is_dir and (
                files[0].path == posixpath.join(path, posixpath.basename(path))
        ):
            return []
        return sorted(files, key=lambda file: file.path)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        self._call("DeleteArtifact", artifact_path=self._path(artifact_path))

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        self._do(self._session.download, self._path(remote_file_path),
                 str(local_path))

    def _path(self, *parts: str | None) -> str:
        return "/".join(p.strip("/") for p in (self._place(), *parts) if p)

    def _call(self, name: str, **fields: Any) -> Any:
        method = _api.method(name)
        assert method is not None
        return self._do(self._session.call, name, method.request(**fields),
                        None)

    def _do(self, act: Any, *arguments: Any) -> Any:
        try:
            return act(*arguments)
        except Error as error:
            raise _calls.to_mlflow(error) from None
