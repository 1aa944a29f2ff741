"""Writes results as Markdown."""

from __future__ import annotations

from statistics import median
from typing import Any, Callable

from harness.campaign import WORKLOADS
from harness.peers import REFERENCES

Results = dict[str, Any]
Cell = Callable[[str, str], str]

_LABELS = {
    "log-metric": "log-metric, 1 point per request",
    "log-batch-10": "log-batch of 10 points",
    "log-batch-1000": "log-batch of 1,000 points",
    "sweep": "sweep of short runs, 5 requests each",
    "fill": "fill, 2 requests per run",
    "history-fill": "history fill, one key",
    "get-run": "get-run",
    "search-metric": "search, metric filter and order",
    "search-filter": "search, metric and param filter",
    "search-param": "search, param and tag filter",
    "search-rare": "search, rare metric, by another",
    "search-by-param": "search, order by a param",
    "search-name": "search, part of the name",
    "search-newest": "search, newest 100",
    "search-deep": "search, page in the middle by a metric",
    "search-all": "search, page through all",
    "get-history": "get-history, pages of 25,000",
    "history-interval": "get-history-bulk-interval, 320 of all",
    "chart": "chart, 320 points of a long series",
    "stream": "gRPC stream, frames of 10,000 points",
    "artifact-upload": "artifact upload",
    "artifact-download": "artifact download",
    "memory": "gRPC, ten streams, after many runs",
    "plugin": "log_metric in the thread that trains",
}
_PROCESS = (
    ("start_s", "start to first 200, empty folder, s"),
    ("start_cpu_s", "CPU until then, s"),
    ("second_start_s", "start to first 200, with the history, s"),
    ("processes", "processes"),
    ("idle_pss_mb", "PSS idle, MB"),
    ("idle_rss_mb", "RSS idle, MB (sum)"),
    ("pss_after_writes_mb", "PSS after the writes, MB"),
    ("pss_after_searches_mb", "PSS after the searches, MB"),
    ("pss_end_mb", "PSS at the end, MB"),
    ("memory_after_runs_rss_mb", "RSS after many runs, MB"),
    ("memory_loaded_rss_mb", "RSS after many runs and points, MB"),
    ("memory_loaded_pss_mb", "PSS then, MB"),
    ("memory_settled_rss_mb", "RSS when it was idle again, MB"),
    ("memory_settled_pss_mb", "PSS then, MB"),
    ("memory_disk_mb", "disk then, MB"),
    ("bytes_per_point", "bytes on disk per point of the history"),
    ("disk_end_mb", "disk at the end, MB"),
)


def number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _good(results: Results, peer: str, workload: str) -> list[dict[str, Any]]:
    found = results["peers"][peer]["workloads"].get(workload, [])
    return [r for r in found if "error" not in r and r.get("units")]


def median_of(results: Results, peer: str, workload: str,
              field: str) -> float | None:
    values = [r[field] for r in _good(results, peer, workload) if field in r]
    return median(values) if values else None


def _missing(results: Results, peer: str, workload: str) -> str:
    tried = results["peers"][peer]["workloads"].get(workload)
    return "failed" if tried else "–"


def reference_of(results: Results) -> str | None:
    return next((r for r in REFERENCES if r in results["peers"]), None)


def label(row: str) -> str:
    """What a row is called: "search, newest 100, 1,000 runs"."""
    workload, _, runs = row.partition("@")
    return _LABELS[workload] + (f", {int(runs):,} runs" if runs else "")


def rows_of(results: Results) -> list[str]:
    """The names of all results, in the order of the workloads."""
    found = {name for peer in results["peers"].values()
             for name in peer["workloads"]}

    def place(name: str) -> tuple[int, int]:
        workload, _, runs = name.partition("@")
        return WORKLOADS.index(workload), int(runs or 0)
    return sorted(found, key=place)


def _table(results: Results, cell: Cell, with_unit: str = "") -> list[str]:
    peers = list(results["peers"])
    rows = rows_of(results)
    lines = [f"| workload | {with_unit} | " + " | ".join(peers) + " |",
             "|---|---|" + "---:|" * len(peers)]
    for workload in rows:
        unit = next((r["unit"] for p in peers
                     for r in _good(results, p, workload)), "")
        cells = " | ".join(cell(p, workload) for p in peers)
        lines.append(f"| {label(workload)} | {unit} | {cells} |")
    return lines + [""]


def _figure(results: Results, field: str) -> Cell:
    def cell(peer: str, workload: str) -> str:
        value = median_of(results, peer, workload, field)
        if value is None:
            return _missing(results, peer, workload)
        spread = [r[field] for r in _good(results, peer, workload)]
        text = number(value)
        if len(spread) > 1 and value > 0:
            half = (max(spread) - min(spread)) / 2 / value * 100
            text += f" ±{half:.0f}%"
        errors = sum(r["errors"] for r in _good(results, peer, workload))
        return text + (f" ({errors} errors)" if errors else "")
    return cell


def _ratio(results: Results, reference_peer: str, field: str,
           inverse: bool) -> Cell:
    def cell(peer: str, workload: str) -> str:
        own = median_of(results, peer, workload, field)
        reference = median_of(results, reference_peer, workload, field)
        if own is None or reference is None:
            return "–"
        if min(own, reference) <= 0:
            return "below a clock tick"
        ratio = reference / own if inverse else own / reference
        return f"{number(ratio)}x"
    return cell


def _latency(results: Results) -> Cell:
    def cell(peer: str, workload: str) -> str:
        p50 = median_of(results, peer, workload, "p50_ms")
        p99 = median_of(results, peer, workload, "p99_ms")
        if p50 is None or p99 is None:
            return _missing(results, peer, workload)
        return f"{number(p50)} / {number(p99)}"
    return cell


def _process_table(results: Results) -> list[str]:
    peers = results["peers"]
    lines = ["| | " + " | ".join(peers) + " |",
             "|---|" + "---:|" * len(peers)]
    for field, label in _PROCESS:
        cells = []
        for peer in peers.values():
            value = peer["process"].get(field)
            if value is None:
                cells.append("–")
            elif isinstance(value, list):
                cells.append(", ".join(number(v) for v in value))
            else:
                cells.append(number(value))
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return lines + [""]


def _head(results: Results) -> list[str]:
    machine = results["machine"]
    lines = [f"Begun {results['date']} at commit {results['commit']}.",
             "", f"Machine: {machine['cores']} cores of {machine['cpu']}, "
             f"{machine['memory_gb']} GB, {machine['system']}, Linux "
             f"{machine['kernel']}.", "",
             "| peer | version | what | an answer means | measured |",
             "|---|---|---|---|---|"]
    for name, peer in results["peers"].items():
        when = peer["measured_at"]
        if peer.get("from_earlier_run"):
            when += " (an earlier run)"
        lines.append(f"| {name} | {peer['version']} | {peer['about']} | "
                     f"{peer['durability']} | {when} |")
    lines.append("")
    for name, peer in results["peers"].items():
        lines += [f"- {name}: {note}." for note in peer["notes"]]
    lines += [f"- {name} was not measured: {why}"
              for name, why in results["not_measured"].items()]
    return lines + [""]


def _plugin_table(results: Results) -> list[str]:
    rows = [(name, row) for name, peer in results["peers"].items()
            for row in peer.get("plugin", [])]
    if not rows:
        return []
    names = [name for name in rows[0][1] if name.endswith("_us")]
    lines = ["### log_metric in the thread that trains, microseconds", "",
             "| peer | | calls | "
             + " | ".join(name.removesuffix("_us") for name in names) + " |",
             "|---|---|---:|" + "---:|" * len(names)]
    for peer, row in rows:
        cells = " | ".join(number(row[name]) for name in names)
        lines.append(f"| {peer} | {row['what']} | {row['calls']:,} | {cells} |")
    return lines + [""]


def markdown(results: Results) -> str:
    reference = reference_of(results)
    lines = _head(results)
    lines += ["### Server CPU per unit, microseconds", ""]
    lines += _table(results, _figure(results, "server_cpu_us_per_unit"), "per")
    if reference:
        lines += [f"### Times less server CPU per unit than {reference}", ""]
        lines += _table(results, _ratio(results, reference,
                                        "server_cpu_us_per_unit", True), "per")
    lines += ["### Throughput, units per second", ""]
    lines += _table(results, _figure(results, "units_per_s"), "unit")
    if reference:
        lines += [f"### Throughput, ratio to {reference}", ""]
        lines += _table(results, _ratio(results, reference, "units_per_s",
                                        False), "unit")
    lines += ["### Latency p50 / p99, ms", ""]
    lines += _table(results, _latency(results), "unit")
    lines += _plugin_table(results)
    lines += ["### Process", ""]
    lines += _process_table(results)
    lines += ["### Cores that other programs used meanwhile", ""]
    lines += _table(results, _figure(results, "other_cores"), "unit")
    return "\n".join(lines)


# What the README shows: a row of each kind, at the largest size measured.
_SUMMARY = ("log-metric", "log-batch-10", "log-batch-1000", "stream", "sweep",
            "get-run", "get-history", "chart", "search-metric",
            "artifact-upload", "artifact-download")


def summary_rows(results: Results) -> list[str]:
    """The rows of the summary, as far as they were measured."""
    largest = {row.partition("@")[0]: row for row in rows_of(results)}
    return [largest[name] for name in _SUMMARY if name in largest]


def summary(results: Results) -> str:
    """A small table: CPU of the server, and the latency of one answer."""
    peers = list(results["peers"])
    lines = ["| server CPU per unit, us (p50, ms) | " + " | ".join(peers)
             + " |", "|---|" + "---:|" * len(peers)]
    for row in summary_rows(results):
        unit = next((r["unit"] for p in peers for r in _good(results, p, row)),
                    "")
        cells = []
        for peer in peers:
            cpu = median_of(results, peer, row, "server_cpu_us_per_unit")
            p50 = median_of(results, peer, row, "p50_ms")
            if cpu is None or p50 is None:
                cells.append(_missing(results, peer, row))
            else:
                cells.append(f"{number(cpu)} ({number(p50)})")
        lines.append(f"| {label(row)}, per {unit.removesuffix('s')} | "
                     + " | ".join(cells) + " |")
    lines += ["", _summary_of_process(results), "", _about(results)]
    return "\n".join(lines) + "\n"


def _summary_of_process(results: Results) -> str:
    rows = [("start to first answer, s", "start_s"),
            ("memory idle, RSS, MB", "idle_rss_mb"),
            ("bytes on disk per point", "bytes_per_point")]
    peers = results["peers"]
    lines = ["| | " + " | ".join(peers) + " |",
             "|---|" + "---:|" * len(peers)]
    for text, field in rows:
        cells = []
        for peer in peers.values():
            value = peer["process"].get(field)
            if isinstance(value, list):
                value = median(value)
            cells.append("–" if value is None else number(value))
        lines.append(f"| {text} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _about(results: Results) -> str:
    machine = results["machine"]
    text = (f"{results['date']}, commit {results['commit']}, "
            f"{machine['cores']} cores of {machine['cpu']}, server and clients "
            "on the same machine; "
            + ", ".join(f"{name} {peer['version']}"
                        for name, peer in results["peers"].items()) + ".")
    for name, why in results["not_measured"].items():
        text += f" {name} was not measured: {why}"
    return text
