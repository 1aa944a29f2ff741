"""What a process logs to one server: its spool, its runs, its sender."""

from __future__ import annotations

import logging
import os
import pathlib
import sys
import threading
import time
import weakref
from typing import Any

from . import _api, _exit  # noqa: F401  (closes sessions at exit)
from . import _format as fmt
from ._config import Config
from ._errors import AWAY, FINAL, Error
from ._link import Link
from ._progress import Progress, human
from ._writer import Budget, LogWriter, SpoolFull

LOG = logging.getLogger("millstream")
# One round of waiting for the sender; a bar is drawn in between.
ROUND_SECONDS = 0.25
# How often the sender is looked after while nothing is asked of it.
CHECK_SECONDS = 5.0
# A call that may go to the spool instead is not waited for any longer.
WRITE_SECONDS = 10.0
DROPPED_TAG = "millstream.dropped_points"
# The statuses that end a run.
FINAL_STATUSES = (3, 4, 5)


class Session:
    """Thread-safe. Survives fork(): the child starts anew with a spool and a
    sender of its own, made when it first logs."""

    def __init__(self, config: Config) -> None:
        self.config = config
        # Of runs that this process logs to; hot paths read it.
        self.logs: dict[str, LogWriter] = {}
        self._begin()
        _sessions.add(self)

    def _begin(self) -> None:
        self.logs.clear()
        self._lock = threading.RLock()
        self._folder: Any = None
        self._writer_lock: fmt.Lock | None = None
        self._link: Link | None = None
        self._budget = Budget(self.config.spool_bytes)
        self._logs_made = 0
        # Runs that are known to be there and active.
        self._active: set[str] = set()
        # Logs that were closed: run and position, by name.
        self._ended: dict[str, tuple[str, int]] = {}
        # Calls of a run are made one after another.
        self._run_locks: dict[str, threading.RLock] = {}
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
                folder = self._open()
                self._logs_made += 1
                made = LogWriter(folder / str(self._logs_made), run_id,
                                 self._budget, self._when_full)
                found = self.logs.setdefault(run_id, made)
                if found is not made:
                    # A signal handler was here in between.
                    made.close()
            return found

    def check_sender(self) -> None:
        """Called now and then by who logs: a sender that was killed is
        replaced, and drops are told."""
        self.next_check = time.monotonic() + CHECK_SECONDS
        try:
            if self._link is not None:
                self._link.ensure()
            for log in list(self.logs.values()):
                self._tell_dropped(log, last=False)
        except (OSError, SpoolFull) as error:
            LOG.warning("millstream: %s", error)

    def run_is_active(self, run_id: str) -> None:
        """Says that the server just told us of this run."""
        self._active.add(run_id)

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
        if patience is None:
            patience = self.config.timeout
        positions = self._positions(after)
        if positions and not self._drain(
                positions, patience, min(patience, self.config.away_wait),
                "waiting for what was logged"):
            LOG.warning("millstream: not all that was logged has arrived yet; "
                        "the answer may lack the latest")
        return self._sender().ask({"op": "call", "path": path,
                                   "patience": max(patience, 0.1)}, request)[1]

    def write(self, run_id: str, name: str, request: Any,
              ends: bool = False) -> Any:
        """An rpc that changes a run. In order with what was logged to it: made
        at once if the server is there, put in the spool if not. The answer, or
        None if it comes later. `ends`: nothing is expected to follow.
        """
        method = _api.method(name)
        assert method is not None
        data = request.SerializeToString()
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
        self.log(run_id).call(method.path, request.SerializeToString(), points)
        self._sender()

    def upload(self, artifact_path: str, file: str) -> None:
        self._sender().ask({"op": "upload", "path": artifact_path,
                            "file": os.path.abspath(file)})

    def download(self, artifact_path: str, file: str) -> None:
        self._sender().ask({"op": "download", "path": artifact_path,
                            "file": os.path.abspath(file)})

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
            if self._folder is None or self._closed:
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
        if self._link is not None:
            try:
                pending = self._link.ask({"op": "wait"})[0]["pending"]
                self._link.ask({"op": "bye"})
            except Error:
                pass
            self._link.end()
        if not done:
            self._tell_unsent(pending)
        if self._writer_lock is not None:
            self._writer_lock.release()
        self._begin()

    def _tell_unsent(self, pending: int) -> None:
        why = "does not answer" if self.is_away() else "has not taken all yet"
        try:
            print(f"millstream: {human(pending) if pending else 'something'} "
                  f"that was logged is not sent: {self.config.target} {why}. "
                  f"It is kept in {self._folder}; send it with:\n"
                  f"    millstream sync --spool-dir {self.config.spool_dir}",
                  file=sys.stderr, flush=True)
        except (OSError, ValueError):  # nobody reads it any more
            pass

    # --- Below: how

    def _open(self) -> Any:
        with self._lock:
            if self._folder is None:
                folder = self._make_folder()
                self._link = Link(self.config, folder)
                self._folder = folder
            return self._folder

    def _make_folder(self) -> pathlib.Path:
        try:
            folder = fmt.new_writer_folder(self.config.spool_dir)
            # Before the description: who finds that finds a lock that is taken.
            self._writer_lock = fmt.Lock(folder / "writer.lock")
            self._writer_lock.take()
            fmt.describe_writer(folder, self.config.target)
        except OSError as error:
            raise Error("INVALID_STATE", "there can be no spool in "
                        f"{self.config.spool_dir}: {error}") from None
        return folder

    def _sender(self) -> Link:
        self._open()
        assert self._link is not None
        return self._link

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
                 "timeout": WRITE_SECONDS}, request.SerializeToString())
        except Error as error:
            if error.code in FINAL:
                raise
            return
        if not answer.get("later"):
            self._active.add(run_id)

    def _positions(self, run_id: str | None) -> dict[str, int]:
        if run_id is None:
            return {}
        positions = {name: position for name, (run, position)
                     in list(self._ended.items()) if run_id in ("", run)}
        for log in list(self.logs.values()):
            if run_id in ("", log.run_id):
                positions[log.folder.name] = log.position
        return positions

    def _try_now(self, run_id: str, path: str, data: bytes,
                 ends: bool) -> bytes | None:
        positions = self._positions(run_id)
        wait = self.config.flush_wait if ends else self.config.write_wait
        away_wait = self.config.away_wait if ends else 0.0
        if positions and not self._drain(
                positions, wait, min(wait, away_wait),
                "sending what was logged"):
            return None
        answer, response = self._sender().ask(
            {"op": "call", "path": path, "patience": 0.0,
             "timeout": WRITE_SECONDS, "after": positions,
             "seconds": ROUND_SECONDS}, data)
        return None if answer.get("later") else response

    def _spool_call(self, run_id: str, path: str, data: bytes) -> None:
        try:
            self.log(run_id).call(path, data)
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
                answer, _ = self._sender().ask(
                    {"op": "wait", "after": positions,
                     "seconds": ROUND_SECONDS})
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
            self._ended[log.folder.name] = (run_id, log.position)
            log.close()

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
                human(self.config.spool_bytes), self._folder,
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
        if self._link is not None:
            self._link.abandon()
        if self._writer_lock is not None:
            self._writer_lock.release()
        self._begin()


_sessions: weakref.WeakSet[Session] = weakref.WeakSet()
_shared: dict[Config, Session] = {}
_shared_lock = threading.Lock()


def shared(config: Config) -> Session:
    """The process's session for this configuration."""
    with _shared_lock:
        found = _shared.get(config)
        if found is None:
            found = _shared[config] = Session(config)
        return found


def _after_fork_in_child() -> None:
    global _shared_lock
    _shared_lock = threading.Lock()
    for session in list(_sessions):
        session._after_fork_in_child()


def close_all() -> None:
    """What is done when the process ends."""
    for session in list(_sessions):
        session.close()


os.register_at_fork(after_in_child=_after_fork_in_child)
