"""The servers that can be measured: one small class each.

A new peer needs its command, and, where its API is too slow to fill it with
the data that is read, a way to copy rows (see fill.py).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from harness import fill, gomodule
from harness.missing import PeerMissing

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))
from mariadb import MariadbServer  # noqa: E402
from postgres import PostgresServer  # noqa: E402


# Its newest version that the Go module proxy has.
_FASTTRACKML = ("github.com/G-Research/fasttrackml", "v0.6.0")


@dataclass(frozen=True)
class Programs:
    """Where the peers' programs are."""

    millstream: str
    mlflow: str
    fasttrackml: str


class Peer:
    """A server: how it is started and what is known of it.

    Used as a context, which holds what the server needs beside itself.
    """

    name: str = ""
    about: str = ""
    # What an answer promises: part of each result, for costs depend on it.
    durability: str = ""
    # Runs and points its API fills; what is missing is then copied in SQL.
    # None: the API fills all.
    api_runs: int | None = None
    api_points: int | None = None
    # Workloads that its API has no answer for.
    lacks: frozenset[str] = frozenset()
    # Whether a run is complete without it.
    optional = False

    def __init__(self, programs: Programs) -> None:
        self.programs = programs

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 trace: TracebackType | None) -> None:
        return None

    def other_pids(self) -> list[int]:
        """Processes whose CPU time counts as the server's: its database."""
        return []

    def command(self, directory: Path, port: int) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def version(self) -> str:
        raise NotImplementedError

    def grpc_address(self, directory: Path) -> str | None:
        """Of the server that runs on this folder; None: it has no streams."""
        return None

    def copy_runs(self, directory: Path, experiment: str, total: int) -> None:
        raise NotImplementedError

    def copy_points(self, directory: Path, experiment: str, total: int) -> None:
        raise NotImplementedError

    def _program(self, path: str, hint: str) -> str:
        found = shutil.which(path)
        if found is None:
            raise PeerMissing(f"{self.name}: no program '{path}'; {hint}")
        return found

    def _ask_version(self, command: list[str]) -> str:
        done = subprocess.run(command, capture_output=True, text=True,
                              env=self.environment(), check=False)
        match = re.search(r"\d+\.\d+[\w.+-]*", done.stdout + done.stderr)
        return match.group(0) if match else "unknown"


class Millstream(Peer):
    name = "millstream"
    about = "this tree, optimised build, defaults"
    durability = "each answer after an fsync (the default)"

    def _server(self) -> str:
        return self._program(self.programs.millstream, "run tools/build")

    def command(self, directory: Path, port: int) -> list[str]:
        return [self._server(), "server", "--port", str(port),
                "--grpc-port", "0", "--data-dir", str(directory),
                "--port-file", str(directory.with_suffix(".ports"))]

    def grpc_address(self, directory: Path) -> str | None:
        ports = directory.with_suffix(".ports").read_text().split()
        return f"127.0.0.1:{ports[1]}"

    def version(self) -> str:
        return self._ask_version([self._server(), "--version"])


class MlflowSqlite(Peer):
    name = "mlflow-sqlite"
    about = "mlflow server, defaults: 4 workers, SQLite"
    durability = "each commit after an fsync (rollback journal)"
    api_runs = 500
    api_points = 100_000
    workers: int | None = None

    def _server(self) -> str:
        return self._program(self.programs.mlflow, "run tools/setup test")

    def _database(self, directory: Path) -> Path:
        return directory / "mlflow.db"

    def command(self, directory: Path, port: int) -> list[str]:
        command = [self._server(), "server", "--port", str(port),
                   "--backend-store-uri",
                   f"sqlite:///{self._database(directory)}",
                   "--serve-artifacts", "--artifacts-destination",
                   str(directory / "artifacts")]
        if self.workers is not None:
            command += ["--workers", str(self.workers)]
        return command

    def environment(self) -> dict[str, str]:
        return dict(os.environ, MLFLOW_DISABLE_TELEMETRY="true",
                    DO_NOT_TRACK="true")

    def version(self) -> str:
        return self._ask_version([self._server(), "--version"])

    def copy_runs(self, directory: Path, experiment: str, total: int) -> None:
        fill.copy_runs(self._database(directory), experiment, total)

    def copy_points(self, directory: Path, experiment: str, total: int) -> None:
        fill.copy_points(self._database(directory), experiment, total)


class MlflowSqliteOneWorker(MlflowSqlite):
    name = "mlflow-sqlite-1"
    about = "mlflow server --workers 1, SQLite"
    workers = 1


class FastTrackML(Peer):
    name = "fasttrackml-sqlite"
    about = "FastTrackML, defaults, SQLite"
    durability = "no fsync per commit (WAL, synchronous=normal)"
    # No get-history-bulk-interval, no artifact proxy; its tokens of pages are
    # cut short.
    lacks = frozenset({"history-interval", "chart", "artifact-upload",
                       "artifact-download", "search-all", "search-deep"})
    optional = True

    def _server(self) -> str:
        return (shutil.which(self.programs.fasttrackml)
                or gomodule.build(*_FASTTRACKML))

    def command(self, directory: Path, port: int) -> list[str]:
        return [self._server(), "server",
                "--listen-address", f"127.0.0.1:{port}",
                "--database-uri", f"sqlite://{directory / 'fasttrackml.db'}",
                "--default-artifact-root", str(directory / "artifacts")]

    def version(self) -> str:
        # One that is built from its module does not know it.
        told = self._ask_version([self._server(), "--version"])
        return _FASTTRACKML[1] if told == "unknown" else told


class OnServer(Peer):
    """Has a database server of its own, as installed, and in it a database for
    each folder that it is started on."""

    database_server: type[PostgresServer] | type[MariadbServer]
    # Rows are not copied into it: what is searched is made by the API.
    api_runs = None
    api_points = None

    def __enter__(self) -> Peer:
        self._database_server = self.database_server()
        self._database_server.start()
        self._uris: dict[Path, str] = {}
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._database_server.close()

    def other_pids(self) -> list[int]:
        return [self._database_server.pid]

    def uri(self, directory: Path) -> str:
        """With the driver that MLflow's users have: SQLAlchemy's own choice
        changes with its version."""
        if directory not in self._uris:
            name = f"bench{len(self._uris)}"
            self._database_server.make_database(name)
            self._uris[directory] = self._database_server.uri(
                name, self._database_server.dialects[1])
        return self._uris[directory]


class OnPostgres(OnServer):
    database_server = PostgresServer
    durability = "each commit after an fsync (PostgreSQL 15, defaults)"


class OnMariadb(OnServer):
    database_server = MariadbServer
    durability = "each commit after an fsync (MariaDB 10.11, defaults)"


class MillstreamOnServer(OnServer, Millstream):
    def command(self, directory: Path, port: int) -> list[str]:
        return [*Millstream.command(self, directory, port),
                "--backend-store-uri", self.uri(directory)]


class MlflowOnServer(OnServer, MlflowSqlite):
    def command(self, directory: Path, port: int) -> list[str]:
        command = MlflowSqlite.command(self, directory, port)
        place = command.index("--backend-store-uri") + 1
        command[place] = self.uri(directory)
        return command


class MillstreamPostgres(OnPostgres, MillstreamOnServer):
    name = "millstream-postgres"
    about = "this tree, optimised build, PostgreSQL"


class MlflowPostgres(OnPostgres, MlflowOnServer):
    name = "mlflow-postgres"
    about = "mlflow server, defaults: 4 workers, PostgreSQL"


class MillstreamMariadb(OnMariadb, MillstreamOnServer):
    name = "millstream-mariadb"
    about = "this tree, optimised build, MariaDB"


class MlflowMariadb(OnMariadb, MlflowOnServer):
    name = "mlflow-mariadb"
    about = "mlflow server, defaults: 4 workers, MariaDB"


ALL: tuple[type[Peer], ...] = (Millstream, MlflowSqlite, MlflowSqliteOneWorker,
                               FastTrackML, MillstreamPostgres, MlflowPostgres,
                               MillstreamMariadb, MlflowMariadb)
# Others are compared with the first of these that was measured too.
REFERENCES = (MlflowSqlite.name, MlflowPostgres.name, MlflowMariadb.name)
