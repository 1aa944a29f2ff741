"""A database server of a test's own, whatever product it is."""

import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

START_SECONDS = 60
PASSWORD = "se/cret%"


class DatabaseServer:
    """Listens on a port of 127.0.0.1 while the context lasts; ends with the
    process that started it. A product says how it is started and asked."""

    # What our server's log calls it, and its URIs begin with.
    product = None
    dialects = ()
    user = None
    # What our server says to begin a transaction that writes, and what is in
    # the answer to a COMMIT and in no other.
    begins_write = None
    committed = None
    # Signals that end it: like a crash; or writing what is in memory.
    stop_at_once = signal.SIGKILL
    stop_well = signal.SIGTERM

    def __init__(self, *settings):
        self.settings = list(settings)
        self.folder = pathlib.Path(tempfile.mkdtemp(
            prefix="millstream-db.", dir="/tmp"))
        self._process = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.close()

    def start(self):
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._server_command(), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd=self.folder)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text())
            assert time.monotonic() < deadline, f"{self.product} does not start"
            time.sleep(0.05)

    def stop(self, at_once=False):
        """Ends sessions and writes what is in memory; or not, like a crash."""
        self._process.send_signal(
            self.stop_at_once if at_once else self.stop_well)
        self._process.wait(START_SECONDS)

    def close(self):
        if self._process is not None and self._process.poll() is None:
            self.stop(at_once=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self):
        return self._process.pid

    def keep(self, name, content):
        """A file that none but the server reads; returns its path."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)
        return path

    def make_database(self, name):
        """An empty database; returns its URI."""
        raise NotImplementedError

    def uri(self, database, dialect=None):
        """The first of the dialects unless another is named."""
        password = urllib.parse.quote(PASSWORD, safe="")
        return (f"{dialect or self.dialects[0]}://{self.user}:{password}"
                f"@127.0.0.1:{self.port}/{database}")

    def _server_command(self):
        raise NotImplementedError

    def _answers(self):
        raise NotImplementedError

    def _run(self, command, **options):
        done = subprocess.run(
            list(map(str, command)), cwd=self.folder, check=False,
            capture_output=True, text=True, **options)
        if done.returncode != 0:
            raise RuntimeError(
                f"{self.product}: {done.stdout}{done.stderr}")
