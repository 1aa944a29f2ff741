"""Copies rows inside mlflow's own SQLite file, for its API is slow.

mlflow makes about 30 runs a second, so 10,000 runs would take minutes. The
API makes the first ones; these functions copy them under new ids and times,
through mlflow's own tables as it created them. The server may run meanwhile.
"""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

_LOCK_TIMEOUT_S = 60
# Tables whose rows belong to a run; those a version lacks are left out.
_RUN_TABLES = ("params", "tags", "metrics", "latest_metrics")


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]


def _copy_rows(db: sqlite3.Connection, table: str,
               changed: dict[str, str]) -> str:
    """The INSERT that copies the rows of one run, `changed` columns anew."""
    columns = _columns(db, table)
    values = [changed.get(column, f'"{column}"') for column in columns]
    names = ", ".join(f'"{column}"' for column in columns)
    return (f'INSERT INTO {table} ({names}) SELECT {", ".join(values)} '
            f"FROM {table} WHERE run_uuid = :old")


def _runs(db: sqlite3.Connection, experiment: str) -> list[str]:
    rows = db.execute(
        "SELECT run_uuid FROM runs JOIN experiments USING (experiment_id) "
        "WHERE experiments.name = ? ORDER BY start_time", (experiment,))
    return [row[0] for row in rows]


def copy_runs(database: Path, experiment: str, total: int) -> None:
    """Copies the experiment's runs, in turn, until there are `total`."""
    with closing(sqlite3.connect(database, timeout=_LOCK_TIMEOUT_S)) as db, db:
        originals = _runs(db, experiment)
        run_row = _copy_rows(db, "runs", {
            "run_uuid": ":new",
            "start_time": "start_time + :offset",
            "artifact_uri": "replace(artifact_uri, :old, :new)",
        })
        rows = [_copy_rows(db, table, {"run_uuid": ":new"})
                for table in _RUN_TABLES]
        for number in range(len(originals), total):
            values = {
                "old": originals[number % len(originals)],
                "new": uuid.uuid4().hex,
                "offset": number - number % len(originals),
            }
            for statement in (run_row, *rows):
                db.execute(statement, values)


def copy_points(database: Path, experiment: str, total: int) -> None:
    """Copies the points of the experiment's one run until it has `total`."""
    with closing(sqlite3.connect(database, timeout=_LOCK_TIMEOUT_S)) as db, db:
        (run,) = _runs(db, experiment)
        (have, first) = db.execute(
            "SELECT count(*), min(step) FROM metrics WHERE run_uuid = ?",
            (run,)).fetchone()
        copy = _copy_rows(db, "metrics", {
            "step": "step + :offset", "timestamp": '"timestamp" + :offset',
        }) + " AND step < :end"
        for offset in range(have, total, have):
            db.execute(copy, {"old": run, "offset": offset,
                              "end": first + min(have, total - offset)})
        db.execute(
            "UPDATE latest_metrics SET (step, timestamp, value) = (SELECT "
            "step, timestamp, value FROM metrics WHERE run_uuid = :run ORDER "
            "BY step DESC LIMIT 1) WHERE run_uuid = :run", {"run": run})
