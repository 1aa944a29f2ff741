"""What processes that have ended left in a spool: who sends it, and when.

What was left for a run goes before what is logged to it afterwards. So each log
waits for those of its run that were begun before it by processes that have
ended, whichever sender has them. What was begun first is told by the file with
the run's id, which is written once. A process that is still there is not waited
for: it and its neighbours log side by side.
"""

from __future__ import annotations

import asyncio
import pathlib
import time
from typing import Any, Callable, NamedTuple

from . import _format as fmt
from ._errors import Error
from ._sender import LOST_RUN_SECONDS, LogSender
from ._server import Server
from ._spool import LOOK_SECONDS, WriterSpool

# What could not be sent as who we are is tried again after so long.
AGAIN_SECONDS = 60.0
# A log that another sender has, and that stands still, is not waited for by
# somebody who wants to end.
STILL_SECONDS = 5.0
# The code of what passes when others have done something.
WAITS = "INVALID_STATE"


class _Log(NamedTuple):
    run_id: str
    begun: int
    folder: pathlib.Path


class Leftover:
    """A log whose process has ended."""

    def __init__(self, log: _Log, sender: Callable[[pathlib.Path], Any],
                 hopeless: set[pathlib.Path]) -> None:
        self.run_id = log.run_id
        self.folder = log.folder
        self._sender = sender
        self._hopeless = hopeless
        self._why: Error | None = None
        self._journal = self._journal_time()
        self._moved = time.monotonic()

    @property
    def has_sender(self) -> bool:
        """Whether it is one of ours that sends it."""
        return self._sender(self.folder) is not None

    def is_pending(self) -> bool:
        """Whether something is left that may still be sent."""
        sender = self._sender(self.folder)
        if sender is not None:
            return bool(sender.is_pending())
        return ((self.folder / "run").exists()
                and not fmt.is_refused(self.folder)
                and self.folder not in self._hopeless)

    @property
    def blocked(self) -> Error | None:
        """Why nothing of it is sent now, though the server is there."""
        self.remember()
        if self._why is None and not self.has_sender and not self._moves():
            return Error(WAITS, "another sender has what an earlier process "
                         f"left for the run in {self.folder}")
        return self._why

    def remember(self) -> None:
        """Keeps in mind why our sender cannot send it, when that lets go."""
        sender = self._sender(self.folder)
        if sender is not None:
            self._why = sender.blocked

    def _moves(self) -> bool:
        seen = self._journal_time()
        now = time.monotonic()
        if seen != self._journal:
            self._journal, self._moved = seen, now
        return now - self._moved < STILL_SECONDS

    def _journal_time(self) -> int:
        try:
            return (self.folder / "journal").stat().st_mtime_ns
        except OSError:
            return 0


class Leftovers:
    """All that was left for one server. Belongs to one event loop.

    `own` is the folder of the process that is served, if one is. What was
    logged to another server than `target` is none of ours; None: all is.
    """

    def __init__(self, server: Server, spool: pathlib.Path,
                 on_error: Callable[[str, str], None],
                 own: pathlib.Path | None = None, target: str | None = None,
                 lost_wait: float | None = LOST_RUN_SECONDS) -> None:
        self.spools: dict[pathlib.Path, WriterSpool] = {}
        self._server = server
        self._spool = spool
        self._on_error = on_error
        self._own = own
        self._target = target
        self._lost_wait = lost_wait
        # Logs of each process that has ended: no more are coming.
        self._logs: dict[pathlib.Path, list[_Log]] = {}
        self._of_run: dict[str, list[_Log]] = {}
        # Logs that nothing can be done with.
        self._hopeless: set[pathlib.Path] = set()
        self._not_before: dict[pathlib.Path, float] = {}
        # What somebody waits for, and runs for which nothing is left.
        self._awaited: list[Leftover] = []
        self._clear: set[str] = set()

    # --- Order

    def before(self, log: pathlib.Path) -> list[Leftover]:
        """What goes before a log of a process that is there."""
        self._refresh()
        found = self._before(log)
        self._await(found)
        return found

    async def sent(self, run_id: str, seconds: float) -> bool:
        """Waits until nothing is left for a run that could be sent; False if
        that takes longer, or waiting does not help."""
        if run_id in self._clear:
            return True
        self._refresh()
        found = self._leftovers(self._of_run.get(run_id, []))
        self._await(found)
        deadline = time.monotonic() + seconds
        while pending := [log for log in found if log.is_pending()]:
            if (self._server.is_away or time.monotonic() > deadline
                    or any(log.blocked for log in pending)):
                return False
            await asyncio.sleep(LOOK_SECONDS)
        self._clear.add(run_id)
        return True

    def _before(self, log: pathlib.Path) -> list[Leftover]:
        run_id = (log / "run").read_text()
        ours = (_begun(log), log)
        return self._leftovers(
            [other for other in self._of_run.get(run_id, [])
             if other.folder.parent != log.parent
             and (other.begun, other.folder) < ours])

    def _leftovers(self, logs: list[_Log]) -> list[Leftover]:
        return [Leftover(log, self._sender, self._hopeless) for log in logs]

    def _await(self, found: list[Leftover]) -> None:
        self._awaited += found
        self._look()

    def _look(self) -> None:
        self._awaited = [log for log in self._awaited if log.is_pending()]
        if not all(log.has_sender for log in self._awaited):
            self.adopt()

    def _sender(self, log: pathlib.Path) -> LogSender | None:
        spool = self.spools.get(log.parent)
        return None if spool is None else spool.logs.get(log.name)

    def _refresh(self) -> None:
        """Sees which processes have ended, and what they left."""
        there = set()
        for folder in fmt.writer_folders(self._spool):
            there.add(folder)
            if folder not in self._logs and self._is_left(folder):
                self._logs[folder] = _logs_of(folder)
                for log in self._logs[folder]:
                    self._of_run.setdefault(log.run_id, []).append(log)
        for folder in self._logs.keys() - there:
            for log in self._logs.pop(folder):
                self._of_run[log.run_id].remove(log)

    def _is_left(self, folder: pathlib.Path) -> bool:
        found = fmt.read_writer(folder)
        return (folder != self._own and found is not None
                and self._target in (None, found["target"])
                and fmt.Lock(folder / "writer.lock").is_free())

    # --- Sending

    def adopt(self) -> None:
        """Takes over what nobody else has."""
        self._refresh()
        now = time.monotonic()
        for folder in sorted(self._logs):
            if folder not in self.spools and (
                    now >= self._not_before.get(folder, 0.0)):
                self._take(folder)

    def take(self, folder: pathlib.Path,
             again: bool = False) -> WriterSpool | None:
        """Takes over one folder; None if somebody else has it. Runs that were
        refused are sent `again`, if so."""
        self._refresh()
        return self._take(folder, again) if folder in self._logs else None

    def _take(self, folder: pathlib.Path,
              again: bool = False) -> WriterSpool | None:
        spool = WriterSpool(self._server, folder, self._on_error,
                            self._lost_wait, self._before)
        if not spool.take():
            return None
        if again:
            for log in fmt.log_folders(folder):
                fmt.forget_refusal(log)
        self.spools[folder] = spool
        spool.look_for_logs()
        self._hopeless.update(spool.unreadable)
        return spool

    async def tidy(self) -> None:
        """Lets go of what is sent, and of what cannot be as who we are: that is
        somebody else's to send, and tried again later."""
        for folder, spool in list(self.spools.items()):
            await spool.remove_closed()
            drained = spool.is_drained()
            blocked = spool.blocked()
            if not drained and (blocked is None or blocked.code == WAITS):
                continue
            for log in self._awaited:
                log.remember()
            del self.spools[folder]
            await spool.close(remove=drained)
            if not drained:
                self._not_before[folder] = time.monotonic() + AGAIN_SECONDS
        self._look()


def _logs_of(writer: pathlib.Path) -> list[_Log]:
    found = []
    try:
        folders = fmt.log_folders(writer)
    except OSError:  # removed in this moment, as all is sent
        return []
    for log in folders:
        try:
            found.append(_Log((log / "run").read_text(), _begun(log), log))
        except (OSError, ValueError):  # the same, or damaged
            continue
    return found


def _begun(log: pathlib.Path) -> int:
    return (log / "run").stat().st_mtime_ns
