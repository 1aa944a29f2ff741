"""A PostgreSQL 15 server of a test's own, from Debian's postgresql-15."""

import os
import pathlib
import shutil
import signal
import subprocess

from database_server import PASSWORD, DatabaseServer

PROGRAMS = pathlib.Path("/usr/lib/postgresql/15/bin")


class PostgresServer(DatabaseServer):
    """Settings are those of postgresql.conf, "name=value". Root runs it as the
    user postgres, as it must."""

    product = "PostgreSQL"
    # With a driver where MLflow would choose another.
    dialects = ("postgresql", "postgresql+psycopg2")
    user = "postgres"
    begins_write = b"READ WRITE"
    committed = b"COMMIT\0"
    stop_at_once = signal.SIGQUIT
    stop_well = signal.SIGINT

    def __init__(self, *settings, fsync=True):
        super().__init__(*settings, *([] if fsync else ["fsync=off"]))
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        secret = self.keep("password", PASSWORD.encode())
        self._run(self._command(
            "initdb", "-D", self.folder / "data", "-U", self.user,
            "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8",
            "--locale=C.UTF-8", "--no-sync"))

    def keep(self, name, content):
        path = super().keep(name, content)
        if os.geteuid() == 0:
            shutil.chown(path, "postgres", "postgres")
        return path

    def make_database(self, name):
        self._run(self._command("createdb", "-h", "127.0.0.1",
                                "-p", self.port, "-U", self.user, name),
                  env={**os.environ, "PGPASSWORD": PASSWORD,
                       "HOME": str(self.folder)})
        return self.uri(name)

    def _server_command(self):
        command = self._command(
            "postgres", "-D", self.folder / "data", "-k", self.folder,
            "-h", "127.0.0.1", "-p", self.port)
        for setting in self.settings:
            command += ["-c", setting]
        return command

    def _answers(self):
        return subprocess.run(
            [PROGRAMS / "pg_isready", "-q", "-h", "127.0.0.1",
             "-p", str(self.port)], check=False).returncode == 0

    @staticmethod
    def _command(program, *arguments):
        command = ["setpriv", "--pdeathsig=QUIT"]
        if os.geteuid() == 0:
            command += ["--reuid=postgres", "--regid=postgres",
                        "--clear-groups"]
        return command + [str(PROGRAMS / program), *map(str, arguments)]
