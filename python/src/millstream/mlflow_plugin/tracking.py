"""The tracking store: runs and what they log, over gRPC."""

from __future__ import annotations

import struct
import time
from collections import OrderedDict
from typing import Any, Sequence

from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.protos import databricks_pb2
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.rest_utils import MlflowHostCreds
from mlflow.utils.validation import (
    _validate_batch_log_limits, _validate_metric)

from .. import _api
from .._errors import AWAY, NOT_THERE, Error
from .._session import FINAL_STATUSES
from . import _calls

# What changes one run and may wait in the spool while the server is away.
WRITES = frozenset({
    "DeleteTag", "LogBatch", "LogInputs", "LogMetric", "LogModel", "LogOutputs",
    "LogParam", "SetTag", "UpdateRun"})
# What is answered from one run, or changes it for good: after what was logged
# to it. And from any run.
AFTER_RUN = frozenset({"GetRun", "GetMetricHistory", "DeleteRun", "RestoreRun"})
AFTER_ALL = frozenset({
    "CreateModelVersion", "DeleteExperiment", "FinalizeLoggedModel",
    "GetLoggedModel", "GetMetricHistoryBulk", "GetMetricHistoryBulkInterval",
    "SearchLoggedModels", "SearchRuns"})
# Runs whose last known state is kept for the time that the server is away.
KNOWN_RUNS_MAX = 256
# How long a run is asked for when its last known state would do, and the
# server for the words of a refusal.
KNOWN_RUN_SECONDS = 5.0
REFUSAL_SECONDS = 5.0
_monotonic = time.monotonic
_IS_PLAIN = not hasattr(Metric, "model_id")


def _check(metrics: Sequence[Metric]) -> None:
    """What the server would find, found before it is put in the spool."""
    for m in metrics:
        # Who sends a bool by HTTP sends a number.
        value = float(m.value) if isinstance(m.value, bool) else m.value
        _validate_metric(m.key, value, m.timestamp, m.step)


def _row(m: Metric) -> dict[str, Any]:
    row = {"key": m.key, "value": m.value, "timestamp": m.timestamp,
           "step": m.step}
    if not _IS_PLAIN:
        row.update(model_id=m.model_id, dataset_name=m.dataset_name,
                   dataset_digest=m.dataset_digest)
    return row


class TrackingStore(RestStore):
    """mlflow's REST store with gRPC, and a spool, in the place of HTTP.

    Metrics are appended to the spool. All else goes to the server at once and
    in order with the metrics of its run, or to the spool too while the server
    is away and no answer is needed.
    """

    def __init__(self, store_uri: str) -> None:
        self._session = _calls.session(store_uri)
        self._logs = self._session.logs
        self._known_runs: OrderedDict[str, Any] = OrderedDict()
        # Where mlflow says a run can be seen.
        creds = MlflowHostCreds(host=self._session.config.ui)
        super().__init__(lambda: creds)

    @property
    def supports_workspaces(self) -> bool:
        return False

    # --- Metrics

    def log_metric(self, run_id: str, metric: Metric) -> None:
        # This is what training waits for: the least that can be done. Fields
        # instead of properties, which are calls of Python functions each.
        try:
            log = self._logs[run_id]
            key = metric._key
            timestamp = metric._timestamp
            if (timestamp.__class__ is not int or timestamp < 0
                    or key not in log.keys or not (
                        _IS_PLAIN or metric._model_id is None
                        and metric._dataset_name is None)):
                self._log_alone(run_id, metric)
                return
            log.point(key, metric._value, timestamp, metric._step)
        except (KeyError, AttributeError, struct.error, TypeError, ValueError):
            self._log_alone(run_id, metric)
            return
        if _monotonic() > self._session.next_check:
            self._session.check_sender()

    def log_batch(self, run_id: str, metrics: Sequence[Metric],
                  params: Sequence[Any], tags: Sequence[Any]) -> None:
        try:
            _validate_batch_log_limits(metrics, params, tags)
            _check(metrics)
        except MlflowException as error:
            self._have_refused("LogBatch", _api.message("LogBatchRequest")(
                run_id=run_id, metrics=[_row(m) for m in metrics],
                params=[{"key": p.key, "value": p.value} for p in params],
                tags=[{"key": t.key, "value": t.value} for t in tags]), error)
            return
        if metrics:
            self._check_run(run_id)
        if params or tags or not metrics:
            super().log_batch(run_id, [], params, tags)
        if metrics:
            self._log_metrics(run_id, metrics)

    def _log_alone(self, run_id: str, metric: Metric) -> None:
        try:
            _check([metric])
        except MlflowException as error:
            self._have_refused("LogMetric", _api.message("LogMetricRequest")(
                run_id=run_id, **_row(metric)), error)
            return
        self._check_run(run_id)
        self._log_metrics(run_id, [metric])

    def _log_metrics(self, run_id: str, metrics: Sequence[Metric]) -> None:
        if _IS_PLAIN:
            plain, others = metrics, []
        else:
            plain = [m for m in metrics
                     if m.model_id is None and m.dataset_name is None]
            others = [m for m in metrics if m.model_id is not None
                      or m.dataset_name is not None]
        try:
            if others:
                self._log_model_metrics(run_id, others)
            if plain:
                rows = [(m.key, m.value, int(m.timestamp), int(m.step))
                        for m in plain]
                self._session.append(run_id,
                                     lambda log: log.point_batch(rows))
        except (struct.error, TypeError, ValueError) as error:
            raise MlflowException(
                f"Metrics of run {run_id} are out of range: {error}",
                error_code=databricks_pb2.INVALID_PARAMETER_VALUE) from None
        except Error as error:
            raise _calls.to_mlflow(error) from None
        if _monotonic() > self._session.next_check:
            self._session.check_sender()

    def _check_run(self, run_id: str) -> None:
        try:
            self._session.log(run_id)
        except Error as error:
            raise _calls.to_mlflow(error) from None

    def _have_refused(self, name: str, request: Any,
                      error: MlflowException) -> None:
        """What no server takes, for `error`: the server is to say so in its own
        words, as over HTTP. While it is away we do."""
        method = _api.method(name)
        assert method is not None
        patience = 0.1 if self._session.is_away() else REFUSAL_SECONDS
        try:
            self._session.call_bytes(
                method.path, request.SerializeToString(), request.run_id,
                patience)
        except Error as refusal:
            if refusal.code == AWAY and not refusal.named:
                refusal = Error(error.error_code, error.message, named=True)
            raise _calls.to_mlflow(refusal) from None

    def _log_model_metrics(self, run_id: str,
                           metrics: Sequence[Metric]) -> None:
        """Points of logged models have no place in the stream of a run."""
        request = _api.message("LogBatchRequest")(run_id=run_id)
        for m in metrics:
            request.metrics.add(
                key=m.key, value=m.value, timestamp=int(m.timestamp),
                step=int(m.step), model_id=m.model_id,
                dataset_name=m.dataset_name, dataset_digest=m.dataset_digest)
        self._session.write_points(run_id, "LogBatch", request, len(metrics))

    # --- Everything else

    def _call_endpoint(self, api: Any, json_body: Any = None,
                       endpoint: str | None = None, *_: Any, **__: Any) -> Any:
        method = _calls.method_of(api)
        request = _calls.request_of(method, json_body, endpoint)
        response = api.Response()
        try:
            if method.name in WRITES:
                return self._write(method, request, response)
            if method.name == "GetRun":
                return self._get_run(method, request, response)
            if method.name == "CreateRun":
                _calls.response_to(method.response(
                    run=self._session.create_run(request)), response)
                self._remember(response.run)
                return response
            after = (request.run_id if method.name in AFTER_RUN else
                     "" if method.name in AFTER_ALL else None)
            _calls.response_to(self._session.call_bytes(
                method.path, request.SerializeToString(), after), response)
        except Error as error:
            raise _calls.to_mlflow(error) from None
        if method.name in ("DeleteRun", "RestoreRun"):
            self._session.forget_run(request.run_id)
            self._known_runs.pop(request.run_id, None)
        return response

    def _write(self, method: _api.Method, request: Any, response: Any) -> Any:
        ends = (method.name == "UpdateRun"
                and request.status in FINAL_STATUSES)
        answer = self._session.write(request.run_id, method.name, request, ends)
        if answer is not None:
            _calls.response_to(answer, response)
        if method.name == "UpdateRun":
            known = self._known_runs.get(request.run_id)
            if answer is None:
                # It is in the spool; this is what it will come to.
                if known is not None:
                    response.run_info.CopyFrom(known.info)
                for field, value in request.ListFields():
                    setattr(response.run_info, field.name, value)
            if known is not None:
                known.info.CopyFrom(response.run_info)
        return response

    def _get_run(self, method: _api.Method, request: Any, response: Any) -> Any:
        """mlflow asks for runs in the middle of logging to them. While the
        server is away, their last known state has to do."""
        known = self._known_runs.get(request.run_id)
        patience = None
        if known is not None:
            patience = 0.1 if self._session.is_away() else KNOWN_RUN_SECONDS
        try:
            _calls.response_to(self._session.call_bytes(
                method.path, request.SerializeToString(), request.run_id,
                patience), response)
        except Error as error:
            unmade = (error.code == NOT_THERE
                      and request.run_id in self._session.unmade)
            if known is None or error.code != AWAY and not unmade:
                raise
            response.run.CopyFrom(known)
            return response
        self._session.unmade.discard(request.run_id)
        self._remember(response.run)
        return response

    def _remember(self, run: Any) -> None:
        self._known_runs[run.info.run_id] = run
        self._known_runs.move_to_end(run.info.run_id)
        while len(self._known_runs) > KNOWN_RUNS_MAX:
            self._known_runs.popitem(last=False)
