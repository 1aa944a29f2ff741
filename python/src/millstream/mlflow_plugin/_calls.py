"""From mlflow's messages to ours and back.

mlflow's stores build a message of theirs, turn it into JSON and name the HTTP
endpoint. The rpc has the same name, and its request the same JSON.
"""

from __future__ import annotations

import functools
import urllib.parse
from typing import Any

from google.protobuf import json_format
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos import databricks_pb2

from .. import _api, _config, _session
from .._errors import Error


def session(uri: str) -> _session.Session:
    try:
        return _session.shared(_config.parse(uri))
    except ValueError as error:
        raise MlflowException(
            str(error), error_code=databricks_pb2.INVALID_PARAMETER_VALUE
        ) from None


def to_mlflow(error: Error) -> MlflowException:
    """The exception that mlflow's REST client would raise."""
    if error.named:
        return RestException(_api.error_body(error.code, error.message))
    try:
        code = databricks_pb2.ErrorCode.Value(error.code)
    except ValueError:
        code = databricks_pb2.INTERNAL_ERROR
    return MlflowException(error.message, error_code=code)


def method_of(api: Any) -> _api.Method:
    """The rpc for a message class of mlflow's."""
    name = api.DESCRIPTOR.name
    method = _api.method(name) or _api.method(name.removesuffix("Request"))
    if method is None:
        raise MlflowException(
            f"{name} is not supported by this server",
            error_code=databricks_pb2.ENDPOINT_NOT_FOUND)
    return method


def request_of(method: _api.Method, json_body: str | None,
               endpoint: str | None = None) -> Any:
    """Our request with what the JSON, the path and the query say."""
    request = method.request()
    if json_body:
        json_format.Parse(json_body, request, ignore_unknown_fields=True)
    if endpoint:
        parts = urllib.parse.urlsplit(endpoint)
        values = dict(urllib.parse.parse_qsl(parts.query))
        for route in method.routes:
            match = route.search(parts.path)
            if match and match.end() == len(parts.path):
                values.update({name: urllib.parse.unquote(value)
                               for name, value in match.groupdict().items()})
        json_format.ParseDict(
            {name: {"true": True, "false": False}.get(value, value)
             for name, value in values.items()},
            request, ignore_unknown_fields=True)
    return request


def response_to(answer: Any, response: Any) -> Any:
    """Fills mlflow's message from the bytes, or the message, of ours."""
    ours = answer if not isinstance(answer, bytes) else None
    method = method_of(_outer(response))
    theirs: Any = type(response)
    if _same(method.name, theirs):
        response.ParseFromString(
            answer if ours is None else ours.SerializeToString())
        return response
    if ours is None:
        ours = method.response.FromString(answer)
    return json_format.ParseDict(
        json_format.MessageToDict(ours, preserving_proto_field_name=True),
        response, ignore_unknown_fields=True)


class _Named:
    def __init__(self, descriptor: Any) -> None:
        self.DESCRIPTOR = descriptor


def _outer(response: Any) -> Any:
    """mlflow's answers are messages named Response inside their requests."""
    return _Named(response.DESCRIPTOR.containing_type)


@functools.lru_cache(maxsize=None)
def _same(name: str, theirs: Any) -> bool:
    method = _api.method(name)
    assert method is not None
    return _api.same_on_the_wire(method.response.DESCRIPTOR, theirs.DESCRIPTOR)
