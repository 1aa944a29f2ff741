"""The logging process's side of its sender: starts it and asks it."""

from __future__ import annotations

import logging
import os
import pathlib
import select
import socket
import subprocess
import sys
import threading
import time
from typing import Any

from . import _making, _wire
from ._config import Config
from ._errors import AWAY, Error

LOG = logging.getLogger("millstream")
# A sender that was killed is replaced, but not more often than so.
STARTS_MAX = 5
STARTS_SECONDS = 60.0
# Whoever waits longer than this for a server that is away is told so.
SILENT_SECONDS = 2.0

_PROGRAM = ("import sys; sys.path[:] = {path!r}; "
            "from millstream._helper import main; main({arguments})")


class NoSender(Error):
    """There is no sender to ask, or it ended."""

    def __init__(self, message: str) -> None:
        super().__init__(AWAY, message)


class Link:
    """The sender of one spool folder, started when it is first needed.

    Thread-safe: each request has a connection for itself while it lasts. So
    are signal handlers, but for one that comes while its own thread starts the
    sender: there is none for it then.
    """

    def __init__(self, config: Config, folder: pathlib.Path) -> None:
        self._config = config
        self._folder = folder
        self._lock = threading.RLock()
        self._starting = False
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._idle: list[socket.socket] = []
        self._starts: list[float] = []
        # As the last answer said; why nothing can be sent though the server
        # is there, if so.
        self.is_away = False
        self.blocked = ""
        # Whether the user knows that the server is away.
        self._told_away = False

    def ensure(self) -> None:
        """Starts the sender unless it runs."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()

    def ask(self, header: dict[str, Any],
            payload: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """One request; Error if it failed, NoSender if there is none."""
        message = _wire.pack(header, payload)
        # A sender that ended in the middle may have done it.
        once = header["op"] == "call" and _making.is_once(
            header.get("path", ""))
        for attempt in range(3):
            sock = None
            sent = False
            try:
                sock = self._connection()
                sock.sendall(message)
                sent = True
                if header.get("patience", 0.0) > SILENT_SECONDS:
                    self._tell_if_away(sock, header["patience"])
                answer, data = _wire.receive(sock)
            except (OSError, EOFError) as error:
                # The sender was killed; another will do what it did not.
                if sock is not None:
                    sock.close()
                self._drop_idle()
                if sent and once:
                    raise NoSender(
                        "the sender ended in the middle of "
                        f"{header['path'].rpartition('/')[2]}, which may have "
                        "been done or not") from None
                last = error
                continue
            except BaseException:
                # Ctrl-C: an answer may be under way that nobody waits for.
                if sock is not None:
                    sock.close()
                raise
            with self._lock:
                self._idle.append(sock)
            self.is_away = answer["away"]
            self._told_away &= self.is_away
            self.blocked = answer.get("blocked", "")
            for told in answer.get("errors", ()):
                LOG.warning("%s", told["message"])
            if "error" in answer:
                raise Error(answer["error"], answer["message"],
                            answer["named"])
            return answer, data
        raise NoSender(f"the sender of {self._folder} does not run: {last}")

    def end(self) -> None:
        """Lets the sender end when it has sent what it can."""
        with self._lock:
            if self._control is not None:
                self._control.close()
                self._control = None
            process, self._process = self._process, None
        self._drop_idle()
        if process is not None:
            # Nobody waits for it: it is not to be reported as forgotten.
            process.returncode = 0

    def abandon(self) -> None:
        """For a forked child: lets go of what is its parent's."""
        for sock in [self._control, *self._idle]:
            if sock is not None:
                sock.close()
        if self._process is not None:
            self._process.returncode = 0

    def _connection(self) -> socket.socket:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._process is None or self._process.poll() is not None:
                self._start()
            assert self._control is not None
            ours, theirs = socket.socketpair()
            with theirs:
                try:
                    socket.send_fds(self._control, [b"+"], [theirs.fileno()])
                except BaseException:
                    ours.close()
                    raise
            return ours

    def _tell_if_away(self, sock: socket.socket, patience: float) -> None:
        """Says whom one waits for, if no answer comes for that reason."""
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        if self._told_away or poll.poll(SILENT_SECONDS * 1000):
            return
        try:
            trouble = self.ask({"op": "status"})[0]["trouble"]
        except Error:  # it will be seen by who waits
            return
        if trouble:
            self._told_away = True
            LOG.warning("millstream: waiting for %s, up to %.0f s: %s",
                        self._config.target, patience, trouble)

    def _drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for sock in idle:
            sock.close()

    def _start(self) -> None:
        if self._starting:
            raise BlockingIOError("it is just being started")
        try:
            self._starting = True
            self._start_process()
        finally:
            self._starting = False

    def _start_process(self) -> None:
        if self._control is not None:
            self._control.close()
        for sock in self._idle:
            sock.close()
        self._idle.clear()
        now = time.monotonic()
        self._starts = [t for t in self._starts if t > now - STARTS_SECONDS]
        if len(self._starts) >= STARTS_MAX:
            raise OSError(f"it ended {STARTS_MAX} times; see "
                          f"{self._folder / 'sender.log'}")
        self._starts.append(now)
        ours, theirs = socket.socketpair()
        arguments = ", ".join(map(repr, (
            theirs.fileno(), str(self._folder), self._config.target,
            self._config.fsync, self._config.linger)))
        program = _PROGRAM.format(path=sys.path, arguments=arguments)
        with theirs, (self._folder / "sender.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable or "python3", "-c", program],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=log, pass_fds=[theirs.fileno()], cwd="/",
                env={**os.environ, "PYTHONSAFEPATH": "1"},
                start_new_session=True)
        self._control = ours
