"""The API's messages and rpcs, made from the description in the wheel.

The description is a FileDescriptorSet that protoc wrote when the wheel was
built. Messages are made from it when they are first asked for, in a pool of
their own: no generated code that would tie us to one version of protobuf, and
no clash with other packages' descriptors.
"""

from __future__ import annotations

import functools
import importlib.resources
import re
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "millstream.v1"
SERVICES = ("TrackingService", "ModelRegistryService", "ArtifactService",
            "StreamService")


@dataclass(frozen=True)
class Method:
    """One rpc. `path` is what gRPC calls it by."""

    name: str
    path: str
    request: Any
    response: Any
    # The HTTP paths it has, as expressions with the path's variables as groups.
    routes: tuple[re.Pattern[str], ...]


@functools.lru_cache(maxsize=None)
def _pool() -> Any:
    pool = descriptor_pool.DescriptorPool()
    data = (importlib.resources.files("millstream") / "api.binpb").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(data).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def _message_class(descriptor: Any) -> Any:
    return message_factory.GetMessageClass(descriptor)


@functools.lru_cache(maxsize=None)
def message(name: str) -> Any:
    """The class of a message, such as message("LogBatchRequest")."""
    return _message_class(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


@functools.lru_cache(maxsize=None)
def error_name(number: int) -> str:
    values = _pool().FindEnumTypeByName(f"{PACKAGE}.ErrorCode").values_by_number
    return str(values[number].name) if number in values else "INTERNAL_ERROR"


def error_body(code: str, message: str) -> dict[str, str]:
    """What an error of the server is in JSON, as it answers over HTTP."""
    body = {"error_code": code, "message": message}
    values = _pool().FindEnumTypeByName(f"{PACKAGE}.ErrorCode").values_by_name
    if code in values:
        traits = _options(values[code], "EnumValueOptions").Extensions[
            _pool().FindExtensionByName(f"{PACKAGE}.traits")]
        body.update({name: value for name, value in (
            ("sqlstate", traits.sqlstate),
            ("error_class", traits.error_class)) if value})
    return body


@functools.lru_cache(maxsize=None)
def method(name: str) -> Method | None:
    """The rpc of that name, whichever service has it; None if none has."""
    for service in SERVICES:
        descriptor = _pool().FindServiceByName(f"{PACKAGE}.{service}")
        found = descriptor.methods_by_name.get(name)
        if found is not None:
            return Method(name, f"/{descriptor.full_name}/{name}",
                          _message_class(found.input_type),
                          _message_class(found.output_type), _routes(found))
    return None


def _options(found: Any, kind: str) -> Any:
    # Ours are known in our pool, not in protobuf's own.
    return _message_class(_pool().FindMessageTypeByName(
        f"google.protobuf.{kind}")).FromString(
            found.GetOptions().SerializeToString())


def _routes(found: Any) -> tuple[re.Pattern[str], ...]:
    options = _options(found, "MethodOptions")
    extension = _pool().FindExtensionByName(f"{PACKAGE}.http")
    return tuple(
        re.compile(re.sub(r"\\\{(\w+)(=\\\*\\\*)?\\\}", r"(?P<\1>[^/]+)",
                          re.escape(endpoint.path)))
        for endpoint in options.Extensions[extension].endpoints)


def same_on_the_wire(ours: Any, theirs: Any,
                     seen: frozenset[str] = frozenset()) -> bool:
    """Whether bytes of message type `ours` mean the same as `theirs`.

    So they do if each field of ours is there under the same number, name and
    type: then an answer can be handed on without being read.
    """
    if ours.full_name in seen:
        return True
    seen |= {ours.full_name}
    for field in ours.fields:
        other = theirs.fields_by_number.get(field.number)
        if other is None:
            # It would stay behind as an unknown field, which is what a JSON
            # reader that ignores unknown members does.
            if field.name in theirs.fields_by_name:
                return False
            continue
        if ((field.name, field.type, _is_repeated(field))
                != (other.name, other.type, _is_repeated(other))):
            return False
        if field.message_type is not None and not same_on_the_wire(
                field.message_type, other.message_type, seen):
            return False
        if field.enum_type is not None and not _same_enum(
                field.enum_type, other.enum_type):
            return False
    return True


def _is_repeated(field: Any) -> bool:
    # `label` is on its way out, `is_repeated` came in protobuf 6.
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    return bool(field.label == field.LABEL_REPEATED)


def _same_enum(ours: Any, theirs: Any) -> bool:
    return all(
        theirs.values_by_number.get(value.number) is not None
        and theirs.values_by_number[value.number].name == value.name
        for value in ours.values if not value.name.endswith("_UNSPECIFIED"))
