"""A MariaDB server of a test's own, from Debian's mariadb-server."""

import os
import pathlib
import subprocess

from database_server import PASSWORD, DatabaseServer

PROGRAM = pathlib.Path("/usr/sbin/mariadbd")


class MariadbServer(DatabaseServer):
    """Settings are those of my.cnf, "name=value". Databases tell letters apart
    by their case unless another collation is named."""

    product = "MySQL"
    dialects = ("mysql", "mysql+pymysql")
    user = "mlflow"
    begins_write = b"SERIALIZABLE"
    # One answer is waited for at a time.
    committed = b""

    def __init__(self, *settings, fsync=True):
        super().__init__(*settings, "innodb-flush-log-at-trx-commit="
                         + ("1" if fsync else "2"))
        # Root runs it as itself, which others must not.
        self._as_user = ["--user=root"] if os.geteuid() == 0 else []
        self._run(["mariadb-install-db", "--no-defaults",
                   f"--datadir={self.folder}/data",
                   # A server that starts removes what it takes for left over.
                   f"--tmpdir={self.folder}",
                   "--auth-root-authentication-method=normal",
                   "--skip-test-db", "--skip-name-resolve",
                   "--innodb-use-native-aio=0", *self._as_user])
        self._has_user = False

    def make_database(self, name, collation="utf8mb4_nopad_bin"):
        if not self._has_user:
            self.execute(f"CREATE USER {self.user}@'127.0.0.1' "
                         f"IDENTIFIED BY '{PASSWORD}'; "
                         f"GRANT ALL ON *.* TO {self.user}@'127.0.0.1'")
            self._has_user = True
        self.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 "
                     f"COLLATE {collation}")
        return self.uri(name)

    def execute(self, text):
        """Runs SQL as the administrator."""
        self._run([*self._client(), "-e", text])

    def _server_command(self):
        return ["setpriv", "--pdeathsig=KILL", PROGRAM, "--no-defaults",
                f"--datadir={self.folder}/data",
                f"--tmpdir={self.folder}",
                f"--socket={self.folder}/socket",
                f"--pid-file={self.folder}/pid",
                "--bind-address=127.0.0.1", f"--port={self.port}",
                "--skip-log-bin", "--skip-name-resolve",
                "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M",
                "--innodb-fast-shutdown=2", "--innodb-use-native-aio=0",
                *self._as_user, *(f"--{s}" for s in self.settings)]

    def _answers(self):
        return subprocess.run(
            [*self._client(), "-e", "SELECT 1"], check=False,
            capture_output=True).returncode == 0

    def _client(self):
        return ["mariadb", "--no-defaults", "-u", "root",
                f"--socket={self.folder}/socket"]
