"""A peer's server process, from start to end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

from harness import proc
from harness.peers import Peer

_START_LIMIT_S = 180
_STOP_LIMIT_S = 60
_POLL_S = 0.002
# A server is at rest when it uses less than this part of a core.
_REST_CORES = 0.05
_REST_LIMIT_S = 60


class ServerFailed(Exception):
    """The server did not start, or died; holds the end of its log."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_healthy(port: int) -> bool:
    """Whether GET /health answers 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as door:
            door.sendall(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                         "Connection: close\r\n\r\n".encode())
            return door.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


class Server:
    """Runs while the context lasts.

    `start_s` is the time to the first 200, `start_cpu_s` the CPU used for it.
    """

    def __init__(self, peer: Peer, directory: Path) -> None:
        self.peer = peer
        self.directory = directory
        self.port = _free_port()
        self.start_s = 0.0
        self.start_cpu_s = 0.0
        self._log = directory.with_suffix(".log")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu_seconds(self) -> float:
        """Of the server and of its database, if it has one of its own."""
        return sum(map(proc.cpu_seconds,
                       [self.pid, *self.peer.other_pids()]))

    def __enter__(self) -> Server:
        self.directory.mkdir(parents=True, exist_ok=True)
        command = self.peer.command(self.directory, self.port)
        begin = time.monotonic()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.directory, env=self.peer.environment(),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)
        while not _is_healthy(self.port):
            if (self._process.poll() is not None
                    or time.monotonic() - begin > _START_LIMIT_S):
                self._stop()
                tail = self._log.read_text(errors="replace")[-2000:]
                raise ServerFailed(f"{self.peer.name} did not start:\n{tail}")
            time.sleep(_POLL_S)
        self.start_s = time.monotonic() - begin
        self.start_cpu_s = proc.cpu_seconds(self.pid)
        return self

    def wait_for_rest(self) -> None:
        """Some servers go on starting after their first answer."""
        end = time.monotonic() + _REST_LIMIT_S
        while time.monotonic() < end:
            before = proc.cpu_seconds(self.pid)
            time.sleep(1)
            if proc.cpu_seconds(self.pid) - before < _REST_CORES:
                return

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._stop()

    def _stop(self) -> None:
        """Asks politely; then ends the session it was started in."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
