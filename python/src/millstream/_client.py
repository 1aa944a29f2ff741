"""The direct client: runs and their metrics, without mlflow."""

from __future__ import annotations

import array
import getpass
import struct
import time
from types import TracebackType
from typing import Any, Iterable, Mapping, NamedTuple, Sequence, Union

from . import _api, _config, _session
from ._errors import Error
from ._writer import LogClosed

BATCH_MAX = 100
STATUSES = {"RUNNING": 1, "SCHEDULED": 2, "FINISHED": 3, "FAILED": 4,
            "KILLED": 5}

# numpy arrays, array.array, memoryviews, lists.
Numbers = Union[Sequence[float], Sequence[int], Any]


class Point(NamedTuple):
    """One point of a metric; `timestamp` is milliseconds since 1970."""

    value: float
    step: int
    timestamp: int


class Client:
    """A server, and the spool of this process for it. Thread-safe.

    `uri` is millstream://host:port[?parameters] or host:port; without it,
    MILLSTREAM_URI or MLFLOW_TRACKING_URI says it. Clients of one process with
    the same configuration share a spool.
    """

    def __init__(self, uri: str | None = None) -> None:
        self._session = _session.shared(_config.parse(uri))

    def create_run(self, experiment: str = "Default", *,
                   name: str | None = None,
                   tags: Mapping[str, str] | None = None) -> Run:
        """Starts a run, in an experiment that is made if it is not there.

        If the server is away for longer than `start_wait`, the run is started
        without it, and made when it is back; an experiment that was never
        asked for from this machine has to be looked up first.
        """
        request = _api.message("CreateRunRequest")(
            experiment_id=self._experiment(experiment),
            user_id=_user(), start_time=_now())
        if name is not None:
            request.run_name = name
        for key, value in (tags or {}).items():
            request.tags.add(key=key, value=value)
        return Run(self, run_id=self._session.create_run(request).info.run_id)

    def run(self, run_id: str) -> Run:
        """A run that is there already, to log more to it."""
        return Run(self, run_id=run_id)

    def history(self, run_id: str, key: str) -> list[Point]:
        """All points of a metric, by timestamp; what this process logged to
        the run is sent first."""
        points: list[Point] = []
        request = _api.message("GetMetricHistoryRequest")(
            run_id=run_id, metric_key=key)
        while True:
            answer = self._session.call("GetMetricHistory", request, run_id)
            points.extend(Point(m.value, m.step, m.timestamp)
                          for m in answer.metrics)
            if not answer.next_page_token:
                return points
            request.page_token = answer.next_page_token

    def flush(self, timeout: float | None = None) -> bool:
        """Waits until all that this process logged has arrived; False if it
        did not in time. It is safe in the spool either way. Without a timeout,
        waits as long as points arrive, but not long while the server is away.
        """
        return self._session.flush(timeout=timeout)

    def close(self) -> None:
        """Flushes and ends what works in the background; also done when the
        process ends. The client can be used again."""
        self._session.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _experiment(self, name: str) -> str:
        by_name = _api.message("GetExperimentByNameRequest")(
            experiment_name=name)
        try:
            found = self._session.call("GetExperimentByName", by_name, None)
        except Error as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
        else:
            return str(found.experiment.experiment_id)
        try:
            self._session.call(
                "CreateExperiment",
                _api.message("CreateExperimentRequest")(name=name), None)
        except Error as error:
            # Another process was quicker.
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise
        # Asked for in this way it is known when the server is away.
        found = self._session.call("GetExperimentByName", by_name, None)
        return str(found.experiment.experiment_id)


class Run:
    """A run to log to. Thread-safe.

    Metrics are appended to a spool on the local disk and sent in the
    background. Params and tags go to the server at once, in order with them,
    or to the spool too while the server is away.

    As a context it ends FINISHED, or FAILED if the block raised.
    """

    def __init__(self, client: Client | str | None = None, *,
                 experiment: str = "Default", name: str | None = None,
                 tags: Mapping[str, str] | None = None,
                 run_id: str | None = None) -> None:
        if not isinstance(client, Client):
            client = Client(client)
        if run_id is None:
            run_id = client.create_run(experiment, name=name, tags=tags).id
        self.id: str = run_id
        self._client = client
        self._session = client._session

    def log(self, key: str, value: float, step: int = 0,
            timestamp: int | None = None) -> None:
        """Logs a point. Takes microseconds, whatever the server does."""
        log = self._session.logs.get(self.id) or self._session.log(self.id)
        if timestamp is None:
            timestamp = _now()
        if timestamp < 0 or key not in log.keys:
            _check(key, timestamp)
        try:
            log.point(key, value, timestamp, step)
        except (struct.error, TypeError) as error:
            raise ValueError(f"{key}={value!r} at step {step!r}: {error}"
                             ) from None
        except LogClosed:
            when = timestamp
            self._session.append(
                self.id, lambda log: log.point(key, value, when, step))
        if time.monotonic() > self._session.next_check:
            self._session.check_sender()

    def log_many(self, metrics: Mapping[str, float], step: int = 0,
                 timestamp: int | None = None) -> None:
        """Logs a point of each metric; all of them are kept, or none."""
        when = _now() if timestamp is None else timestamp
        for key in metrics:
            _check(key, when)
        rows = [(key, value, when, step) for key, value in metrics.items()]
        try:
            self._session.append(self.id, lambda log: log.point_batch(rows))
        except (struct.error, TypeError) as error:
            raise ValueError(f"step {step!r}: {error}") from None
        if time.monotonic() > self._session.next_check:
            self._session.check_sender()

    def log_array(self, key: str, values: Numbers,
                  steps: Numbers | int = 0,
                  timestamps: Numbers | int | None = None) -> None:
        """Logs many points of one metric, from numpy arrays, array.array or
        lists. `steps` and `timestamps` are arrays as long as `values`; a
        single step is that of the first point, the others count on from it; a
        single timestamp is that of all."""
        floats = _column("d", values)
        count = len(floats)
        ints = _column("q", range(steps, steps + count)
                       if isinstance(steps, int) else steps)
        if timestamps is None:
            timestamps = _now()
        times = (array.array("q", [timestamps]) * count
                 if isinstance(timestamps, int) else _column("q", timestamps))
        if not len(ints) == len(times) == count:
            raise ValueError(f"{count} values, {len(ints)} steps, "
                             f"{len(times)} timestamps")
        if count:
            _check(key, min(times))
            self._session.append(
                self.id, lambda log: log.block(key, ints, times, floats))
        self._session.check_sender()

    def log_params(self, params: Mapping[str, object]) -> None:
        """Params are written once: another value is an Error."""
        items = [(key, str(value)) for key, value in params.items()]
        for at in range(0, len(items), BATCH_MAX):
            request = _api.message("LogBatchRequest")(run_id=self.id)
            for key, value in items[at:at + BATCH_MAX]:
                request.params.add(key=key, value=value)
            self._session.write(self.id, "LogBatch", request)

    def set_tags(self, tags: Mapping[str, object]) -> None:
        items = [(key, str(value)) for key, value in tags.items()]
        for at in range(0, len(items), BATCH_MAX):
            request = _api.message("LogBatchRequest")(run_id=self.id)
            for key, value in items[at:at + BATCH_MAX]:
                request.tags.add(key=key, value=value)
            self._session.write(self.id, "LogBatch", request)

    def history(self, key: str) -> list[Point]:
        """All points of a metric, by timestamp."""
        return self._client.history(self.id, key)

    def flush(self, timeout: float | None = None) -> bool:
        """Client.flush for this run."""
        return self._session.flush(self.id, timeout)

    def finish(self, status: str = "FINISHED") -> None:
        """Sends what is left, then ends the run."""
        request = _api.message("UpdateRunRequest")(
            run_id=self.id, status=STATUSES[status], end_time=_now())
        self._session.write(self.id, "UpdateRun", request,
                            ends=STATUSES[status] in _session.FINAL_STATUSES)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.finish("FINISHED" if kind is None else "FAILED")


def _now() -> int:
    return time.time_ns() // 1_000_000


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user in this container
        return "unknown"


def _check(key: str, timestamp: int) -> None:
    """What the server would refuse later. MLflow's rules for names."""
    if not isinstance(key, str) or not 0 < len(key) <= 250:
        raise ValueError(f"{key!r} is not a name of 1 to 250 characters")
    parts = key.split("/")
    if not all(c.isalnum() or c in "_-. :/" for c in key) or (
            "" in parts or "." in parts or ".." in parts):
        raise ValueError(
            f"{key!r} is no name for a metric: it may have letters, digits, _, "
            "-, ., spaces, : and, between other parts, /")
    if timestamp < 0:
        raise ValueError(f"timestamp {timestamp} is before 1970")


def _column(code: str, numbers: Iterable[Any]) -> Any:
    """An array.array of 'q' or 'd', by copying bytes where that is possible."""
    if isinstance(numbers, array.array) and numbers.typecode == code:
        return numbers
    astype = getattr(numbers, "astype", None)
    if astype is not None:  # numpy, and what behaves like it
        wanted = {"q": "int64", "d": "float64"}[code]
        column: Any = array.array(code)
        column.frombytes(astype(wanted).tobytes())
        return column
    return array.array(code, numbers)
