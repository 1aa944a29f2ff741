"""A PostgreSQL 15 server of a test's own, from Debian's postgresql-15."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PROGRAMS = pathlib.Path("/usr/lib/postgresql/15/bin")
START_SECONDS = 60
PASSWORD = "se/cret%"


class PostgresServer:
    """Listens on a port of 127.0.0.1 while the context lasts; ends with the
    process that started it. Root runs it as the user postgres, as it must."""

    def __init__(self, *settings, fsync=True):
        self.folder = pathlib.Path(tempfile.mkdtemp(
            prefix="millstream-pg.", dir="/tmp"))
        self._settings = list(settings) + ([] if fsync else ["fsync=off"])
        self._process = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        self._run("initdb", "-D", self.folder / "data", "-U", "postgres",
                  "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8",
                  "--locale=C.UTF-8", "--no-sync")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.close()

    def start(self):
        command = self._command(
            "postgres", "-D", self.folder / "data", "-k", self.folder,
            "-h", "127.0.0.1", "-p", self.port)
        for setting in self._settings:
            command += ["-c", setting]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder)
        deadline = time.monotonic() + START_SECONDS
        while subprocess.run(
                [PROGRAMS / "pg_isready", "-q", "-h", "127.0.0.1",
                 "-p", str(self.port)], check=False).returncode != 0:
            if self._process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text())
            assert time.monotonic() < deadline, "PostgreSQL does not start"
            time.sleep(0.05)

    def stop(self, at_once=False):
        """Ends sessions and writes what is in memory; or not, like a crash."""
        self._process.send_signal(
            signal.SIGQUIT if at_once else signal.SIGINT)
        self._process.wait(START_SECONDS)

    def close(self):
        if self._process is not None and self._process.poll() is None:
            self.stop(at_once=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self):
        return self._process.pid

    def make_database(self, name):
        """An empty database; returns its URI."""
        self._run("createdb", "-h", "127.0.0.1", "-p", self.port,
                  "-U", "postgres", name)
        return self.uri(name)

    def uri(self, database, dialect="postgresql"):
        return (f"{dialect}://postgres:se%2Fcret%25@127.0.0.1:{self.port}/"
                f"{database}")

    def _command(self, program, *arguments):
        command = ["setpriv", "--pdeathsig=QUIT"]
        if os.geteuid() == 0:
            command += ["--reuid=postgres", "--regid=postgres",
                        "--clear-groups"]
        return command + [str(PROGRAMS / program), *map(str, arguments)]

    def _run(self, program, *arguments):
        done = subprocess.run(
            self._command(program, *arguments), cwd=self.folder,
            env=dict(os.environ, PGPASSWORD=PASSWORD), check=False,
            capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")
