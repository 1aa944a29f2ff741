"""What a process logs to one server: its spool, its runs, its sender."""

from __future__ import annotations

import itertools
import logging
import os
import pathlib
import shutil
import sys
import threading
import time
import uuid
import weakref
from dataclasses import dataclass
from typing import Any, Callable

from . import _api, _exit, _who  # noqa: F401  (closes sessions at exit)
from . import _format as fmt
from . import _making
from ._config import Config
from ._errors import AWAY, EXISTS, FINAL, INVALID, Error
from ._known import Known
from ._link import Link, NoSender
from ._progress import Progress, human
from ._writer import Budget, LogClosed, LogWriter, SpoolFull

LOG = logging.getLogger("millstream")
# One round of waiting for the sender; a bar is drawn in between.
ROUND_SECONDS = 0.25
# How often the sender is looked after while nothing is asked of it.
CHECK_SECONDS = 5.0
# A call that may go to the spool instead is not waited for any longer.
WRITE_SECONDS = 10.0
# A request, as the server takes it (kGrpcMessageBytesMax).
CALL_BYTES_MAX = 64_000_000
DROPPED_TAG = "millstream.dropped_points"
NAME_TAG = "mlflow.runName"
# Where the artifacts of a run go that the server does not know yet: this and
# the run's id.
UNKNOWN_URI = "mlflow-artifacts:/not-known-yet/"
RUNNING = 1
# When there are so many more logs that were closed, those that can be forgotten
# are looked for.
ENDED_MAX = 16
# The statuses that end a run.
FINAL_STATUSES = (3, 4, 5)


@dataclass
class _Place:
    """The folder of this process, locked, and its sender."""

    folder: pathlib.Path
    lock: fmt.Lock
    link: Link


class Session:
    """Thread-safe, also for signal handlers in the middle of it. Survives
    fork(): the child starts anew with a spool and a sender of its own, made
    when it first logs."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._warned_clear = False
        self._known = Known(config.spool_dir, config.target)
        # Of runs that this process logs to; hot paths read it.
        self.logs: dict[str, LogWriter] = {}
        self._begin()
        _sessions.add(self)

    def _begin(self) -> None:
        self.logs.clear()
        self._lock = threading.RLock()
        # Made when it is first needed; a signal handler may come first.
        self._places: dict[int, _Place] = {}
        self._budget = Budget(self.config.spool_bytes)
        self._log_numbers = itertools.count(1)
        # Runs that are known to be there and active.
        self._active: set[str] = set()
        # Runs that were started without the server.
        self.unmade: set[str] = set()
        # Logs that were closed, by name, until all of them has arrived.
        self._ended: dict[str, LogWriter] = {}
        self._ended_max = ENDED_MAX
        # Calls of a run are made one after another. Kept while they are used.
        self._run_locks: weakref.WeakValueDictionary[
            str, threading.RLock] = weakref.WeakValueDictionary()
        self._warned_full = False
        self._closed = False
        self.next_check = 0.0

    # --- Logs

    def log(self, run_id: str) -> LogWriter:
        """The log of a run; Error if the server says that there is no such
        run, or that it was deleted."""
        found = self.logs.get(run_id)
        if found is not None:
            return found
        if run_id not in self._active:
            self._check_run(run_id)
        with self._lock:
            found = self.logs.get(run_id)
            if found is None:
                made = LogWriter(
                    self._open().folder / str(next(self._log_numbers)), run_id,
                    self._budget, self._when_full,
                    lambda act: self.append(run_id, act))
                found = self.logs.setdefault(run_id, made)
                if found is not made:
                    # A signal handler was here in between.
                    made.close()
            return found

    def append(self, run_id: str, act: Callable[[LogWriter], None]) -> None:
        """Appends to the log of a run, to the next if another thread or a
        signal handler has just closed it."""
        while True:
            log = self.log(run_id)
            try:
                act(log)
                return
            except LogClosed:
                if self.logs.get(run_id) is log:
                    self.logs.pop(run_id, None)

    def check_sender(self) -> None:
        """Called now and then by who logs: a sender that was killed is
        replaced, drops are told, and a run that was refused is left."""
        self.next_check = time.monotonic() + CHECK_SECONDS
        try:
            if self._link is not None:
                self._link.ensure()
            for log in list(self.logs.values()):
                self._tell_dropped(log, last=False)
                if fmt.is_refused(log.folder):
                    self._close_log(log.run_id)
        except (OSError, SpoolFull) as error:
            LOG.warning("millstream: %s", error)

    def forget_run(self, run_id: str) -> None:
        """Says that it was deleted or restored: who logs to it next asks the
        server."""
        self._close_log(run_id)

    # --- Calls

    def call(self, name: str, request: Any, after: str | None = "") -> Any:
        """An rpc that needs an answer; waits for a server that is away.

        It comes after what was logged to run `after` ("": to any run; None:
        whatever).
        """
        method = _api.method(name)
        assert method is not None
        return method.response.FromString(self.call_bytes(
            method.path, request.SerializeToString(), after))

    def call_bytes(self, path: str, request: bytes, after: str | None = "",
                   patience: float | None = None) -> bytes:
        _check_size(path, request)
        if patience is None:
            patience = self.config.timeout
        positions = self._positions(after)
        if positions and not self._drain(
                positions, patience, min(patience, self.config.away_wait),
                "waiting for what was logged"):
            LOG.warning("millstream: not all that was logged has arrived yet; "
                        "the answer may lack the latest")
        if _making.is_once(path):
            return _making.make(self._ask, path, request, patience)
        known = self._known.recall(path, request)
        if known is not None:
            patience = min(patience, self.config.start_wait)
        try:
            answer = self._sender().ask(
                {"op": "call", "path": path, "patience": max(patience, 0.1),
                 "run": after, "run_seconds": min(patience,
                                                  self.config.write_wait)},
                request)[1]
        except Error as error:
            if known is None or error.code != AWAY:
                raise
            return known
        self._known.remember(path, request, answer)
        return answer

    def _ask(self, path: str, request: bytes, patience: float) -> bytes:
        return self._sender().ask(
            {"op": "call", "path": path, "patience": max(patience, 0.1)},
            request)[1]

    def create_run(self, request: Any) -> Any:
        """Starts a run: CreateRunRequest to Run. Without the server, if that
        is away: under an id that it will take, with a name in its place if none
        was given, and with an artifact_uri that is UNKNOWN_URI."""
        if not request.HasField("wanted_run_id"):
            request.wanted_run_id = uuid.uuid4().hex
        method = _api.method("CreateRun")
        assert method is not None
        data = request.SerializeToString()
        try:
            run = method.response.FromString(self.call_bytes(
                method.path, data, None,
                min(self.config.timeout, self.config.start_wait))).run
        except Error as error:
            if error.code == EXISTS:
                # Made before, by a call whose answer did not come.
                run = self.call("GetRun", _api.message("GetRunRequest")(
                    run_id=request.wanted_run_id), None).run
            elif error.code == AWAY and not isinstance(error, NoSender):
                run = self._create_later(request)
            else:
                raise
        self._active.add(run.info.run_id)
        return run

    def _create_later(self, request: Any) -> Any:
        method = _api.method("CreateRun")
        assert method is not None
        run_id = request.wanted_run_id
        names = [t.value for t in request.tags if t.key == NAME_TAG and t.value]
        if not request.run_name:
            request.run_name = names[0] if names else f"run-{run_id[:8]}"
        run = _api.message("Run")()
        info = run.info
        info.run_id = info.run_uuid = run_id
        info.experiment_id = request.experiment_id
        info.run_name = request.run_name
        info.user_id = request.user_id
        info.status = RUNNING
        info.start_time = request.start_time
        info.artifact_uri = UNKNOWN_URI + run_id
        info.lifecycle_stage = "active"
        run.data.tags.extend(request.tags)
        if not names:
            run.data.tags.add(key=NAME_TAG, value=request.run_name)
        self._active.add(run_id)
        self.unmade.add(run_id)
        self._spool_call(run_id, method.path, request.SerializeToString())
        LOG.warning(
            "millstream: %s does not answer: run %s is started without it. "
            "What is logged is kept in %s and sent when it is back",
            self.config.target, run_id, self.config.spool_dir)
        return run

    def write(self, run_id: str, name: str, request: Any,
              ends: bool = False) -> Any:
        """An rpc that changes a run. In order with what was logged to it: made
        at once if the server is there, put in the spool if not. The answer, or
        None if it comes later. `ends`: nothing is expected to follow.
        """
        method = _api.method(name)
        assert method is not None
        data = request.SerializeToString()
        _check_size(method.path, data)
        with self._run_lock(run_id):
            if ends and run_id in self.logs:
                self._tell_dropped(self.logs[run_id], last=True)
            answer = self._try_now(run_id, method.path, data, ends)
            if answer is None:
                self._spool_call(run_id, method.path, data)
        if ends:
            self._close_log(run_id)
        return None if answer is None else method.response.FromString(answer)

    def write_points(self, run_id: str, name: str, request: Any,
                     points: int) -> None:
        """An rpc that only logs points: a local append, as metrics are."""
        method = _api.method(name)
        assert method is not None
        data = request.SerializeToString()
        _check_size(method.path, data)
        self.append(run_id, lambda log: log.call(method.path, data, points))
        self._sender()

    def upload(self, artifact_path: str, file: str) -> None:
        """A file, to the server's artifacts. Begun anew when the server comes
        back; a server that is away is waited for as long as by calls."""
        self._transfer("upload", artifact_path, file)

    def download(self, artifact_path: str, file: str) -> None:
        self._transfer("download", artifact_path, file)

    def _transfer(self, way: str, artifact_path: str, file: str) -> None:
        self._sender().ask({"op": way, "path": artifact_path,
                            "file": os.path.abspath(file),
                            "patience": self.config.timeout})

    @property
    def _link(self) -> Link | None:
        place = self._places.get(0)
        return None if place is None else place.link

    def is_away(self) -> bool:
        return self._link is not None and self._link.is_away

    # --- Waiting

    def flush(self, run_id: str | None = None,
              timeout: float | None = None) -> bool:
        """Waits until what was logged (to a run, or all) has arrived. False if
        it has not in time; it is in the spool then. Without a timeout, a server
        that is away is not waited for long."""
        return self._drain(
            self._positions(run_id or ""),
            self.config.flush_wait if timeout is None else timeout,
            self.config.away_wait if timeout is None else timeout,
            "sending what was logged")

    def close(self) -> None:
        """Sends what is left, as long as that makes sense, and says what is
        not sent. Later use starts anew."""
        with self._lock:
            place = self._places.get(0)
            if place is None or self._closed:
                return
            self._closed = True
        for log in list(self.logs.values()):
            self._tell_dropped(log, last=True)
        done = False
        try:
            done = self.flush()
        except KeyboardInterrupt:
            pass
        except Error as error:
            LOG.warning("millstream: %s", error)
        for run_id in list(self.logs):
            self._close_log(run_id)
        pending = 0
        try:
            pending = place.link.ask({"op": "wait"})[0]["pending"]
            place.link.ask({"op": "bye"})
        except Error:
            pass
        place.link.end()
        if not done:
            self._tell_unsent(place, pending)
        place.lock.release()
        self._begin()

    def _tell_unsent(self, place: _Place, pending: int) -> None:
        why = (place.link.blocked or "does not answer" if self.is_away()
               else "has not taken all yet")
        try:
            print(f"millstream: {human(pending) if pending else 'something'} "
                  f"that was logged is not sent: {self.config.target}: {why}. "
                  f"It is kept in {place.folder}; send it with:\n"
                  f"    millstream sync --spool-dir {self.config.spool_dir}",
                  file=sys.stderr, flush=True)
        except (OSError, ValueError):  # nobody reads it any more
            pass

    # --- Below: how

    def _open(self) -> _Place:
        with self._lock:
            place = self._places.get(0)
            if place is None:
                self._warn_of_clear_secrets()
                made = self._make_place()
                place = self._places.setdefault(0, made)
                if place is not made:
                    # A signal handler was here in between.
                    made.lock.release()
                    shutil.rmtree(made.folder, ignore_errors=True)
            return place

    def _make_place(self) -> _Place:
        try:
            _who.check_files(self.config.target, os.environ)
        except ValueError as error:
            raise Error(INVALID, str(error)) from None
        try:
            folder = fmt.new_writer_folder(self.config.spool_dir)
            # Before the description: who finds that finds a lock that is taken.
            lock = fmt.Lock(folder / "writer.lock")
            lock.take()
            fmt.describe_writer(folder, self.config.target)
        except OSError as error:
            raise Error("INVALID_STATE", "there can be no spool in "
                        f"{self.config.spool_dir}: {error}") from None
        return _Place(folder, lock, Link(self.config, folder))

    def _warn_of_clear_secrets(self) -> None:
        if not self._warned_clear and _who.secrets_in_clear(
                self.config.target, os.environ):
            self._warned_clear = True
            LOG.warning(
                "millstream: the password or token goes to %s unencrypted: "
                "whoever is on the way can read it. With a server that speaks "
                "TLS, say millstreams:// instead", self.config.target)

    def _sender(self) -> Link:
        return self._open().link

    def _run_lock(self, run_id: str) -> threading.RLock:
        with self._lock:
            return self._run_locks.setdefault(run_id, threading.RLock())

    def _check_run(self, run_id: str) -> None:
        """Lets the server refuse a run that cannot be logged to. If the server
        is away, the run is believed in."""
        request = _api.message("LogBatchRequest")(run_id=run_id)
        method = _api.method("LogBatch")
        assert method is not None
        try:
            answer, _ = self._sender().ask(
                {"op": "call", "path": method.path, "patience": 0.0,
                 "timeout": WRITE_SECONDS, "run": run_id,
                 "run_seconds": self.config.write_wait},
                request.SerializeToString())
        except Error as error:
            if error.code in FINAL:
                raise
            return
        if not answer.get("later"):
            self._active.add(run_id)

    def _positions(self, run_id: str | None) -> dict[str, int]:
        if run_id is None:
            return {}
        return {log.folder.name: log.position
                for log in [*self._ended.values(), *self.logs.values()]
                if run_id in ("", log.run_id)}

    def _try_now(self, run_id: str, path: str, data: bytes,
                 ends: bool) -> bytes | None:
        positions = self._positions(run_id)
        wait = self.config.flush_wait if ends else self.config.write_wait
        away_wait = self.config.away_wait if ends else 0.0
        if positions and not self._drain(
                positions, wait, min(wait, away_wait),
                "sending what was logged"):
            return None
        try:
            answer, response = self._sender().ask(
                {"op": "call", "path": path, "patience": 0.0,
                 "timeout": WRITE_SECONDS, "after": positions,
                 "seconds": ROUND_SECONDS, "run": run_id,
                 "run_seconds": wait}, data)
        except NoSender as error:
            LOG.warning("millstream: %s", error.message)
            return None
        return None if answer.get("later") else response

    def _spool_call(self, run_id: str, path: str, data: bytes) -> None:
        try:
            self.append(run_id, lambda log: log.call(path, data))
        except SpoolFull as error:
            raise Error(AWAY, str(error)) from None

    def _drain(self, positions: dict[str, int], seconds: float,
               away_seconds: float, what: str) -> bool:
        """Waits until logs are sent up to positions; gives up after `seconds`,
        or when the server was away for `away_seconds` on end."""
        if not positions:
            return True
        began = away_since = time.monotonic()
        progress = Progress(what)
        done = False
        try:
            while True:
                try:
                    answer, _ = self._sender().ask(
                        {"op": "wait", "after": positions,
                         "seconds": ROUND_SECONDS})
                except NoSender as error:
                    LOG.warning("millstream: %s", error.message)
                    return False
                self._forget_refused(answer["refused"])
                done = bool(answer["done"])
                if done:
                    for name in positions:
                        self._ended.pop(name, None)
                now = time.monotonic()
                if not answer["away"]:
                    away_since = now
                if (done or now - began >= seconds
                        or answer["away"] and now - away_since >= away_seconds):
                    return done
                progress.update(answer["pending"], answer["away"])
                if answer["away"]:
                    time.sleep(ROUND_SECONDS / 5)
        finally:
            progress.finish(done)

    def _forget_refused(self, refused: dict[str, list[str]]) -> None:
        """Runs that the server takes nothing for are asked for anew, so that
        who logs next learns of it."""
        for name in refused:
            for run_id, log in list(self.logs.items()):
                if log.folder.name == name:
                    self._close_log(run_id)

    def _close_log(self, run_id: str) -> None:
        with self._lock:
            log = self.logs.pop(run_id, None)
            self._active.discard(run_id)
        if log is not None:
            self._tell_dropped(log, last=True)
            log.close()
            self._remember_ended(log)

    def _remember_ended(self, log: LogWriter) -> None:
        self._ended[log.folder.name] = log
        if len(self._ended) > self._ended_max:
            # What has arrived, or was refused, the sender removes.
            for name, ended in list(self._ended.items()):
                if not (ended.folder / "run").exists():
                    self._ended.pop(name, None)
            self._ended_max = 2 * len(self._ended) + ENDED_MAX

    def _when_full(self) -> float:
        """How long to wait for space: only a server that is there makes it."""
        try:
            away = self._sender().ask({"op": "status"})[0]["away"]
        except Error:
            away = True
        if not self._warned_full:
            self._warned_full = True
            LOG.warning(
                "millstream: the spool is full (%s in %s)%s; metrics are "
                "dropped while it is, and counted in the run's tag %s",
                human(self.config.spool_bytes), self.config.spool_dir,
                " and the server is away" if away else "", DROPPED_TAG)
        return 0.0 if away else self.config.full_wait

    def _tell_dropped(self, log: LogWriter, last: bool) -> None:
        count = log.dropped_untold(last)
        if count:
            method = _api.method("SetTag")
            assert method is not None
            log.call(method.path, method.request(
                run_id=log.run_id, key=DROPPED_TAG,
                value=str(count)).SerializeToString())

    def _after_fork_in_child(self) -> None:
        for log in self.logs.values():
            log.abandon()
        place = self._places.get(0)
        if place is not None:
            place.link.abandon()
            place.lock.release()
        self._begin()


def _check_size(path: str, request: bytes) -> None:
    """Found here, it reaches whoever sent it; found later, it would be left
    out of what was sent."""
    if len(request) > CALL_BYTES_MAX:
        raise Error(
            INVALID, f"{path.rpartition('/')[2]} with {len(request)} bytes: "
            f"a server takes {CALL_BYTES_MAX}. Keep larger data as artifacts")


_sessions: weakref.WeakSet[Session] = weakref.WeakSet()
_shared: dict[Config, Session] = {}
_shared_lock = threading.RLock()


def shared(config: Config) -> Session:
    """The process's session for this configuration."""
    with _shared_lock:
        found = _shared.get(config)
        if found is None:
            # A signal handler may have made one in between.
            found = _shared.setdefault(config, Session(config))
        return found


def _after_fork_in_child() -> None:
    global _shared_lock
    _shared_lock = threading.RLock()
    for session in list(_sessions):
        session._after_fork_in_child()


def close_all() -> None:
    """What is done when the process ends."""
    for session in list(_sessions):
        session.close()


os.register_at_fork(after_in_child=_after_fork_in_child)
