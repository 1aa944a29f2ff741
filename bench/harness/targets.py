"""The figures that docs/performance.md begins with, beside what was asked."""

from __future__ import annotations

from dataclasses import dataclass

from harness.peers import Millstream, MlflowSqlite
from harness.report import Results, median_of, number

_OURS = Millstream.name
_THEIRS = MlflowSqlite.name


@dataclass(frozen=True)
class _Row:
    text: str
    workload: str
    field: str
    asked: str
    aim: str
    # Ours is compared with this of mlflow's; none: with nothing.
    against: str | None = None


_CPU = "server_cpu_us_per_unit"
_ROWS = (
    _Row("REST log-batch of 1,000, CPU per point, us", "log-batch-1000", _CPU,
         "200x", "400x", "log-batch-1000"),
    _Row("gRPC stream, CPU per point, us (against log-batch)", "stream", _CPU,
         "500x, 0.2", "1,000x, 0.1", "log-batch-1000"),
    _Row("gRPC stream, points/s, client on the same cores", "stream",
         "units_per_s", "1,000,000", "5,000,000"),
    _Row("REST log-metric, CPU per request, 8 clients, us", "log-metric", _CPU,
         "100x", "300x", "log-metric"),
    _Row("get-history, CPU per point, us", "get-history", _CPU, "90x", "150x",
         "get-history"),
    _Row("chart of 320 of a long series, p50, ms", "chart", "p50_ms", "5", "1",
         "chart"),
    _Row("search, metric filter and order, p50, ms", "search-metric", "p50_ms",
         "20", "5", "search-metric"),
)
# Of ours alone, as the process had it.
_PROCESS = (
    ("bytes on disk per point of the history", "bytes_per_point", "8", "3"),
    ("memory idle, RSS, MB", "idle_rss_mb", "41.9 (40 MiB)", "26.2 (25 MiB)"),
    ("after many runs, searches and points, RSS, MB, idle again",
     "memory_settled_rss_mb", "419 (400 MiB)", "210 (200 MiB)"),
    ("the moment the last of these points was acknowledged",
     "memory_loaded_rss_mb", "", ""),
)
_PLUGIN = (("log_metric through the plugin, p99 in the thread that trains, us",
            "store, tight", "20", "5"),
           ("the same, a call each ms, caches cold", "store, paced", "", ""))


def _largest(results: Results, peer: str, workload: str) -> str:
    """The result's name: that of the most runs, if there are several."""
    if peer not in results["peers"]:
        return workload
    names = [name for name in results["peers"][peer]["workloads"]
             if name.partition("@")[0] == workload]
    return max(names, default=workload,
               key=lambda name: int(name.partition("@")[2] or 0))


def _value(results: Results, peer: str, name: str, field: str) -> float | None:
    if peer not in results["peers"]:
        return None
    return median_of(results, peer, name, field)


def _cell(value: float | None) -> str:
    return "" if value is None else number(value)


def table(results: Results) -> str:
    """Markdown; what was not measured has no row."""
    lines = [f"| {_about(results)} | mlflow | millstream | | asked | aim |",
             "|---|---:|---:|---:|---:|---:|"]
    for row in _ROWS:
        name = _largest(results, _OURS, row.workload)
        own = _value(results, _OURS, name, row.field)
        if own is None:
            continue
        other = None
        if row.against is not None:
            against = name if row.against == row.workload else row.against
            other = _value(results, _THEIRS, against, row.field)
        ratio = ""
        if other is not None and own > 0:
            ratio = f"**{number(other / own)}x** less"
        runs = name.partition("@")[2]
        text = f"{row.text}, {int(runs):,} runs" if runs else row.text
        lines.append(f"| {text} | {_cell(other)} | {number(own)} | {ratio} | "
                     f"{row.asked} | {row.aim} |")
    ours = results["peers"].get(_OURS, {"process": {}})
    theirs = results["peers"].get(_THEIRS, {"process": {}})
    for text, field, asked, aim in _PROCESS:
        if field in ours["process"]:
            lines.append(f"| {text} | {_cell(theirs['process'].get(field))} | "
                         f"{number(ours['process'][field])} | | {asked} | "
                         f"{aim} |")
    for text, what, asked, aim in _PLUGIN:
        for measured in ours.get("plugin", []):
            if measured["what"] == what:
                lines.append(f"| {text} | | {number(measured['p99_us'])} | | "
                             f"{asked} | {aim} |")
    return "\n".join(lines) + "\n"


def _about(results: Results) -> str:
    return f"{results['date']}, commit {results['commit']}"
