"""Calls that make something new each time they are made.

The answer to such a call may be lost: whoever was to bring it, or the server
itself, ends right after the deed. To make it once more would make two, or be
refused because of what it made itself. So it is sent once; when no answer
comes, what it should have made is looked for: what was not there before, and is
as it was asked for.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any, Callable, Collection

from . import _api
from ._errors import BUSY, CALLERS, EXISTS, FINAL, NOT_THERE, Error

# Makes an rpc, if need be several times: its path, the request, how many
# seconds it may take.
Ask = Callable[[str, bytes, float], bytes]
# The same by the rpc's name and the request's fields.
Call = Callable[..., Any]

# What was made is looked for so long, also if the time is over by then.
LOOK_SECONDS = 5.0
# A call whose connection is gone may still be at work for so long.
SETTLE_SECONDS = 2.0
SETTLE_EVERY = 0.1
# Versions, or models, that others may have made at the same time.
NEWEST_MAX = 50
DENIED = "PERMISSION_DENIED"
# Where a run's models are listed, and what tells them apart.
MODELS_TAG = "mlflow.log-model.history"
MODEL_FIELDS = ("run_id", "artifact_path", "utc_time_created", "model_uuid")


@dataclass(frozen=True)
class _Kind:
    """What an rpc makes."""

    # What is there and may be what was made, by what tells it from others.
    # That is asked for twice: then with what was there at first.
    there: Callable[[Call, Any, Collection[Any] | None], dict[Any, Any]]
    # The fields of the request that it then has, if they were given.
    fields: tuple[str, ...]
    # The answer's fields.
    answer: Callable[[Any], dict[str, Any]]
    # Whether the server makes no second one of that name.
    is_unique: bool = False


def is_once(path: str) -> bool:
    """Whether the rpc must not be sent again when no answer has come."""
    return path.rpartition("/")[2] in _KINDS


def make(ask: Ask, path: str, request: bytes, patience: float) -> bytes:
    """Makes an rpc of which is_once() is true, within `patience` seconds.

    An error may come from a call that was carried out all the same, only if
    what it made could not be found; its text says so then.
    """
    return _Making(ask, path, request, patience).make()


# --- What is sent from the spool is sent again; it may have been done


def says_made(path: str, error: Error) -> bool:
    """Whether a call is refused for nothing else than that it was made
    before."""
    return (path.rpartition("/")[2], error.code) in (
        ("CreateRun", EXISTS), ("DeleteTag", NOT_THERE))


def has_model(run: Any, request: bytes) -> bool:
    """Whether the models of a run have that of a LogModelRequest."""
    method = _api.method("LogModel")
    assert method is not None
    wanted = method.request.FromString(request)
    try:
        model = json.loads(wanted.model_json)
        models = [each for tag in run.data.tags if tag.key == MODELS_TAG
                  for each in json.loads(tag.value)]
        return any(all(each.get(name) == model.get(name)
                       for name in MODEL_FIELDS) for each in models)
    except (ValueError, AttributeError, TypeError):
        return False  # no list of models, or no model


class _Making:
    def __init__(self, ask: Ask, path: str, request: bytes,
                 patience: float) -> None:
        method = _api.method(path.rpartition("/")[2])
        assert method is not None
        self._ask = ask
        self._path = path
        self._data = request
        self._method = method
        self._request = method.request.FromString(request)
        self._kind = _KINDS[method.name]
        self._deadline = time.monotonic() + patience
        self._before: Collection[Any] | None = None

    def make(self) -> bytes:
        if not self._look_before():
            return self._ask(self._path, self._data, self._left())
        was_lost = False
        while True:
            try:
                return self._ask(self._path, self._data, self._left())
            except Error as error:
                was_lost |= error.code not in FINAL and error.code not in BUSY
                if not was_lost or error.code in FINAL - {EXISTS}:
                    raise
                made = self._look(error)
                if made is not None:
                    return made
                if (not self._kind.is_unique or error.code == EXISTS
                        or self._left() <= 0):
                    raise

    def _look_before(self) -> bool:
        """Remembers what is there; False: the server will not say."""
        try:
            self._before = set(self._there(0.0))
        except Error as error:
            if error.code in FINAL and (
                    error.code == DENIED or error.code not in CALLERS):
                return False
            raise
        return True

    def _look(self, lost: Error) -> bytes | None:
        """The answer, from what was made; None if nothing was."""
        until = 0.0
        while True:
            try:
                found = self._there(LOOK_SECONDS)
            except Error:
                raise lost from None
            for key, made in found.items():
                if key not in (self._before or ()) and self._is_ours(made):
                    answer: bytes = self._method.response(
                        **self._kind.answer(made)).SerializeToString()
                    return answer
            if self._kind.is_unique:
                return None
            until = until or time.monotonic() + SETTLE_SECONDS
            if time.monotonic() > until:
                return None
            time.sleep(SETTLE_EVERY)

    def _there(self, seconds_min: float) -> dict[Any, Any]:
        def call(name: str, /, **fields: Any) -> Any:
            method = _api.method(name)
            assert method is not None
            return method.response.FromString(self._ask(
                method.path, method.request(**fields).SerializeToString(),
                max(self._left(), seconds_min)))

        try:
            return self._kind.there(call, self._request, self._before)
        except Error as error:
            if error.code == NOT_THERE or (
                    error.code == DENIED and self._kind.is_unique):
                return {}  # what we make we may read
            raise

    def _is_ours(self, made: Any) -> bool:
        wanted = self._request
        info = getattr(made, "info", made)
        return all(
            getattr(info, field) == getattr(wanted, field)
            for field in self._kind.fields
            if getattr(wanted, field) and not _is_resolved(wanted, field)
        ) and _pairs(wanted.tags) <= _pairs(info.tags) and (
            not hasattr(wanted, "params")
            or _pairs(wanted.params) <= _pairs(made.data.params))

    def _left(self) -> float:
        return self._deadline - time.monotonic()


def _pairs(repeated: Any) -> set[tuple[str, str]]:
    return {(each.key, each.value) for each in repeated}


def _is_resolved(request: Any, field: str) -> bool:
    """Whether the server keeps something else: what a models: URI is for."""
    return field == "source" and request.source.startswith("models:")


def _experiments(call: Call, request: Any,
                 _: Collection[Any] | None) -> dict[Any, Any]:
    found = call("GetExperimentByName",
                 experiment_name=request.name).experiment
    return {found.experiment_id: found}


def _registered_models(call: Call, request: Any,
                       _: Collection[Any] | None) -> dict[Any, Any]:
    found = call("GetRegisteredModel", name=request.name).registered_model
    return {found.creation_timestamp: found}


def _versions(call: Call, request: Any,
              before: Collection[Any] | None) -> dict[Any, Any]:
    latest = call("GetLatestVersions", name=request.name).model_versions
    newest = max((int(found.version) for found in latest), default=0)
    if before is None:
        return {newest: None}
    first = max(max(before, default=0) + 1, newest - NEWEST_MAX)
    return {number: call("GetModelVersion", name=request.name,
                         version=str(number)).model_version
            for number in range(first, newest + 1)}


def _logged_models(call: Call, request: Any,
                   _: Collection[Any] | None) -> dict[Any, Any]:
    # The newest come first.
    run = request.source_run_id
    found = call(
        "SearchLoggedModels", experiment_ids=[request.experiment_id],
        filter=f"source_run_id = '{run}'" if run.isalnum() else "",
        max_results=NEWEST_MAX).models
    return {each.info.model_id: each for each in found}


# A run has its id from us (Session.create_run).
_KINDS = {
    "CreateExperiment": _Kind(
        _experiments, (), lambda made: {"experiment_id": made.experiment_id},
        is_unique=True),
    "CreateRegisteredModel": _Kind(
        _registered_models, ("description",),
        lambda made: {"registered_model": made}, is_unique=True),
    "CreateModelVersion": _Kind(
        _versions, ("source", "run_id", "run_link", "description", "model_id"),
        lambda made: {"model_version": made}),
    "CreateLoggedModel": _Kind(
        _logged_models, ("name", "model_type", "source_run_id"),
        lambda made: {"model": made}),
}
