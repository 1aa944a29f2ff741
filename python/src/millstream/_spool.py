"""Folders of writers as a sender looks after them."""

from __future__ import annotations

import asyncio
import pathlib
import resource
import shutil
from typing import Callable, Sequence

from . import _format as fmt
from . import _tasks
from ._errors import Error
from ._sender import LOST_RUN_SECONDS, Earlier, LogSender
from ._server import Server

# How long something logged waits, at most, before it is on its way.
LOOK_SECONDS = 0.05
# Logs in which nothing happens are looked at less often.
QUIET_LOOKS = 200
QUIET_EVERY = 10


def raise_file_limit() -> None:
    """Each log that is sent has files open, and many runs may be left."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError):
        pass


class WriterSpool:
    """Sends what is in the folder of one writer. Belongs to one event loop.

    Has the sender's lock of the folder from take() to close(). `before` tells
    what other processes left that goes before a log.
    """

    def __init__(self, server: Server, folder: pathlib.Path,
                 on_error: Callable[[str, str], None],
                 lost_wait: float | None = LOST_RUN_SECONDS,
                 before: Callable[[pathlib.Path], Sequence[Earlier]]
                 = lambda log: ()) -> None:
        self.folder = folder
        self._before = before
        self._lost_wait = lost_wait
        self.logs: dict[str, LogSender] = {}
        self._server = server
        self._on_error = on_error
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._lock = fmt.Lock(folder / "sender.lock")
        self._quiet: dict[str, int] = {}
        # Logs that nothing can be done with.
        self._unreadable: dict[str, Exception] = {}
        self._looks = 0

    def take(self) -> bool:
        return self._lock.take()

    def release(self) -> None:
        self._lock.release()

    def writer_is_dead(self) -> bool:
        return fmt.Lock(self.folder / "writer.lock").is_free()

    def look_for_logs(self) -> None:
        """Sends logs that are new from now on; those of one run one after
        another."""
        for folder in fmt.log_folders(self.folder):
            name = folder.name
            if name in self.logs or name in self._unreadable:
                continue
            try:
                log = LogSender(
                    self._server, folder, self._on_error,
                    [*self.logs.values(), *self._before(folder)],
                    self._lost_wait)
            except (OSError, ValueError) as error:
                self._unreadable[name] = error
                self._on_error(f"{folder} cannot be read: {error}", "lost")
                continue
            self.logs[name] = log
            self._tasks[name] = asyncio.create_task(log.run())

    @property
    def unreadable(self) -> list[pathlib.Path]:
        return [self.folder / name for name in self._unreadable]

    def watch(self, name: str) -> LogSender | None:
        """The sender of log `name`; None if there is no such log (any more)."""
        if name not in self.logs:
            self.look_for_logs()
        return self.logs.get(name)

    def look(self) -> None:
        """Wakes the logs that have something new."""
        self._looks += 1
        for name, log in self.logs.items():
            if (self._quiet.get(name, 0) > QUIET_LOOKS
                    and self._looks % QUIET_EVERY):
                continue
            if log.has_news():
                self._quiet[name] = 0
                log.poke()
            else:
                self._quiet[name] = self._quiet.get(name, 0) + 1

    async def remove_closed(self) -> None:
        """Removes logs that nothing is added to, and that are done or
        refused."""
        # Asked first: what it logged before it died is seen.
        dead = self.writer_is_dead()
        for name, log in list(self.logs.items()):
            if log.refused is not None:
                if dead or log.log.has_ended():
                    await self._forget(name)
                    fmt.set_aside(log.folder)
            elif log.is_drained() and (dead or log.log.is_closed()):
                await self._forget(name)
                log.remove()

    def pending_bytes(self) -> int:
        return sum(log.pending_bytes() for log in self.logs.values())

    def is_drained(self) -> bool:
        return all(log.is_drained() for log in self.logs.values())

    def blocked(self) -> Error | None:
        """Why nothing of what is left can be sent now; None: it can."""
        found = None
        for log in self.logs.values():
            if not log.is_drained():
                found = log.blocked
                if found is None:
                    return None
        return found

    def sync(self) -> None:
        for log in self.logs.values():
            log.log.sync()
            log.log.journal.sync()

    async def close(self, remove: bool) -> None:
        """Lets go of the folder; removes what is done, if `remove`."""
        for name, log in list(self.logs.items()):
            drained = log.is_drained()
            await self._forget(name)
            if remove and log.refused is not None:
                fmt.set_aside(log.folder)
            elif remove and drained:
                log.remove()
        if remove and not fmt.log_folders(self.folder):
            shutil.rmtree(self.folder, ignore_errors=True)
        self.release()

    async def _forget(self, name: str) -> None:
        del self.logs[name]
        self._quiet.pop(name, None)
        await _tasks.end([self._tasks.pop(name)])
