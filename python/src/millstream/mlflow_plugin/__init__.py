"""The MLflow plugin: what mlflow calls for millstream:// URIs.

mlflow loads this module while it is itself being imported, so nothing of mlflow
is imported before it is needed.
"""

from __future__ import annotations

from typing import Any

from .. import _exit  # noqa: F401  (before mlflow's own exit handlers)


def tracking_store(store_uri: str, artifact_uri: str | None = None) -> Any:
    """Entry point of mlflow.tracking_store."""
    from .tracking import TrackingStore

    return TrackingStore(store_uri)


def registry_store(store_uri: str, tracking_uri: str | None = None) -> Any:
    """Entry point of mlflow.model_registry_store."""
    from .registry import RegistryStore

    return RegistryStore(store_uri)


def artifact_repository(artifact_uri: str, tracking_uri: str | None = None,
                        registry_uri: str | None = None) -> Any:
    """Entry point of mlflow.artifact_repository for mlflow-artifacts: URIs."""
    from mlflow.store.artifact.mlflow_artifacts_repo import (
        MlflowArtifactsRepository)
    from mlflow.tracking import get_tracking_uri

    from .._config import is_ours

    uri = tracking_uri or get_tracking_uri()
    if is_ours(str(uri)):
        from .artifacts import ArtifactRepository

        return ArtifactRepository(artifact_uri, uri)
    # mlflow's own, with what this version of it takes.
    more = {"tracking_uri": tracking_uri, "registry_uri": registry_uri}
    return MlflowArtifactsRepository(
        artifact_uri, **{k: v for k, v in more.items() if v is not None})
