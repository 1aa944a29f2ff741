"""What is measured when only a name is told: peers and workloads."""

from __future__ import annotations

from dataclasses import dataclass

from harness.campaign import FILES, MEMORY, PLUGIN, STREAM, WORKLOADS, WRITES
from harness.peers import (FastTrackML, Millstream, MillstreamPostgres,
                           MlflowPostgres, MlflowSqlite,
                           MlflowSqliteOneWorker)

_SQLITE = (Millstream.name, MlflowSqlite.name, MlflowSqliteOneWorker.name,
           FastTrackML.name)
_POSTGRES = (MillstreamPostgres.name, MlflowPostgres.name)


@dataclass(frozen=True)
class Set:
    about: str
    peers: tuple[str, ...]
    workloads: tuple[str, ...]
    # Whether the README shows it.
    in_readme: bool = False


SETS = {
    "published": Set(
        "what the README and docs/performance.md show", _SQLITE,
        ("history-fill", "get-history", "chart", *WRITES, STREAM, "fill",
         "get-run", "search-metric", "search-filter", "search-deep", *FILES,
         PLUGIN, MEMORY), in_readme=True),
    "all": Set("all workloads", _SQLITE, WORKLOADS, in_readme=True),
    "searches": Set(
        "every search, as the runs grow; ours alone", (Millstream.name,),
        tuple(w for w in WORKLOADS
              if w == "fill" or w.startswith("search-") and w != "search-all")),
    "plugin": Set("log_metric in the thread that trains",
                  (Millstream.name, MlflowSqlite.name), (PLUGIN,)),
    "postgres": Set("both servers on PostgreSQL", _POSTGRES, WRITES),
}
DEFAULT = "published"
