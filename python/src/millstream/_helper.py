"""The sender: a process of its own beside each process that logs.

It keeps gRPC, its threads and the work of sending out of the training process,
which may fork, be interrupted and hold the GIL as it likes. It sends what is in
the spool folder of that process, makes the calls that need an answer, and sends
what dead processes left behind for the same server. When its process is gone
it sends the rest, then ends; `millstream sync` sends what it could not.
"""

from __future__ import annotations

import asyncio
import json
import pathlib
import signal
import socket
import time
import traceback
from typing import Any, Awaitable, Callable

from . import _format as fmt
from . import _tasks, _wire
from ._errors import BUSY, FINAL, Error
from ._leftovers import AGAIN_SECONDS, Leftovers
from ._server import Server
from ._spool import LOOK_SECONDS, WriterSpool, raise_file_limit

ERRORS_MAX = 100
# How often logs that can go are looked for.
TIDY_SECONDS = 0.5
# How long another sender is waited for that still has the lock.
LOCK_SECONDS = 10.0


class Helper:
    """Serves one process. Belongs to one event loop."""

    def __init__(self, control: socket.socket, folder: pathlib.Path,
                 target: str, fsync: float, linger: float) -> None:
        self._control = control
        self._fsync = fsync
        self._linger = linger
        self._server = Server(target)
        self._errors: list[dict[str, str]] = []
        self._leftovers = Leftovers(self._server, folder.parent, self._error,
                                    own=folder, target=target)
        self._spool = WriterSpool(self._server, folder, self._error,
                                  before=self._leftovers.before)
        self._gone = asyncio.Event()
        self._bye = False
        self._connections: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        if not await self._take_lock():
            return
        self._spool.look_for_logs()
        loop = asyncio.get_running_loop()
        self._control.setblocking(False)
        loop.add_reader(self._control, self._accept)
        chores = [asyncio.create_task(_keep_on(chore)) for chore in
                  (self._look, self._tidy, self._adopt, self._sync)]
        try:
            await self._gone.wait()
            await self._finish()
        finally:
            loop.remove_reader(self._control)
            await _tasks.end([*chores, *self._connections])
            await self._close()

    async def _take_lock(self) -> bool:
        deadline = time.monotonic() + LOCK_SECONDS
        while not self._spool.take():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(LOOK_SECONDS)
        return True

    def _accept(self) -> None:
        """A new connection of our process, or its end."""
        try:
            data, fds, _, _ = socket.recv_fds(self._control, 1, 1)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        if not data:
            asyncio.get_running_loop().remove_reader(self._control)
            self._gone.set()
        for fd in fds:
            task = asyncio.create_task(self._serve(socket.socket(fileno=fd)))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    async def _serve(self, sock: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=sock)
        try:
            while True:
                header, payload = await _read(reader)
                try:
                    answer, data = await self._answer(header, payload)
                except Error as error:
                    answer, data = {"error": error.code,
                                    "message": error.message,
                                    "named": error.named}, b""
                except OSError as error:
                    answer, data = {"error": "IO_ERROR",
                                    "message": str(error),
                                    "named": False}, b""
                except Exception as bug:  # whoever asked is to learn of it
                    traceback.print_exc()
                    answer, data = {"error": "INTERNAL_ERROR",
                                    "message": f"{type(bug).__name__}: {bug}",
                                    "named": False}, b""
                answer["away"] = (self._server.is_away
                                  or answer.get("away", False))
                if self._errors:
                    answer["errors"], self._errors = self._errors, []
                writer.write(_wire.pack(answer, data))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, header: dict[str, Any],
                      payload: bytes) -> tuple[dict[str, Any], bytes]:
        name = header["op"]
        if name == "call":
            return await self._call(header, payload)
        if name == "wait":
            return await self._wait(header), b""
        if name == "upload":
            await self._server.upload(header["path"], header["file"],
                                      header["patience"])
        elif name == "download":
            await self._server.download(header["path"], header["file"],
                                        header["patience"])
        elif name == "bye":
            self._bye = True
        elif name == "status":
            return {"trouble": self._server.trouble}, b""
        else:
            raise Error("INVALID_PARAMETER_VALUE", f"no op {name}")
        return {}, b""

    async def _call(self, header: dict[str, Any],
                    payload: bytes) -> tuple[dict[str, Any], bytes]:
        """Makes an rpc when what it comes after is done.

        Without patience, it is one that can wait in the spool, and "later"
        says that it should: unless the server itself refuses it. What others
        left for "run" goes before it, if that is done in "run_seconds".
        """
        waited = await self._wait(header)
        if not waited["done"]:
            return {**waited, "later": True}, b""
        patience = header["patience"]
        run_id = header.get("run")
        if run_id and not await self._leftovers.sent(
                run_id, header["run_seconds"]) and not patience:
            return {"later": True}, b""
        try:
            if patience:
                return {}, await self._server.patient_call(
                    header["path"], payload, patience)
            if self._server.is_away:
                return {"later": True}, b""
            return {}, await self._server.call(header["path"], payload,
                                               header["timeout"])
        except Error as error:
            if patience or error.named and error.code in FINAL:
                raise
            return {"later": True, "busy": error.code in BUSY}, b""

    async def _wait(self, header: dict[str, Any]) -> dict[str, Any]:
        """Waits until logs are sent up to positions, for some seconds."""
        deadline = time.monotonic() + header.get("seconds", 0.0)
        done = True
        blocked: Error | None = None
        refused: dict[str, list[str]] = {}
        for name, position in header.get("after", {}).items():
            if not (self._spool.folder / name / "run").exists():
                continue  # closed, sent, removed
            log = self._spool.watch(name)
            if log is None:
                continue
            blocked = log.blocked or blocked
            if (self._server.is_away or log.blocked) and log.done < position:
                done &= log.refused is not None
            else:
                done &= await log.reach(position, deadline - time.monotonic())
            if log.refused is not None:
                refused[name] = [log.refused.code, log.refused.message]
        pending = 0 if done else self._spool.pending_bytes()
        answer = {"done": done, "pending": pending, "refused": refused}
        if blocked is not None and not done:
            # Waiting does not help, no more than for a server that is away.
            answer.update(away=True, blocked=str(blocked))
        return answer

    # --- Chores

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for spool in self._spools():
                spool.look()

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            self._spool.look_for_logs()
            await self._spool.remove_closed()
            await self._leftovers.tidy()

    async def _adopt(self) -> None:
        """Takes over what dead processes left for the same server."""
        while True:
            self._leftovers.adopt()
            await asyncio.sleep(AGAIN_SECONDS)

    async def _sync(self) -> None:
        loop = asyncio.get_running_loop()
        while self._fsync > 0:
            await asyncio.sleep(self._fsync)
            await loop.run_in_executor(None, self._spool.sync)

    # --- The end

    async def _finish(self) -> None:
        """Our process is gone: sends what is left, as long as it moves."""
        self._spool.look_for_logs()
        last, since = -1, time.monotonic()
        while not all(spool.is_drained() for spool in self._spools()):
            spools = self._spools()
            pending = sum(spool.pending_bytes() for spool in spools)
            if pending != last:
                last, since = pending, time.monotonic()
            patience = 0.0 if self._bye else self._linger
            stuck = self._server.is_away or all(
                spool.is_drained() or spool.blocked() for spool in spools)
            if stuck and time.monotonic() - since >= patience:
                break
            if time.monotonic() - since > max(patience, 60.0):
                break
            await asyncio.sleep(LOOK_SECONDS)

    async def _close(self) -> None:
        for spool in self._spools():
            spool.look_for_logs()
            unused = self._bye and spool is self._spool or (
                spool.writer_is_dead())
            await spool.close(remove=unused and spool.is_drained())
        await self._server.close()

    def _spools(self) -> list[WriterSpool]:
        return [self._spool, *self._leftovers.spools.values()]

    def _error(self, message: str, kind: str) -> None:
        if len(self._errors) < ERRORS_MAX:
            self._errors.append({"message": message, "kind": kind})


async def _keep_on(chore: Callable[[], Awaitable[None]]) -> None:
    """What goes wrong once, with a file of another process, say, may not the
    next time."""
    while True:
        try:
            await chore()
            return
        except Exception:
            traceback.print_exc()
            await asyncio.sleep(TIDY_SECONDS)


async def _read(
        reader: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
    lengths = _wire.LENGTHS.unpack(
        await reader.readexactly(_wire.LENGTHS.size))
    data = await reader.readexactly(sum(lengths))
    return json.loads(data[:lengths[0]]), data[lengths[0]:]


def main(control: int, folder: str, target: str, fsync: float,
         linger: float) -> None:
    """What the process runs; `control` is an inherited socket."""
    # Ctrl-C is for the process that logs; it tells us when to end.
    for name in (signal.SIGINT, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    raise_file_limit()

    async def run() -> None:
        await Helper(socket.socket(fileno=control), pathlib.Path(folder),
                     target, fsync, linger).run()

    asyncio.run(run())
