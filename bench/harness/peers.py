"""The servers that can be measured: one small class each.

A new peer needs its command, and, where its API is too slow to fill it with
the data that is read, a way to copy rows (see fill.py).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness import fill


class PeerMissing(Exception):
    """The peer's program is not on this machine; says how to get it."""


@dataclass(frozen=True)
class Programs:
    """Where the peers' programs are."""

    millstream: str
    mlflow: str
    fasttrackml: str


class Peer:
    """A server: how it is started and what is known of it."""

    name: str = ""
    about: str = ""
    # What an answer promises: part of each result, for costs depend on it.
    durability: str = ""
    # Runs and points its API fills; what is missing is then copied in SQL.
    # None: the API fills all.
    api_runs: int | None = None
    api_points: int | None = None

    def __init__(self, programs: Programs) -> None:
        self.programs = programs

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
        return self._program(self.programs.mlflow,
                             "pip install mlflow==3.17.2")

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

    def _server(self) -> str:
        return self._program(self.programs.fasttrackml,
                             "build its Go module with its build tags")

    def command(self, directory: Path, port: int) -> list[str]:
        return [self._server(), "server",
                "--listen-address", f"127.0.0.1:{port}",
                "--database-uri", f"sqlite://{directory / 'fasttrackml.db'}",
                "--default-artifact-root", str(directory / "artifacts")]

    def version(self) -> str:
        return self._ask_version([self._server(), "--version"])


ALL: tuple[type[Peer], ...] = (Millstream, MlflowSqlite, MlflowSqliteOneWorker,
                               FastTrackML)
REFERENCE = MlflowSqlite.name
