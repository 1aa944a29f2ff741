"""The model registry store, over gRPC."""

from __future__ import annotations

from typing import Any

from mlflow.store.model_registry.rest_store import RestStore
from mlflow.utils.rest_utils import MlflowHostCreds

from .._errors import Error
from . import _calls

# Answered from what runs logged.
AFTER_ALL = frozenset({
    "CreateModelVersion", "GetModelVersion", "GetModelVersionByAlias",
    "SearchModelVersions"})


class RegistryStore(RestStore):
    """mlflow's REST store with gRPC in the place of HTTP."""

    def __init__(self, store_uri: str) -> None:
        self._session = _calls.session(store_uri)
        creds = MlflowHostCreds(host=self._session.config.ui)
        super().__init__(lambda: creds)

    @property
    def supports_workspaces(self) -> bool:
        return False

    def _call_endpoint(self, api: Any, json_body: Any, *_: Any,
                       **__: Any) -> Any:
        method = _calls.method_of(api)
        request = _calls.request_of(method, json_body)
        try:
            return _calls.response_to(self._session.call_bytes(
                method.path, request.SerializeToString(),
                "" if method.name in AFTER_ALL else None), api.Response())
        except Error as error:
            raise _calls.to_mlflow(error) from None

    def _call_webhook_endpoint(self, api: Any, *_: Any, **__: Any) -> Any:
        # Says that there are none.
        return _calls.method_of(api)
