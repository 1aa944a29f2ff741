"""Starts the server under test: a real process on a free port.

By default it is millstream as built by tools/build, or the program that the
environment variable MILLSTREAM_TEST_BINARY names (one with sanitizers, say).
With MILLSTREAM_TEST_REFERENCE=<path of an mlflow command> the tests play
against `mlflow server` instead, which has to pass them too. With
MILLSTREAM_TEST_BACKEND=sqlite each server keeps its data in MLflow's own tables
in a SQLite file of its folder; with =postgresql or =mysql in a database of its
own, of a database server that all share.
"""

import atexit
import contextlib
import functools
import itertools
import os
import pathlib
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import weakref

import evidence
from mariadb import MariadbServer
from postgres import PostgresServer

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("MILLSTREAM_TEST_BINARY",
                        ROOT / "bazel-bin" / "app" / "millstream")
REFERENCE = os.environ.get("MILLSTREAM_TEST_REFERENCE")
BACKEND = os.environ.get("MILLSTREAM_TEST_BACKEND")
DATABASE_SERVERS = {"postgresql": PostgresServer, "mysql": MariadbServer}
# How a program ends that did something wrong.
CRASH_SIGNALS = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL,
                 signal.SIGFPE}
# Of what tests leave to chance; each run has another one.
SEED = int(os.environ.get("MILLSTREAM_SEED", random.randrange(10 ** 6)))
START_SECONDS = 60
STOP_SECONDS = 30
# Of the log of a server that crashed: characters at its end.
LOG_SHOWN = 3000


@functools.cache
def database_server():
    """That of MILLSTREAM_TEST_BACKEND, started; ends with this process."""
    server = DATABASE_SERVERS[BACKEND](fsync=False)
    server.start()
    atexit.register(server.close)
    return server


@functools.cache
def backend_of(folder):
    """The URI of the database of a server with its data in `folder`; None: it
    has a store of its own."""
    if BACKEND is None:
        return None
    if BACKEND == "sqlite":
        return f"sqlite:///{folder}/mlflow.db"
    return database_server().make_database(f"test{next(_numbers)}")


_numbers = itertools.count()
_servers = {evidence.SERVERS: 0, evidence.CRASHED: 0}
_made = weakref.WeakSet()
_crashes = []


@atexit.register
def _tell_of_servers():
    if _servers[evidence.SERVERS]:
        evidence.add("servers", _servers)


def take_crashes():
    """What servers said that have crashed since the last call."""
    for server in list(_made):
        server.notice_crash()
    found = _crashes[:]
    del _crashes[:]
    return found


class Server:
    """One server process with its data in `folder`; can be started again, and
    has the same gRPC port then. `backend` is the URI of a database of MLflow;
    `reference`, if given, an mlflow command to start instead."""

    def __init__(self, folder, *flags, environment=(), backend=None,
                 reference=REFERENCE):
        self.folder = pathlib.Path(folder)
        self.flags = flags
        self.environment = dict(environment)
        self.backend = backend
        self.reference = reference
        self.url = None
        self.grpc_address = None
        self._process = None
        self._log = self.folder / "server.log"
        self._crash_noticed = False
        _made.add(self)

    def start(self):
        """Returns once /health answers."""
        assert not self.is_running()
        self.notice_crash()
        command = (self._reference() if self.reference
                   else self._millstream())
        environment = {
            name: value for name, value in os.environ.items()
            if not name.startswith(("MLFLOW_", "MILLSTREAM_"))}
        environment["MLFLOW_DISABLE_TELEMETRY"] = "true"
        environment["AWS_EC2_METADATA_DISABLED"] = "true"
        environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
        environment.update(self.environment)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, env=environment,
                stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True)
        self._crash_noticed = False
        _servers[evidence.SERVERS] += 1
        self._wait_until_healthy()
        return self

    def stop(self):
        """Asks the server to end (SIGTERM) and returns its exit status."""
        self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(STOP_SECONDS)
        self.notice_crash()
        self._process = None
        return status

    def kill(self):
        """Ends the server as a crash would (SIGKILL)."""
        if self._process is None:
            return
        self.notice_crash()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def notice_crash(self):
        """Counts it once if the server has ended by a fault of its own."""
        process = self._process
        if (process is None or self._crash_noticed
                or -(process.poll() or 0) not in CRASH_SIGNALS):
            return
        self._crash_noticed = True
        _servers[evidence.CRASHED] += 1
        _crashes.append(f"{signal.Signals(-process.returncode).name}: "
                        f"{self.log()[-LOG_SHOWN:]}")

    def is_running(self):
        return self._process is not None and self._process.poll() is None

    @property
    def exit_status(self):
        """Of a server that ended by itself; None: it runs."""
        return self._process.poll()

    @property
    def pid(self):
        return self._process.pid

    def log(self):
        return self._log.read_text(errors="replace")

    def _millstream(self):
        self._port_file = self.folder / "port"
        self._port_file.unlink(missing_ok=True)
        self.url = None
        backend = self.backend
        if backend is None and "--backend-store-uri" not in self.flags:
            backend = backend_of(self.folder)
        in_database = ["--backend-store-uri", backend] if backend else []
        return [BINARY, "server", "--host", "127.0.0.1", "--port", "0",
                "--port-file", self._port_file,
                "--grpc-port", (self.grpc_address or ":0").rpartition(":")[2],
                "--data-dir", self.folder / "data",
                "--ui-dir", ROOT / "ui" / "build", *in_database, *self.flags]

    def _reference(self):
        port = free_port()
        self._set_url(port)
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        return [self.reference, "server", "--host", "127.0.0.1",
                "--port", str(port), "--workers", "1", "--backend-store-uri",
                self.backend or f"sqlite:///{data}/mlflow.db",
                "--artifacts-destination", data / "artifacts", *self.flags]

    def _set_url(self, port):
        flags = dict(zip(self.flags, self.flags[1:]))
        prefix = flags.get("--static-prefix", "")
        scheme = "https" if "--tls-cert" in flags else "http"
        self.root_url = f"{scheme}://127.0.0.1:{port}"
        self.url = self.root_url
        self._health = [self.root_url + "/health",
                        self.root_url + prefix + "/health"]

    def _wait_until_healthy(self):
        deadline = time.monotonic() + START_SECONDS
        while not self._healthy():
            if not self.is_running():
                raise RuntimeError("the server ended at start:\n" + self.log())
            if time.monotonic() > deadline:
                self.kill()
                raise RuntimeError("the server does not start:\n" + self.log())
            time.sleep(0.02)

    def _healthy(self):
        if self.url is None:
            try:
                port, grpc_port = self._port_file.read_text().split()
            except (FileNotFoundError, ValueError):  # or not yet written
                return False
            self.grpc_address = f"127.0.0.1:{grpc_port}"
            self._set_url(port)
        if self.url.startswith("https:"):
            return accepts(self.url)
        return any(map(answers, self._health))


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def accepts(url):
    """Whether somebody listens there; whose certificate that is, tests ask."""
    host, _, port = url.removeprefix("https://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
