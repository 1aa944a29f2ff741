"""Draws results as SVG: cost per unit of each peer, and searches as runs grow.

Wants matplotlib: Debian's python3-matplotlib, or the one that mlflow brings.
`python plot.py results.json plot.svg` is how cli.py calls it, with whichever
Python has it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib  # noqa: E402

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402

from harness import report  # noqa: E402

_COLORS = ("#1b6ac9", "#c4603a", "#8d8d8d", "#5a9e4b")


def _draw_costs(axes: Any, results: report.Results) -> None:
    """Bars of server CPU per unit, on a scale of powers of ten."""
    rows = report.summary_rows(results)[::-1]
    peers = list(results["peers"])
    height = 0.8 / len(peers)
    for at, peer in enumerate(peers):
        for place, row in enumerate(rows):
            cost = report.median_of(results, peer, row,
                                    "server_cpu_us_per_unit")
            if cost is None or cost <= 0:
                continue
            y = place + (len(peers) - 1 - at - (len(peers) - 1) / 2) * height
            axes.barh(y, cost, height * 0.9, color=_COLORS[at],
                      label=peer if place == len(rows) - 1 else None)
            axes.text(cost * 1.15, y, report.number(cost), va="center",
                      fontsize=7)
    axes.set_yticks(range(len(rows)), [report.label(row) for row in rows],
                    fontsize=8)
    axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.set_xlabel("server CPU per unit, microseconds (less is better)",
                    fontsize=8)
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(0, 1.1), ncol=4,
                frameon=False)


def _draw_curves(axes: Any, results: report.Results) -> None:
    """The p50 of a search by the number of runs in the experiment."""
    for at, peer in enumerate(results["peers"]):
        for name, style in (("search-metric", "-o"), ("search-filter", "--s")):
            points = []
            for row in report.rows_of(results):
                workload, _, runs = row.partition("@")
                p50 = report.median_of(results, peer, row, "p50_ms")
                if workload == name and p50 is not None:
                    points.append((int(runs), p50))
            if points:
                axes.plot(*zip(*points), style, color=_COLORS[at], markersize=4,
                          label=f"{peer}, {report.label(name)[8:]}")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("runs in the experiment", fontsize=8)
    axes.set_ylabel("page of 100, p50, ms", fontsize=8)
    axes.grid(True, which="major", linewidth=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=6, loc="upper left")


def draw(results: report.Results, path: Path) -> None:
    """Writes the picture; the same results give the same bytes."""
    matplotlib.rcParams["svg.hashsalt"] = "millstream"
    matplotlib.rcParams["svg.fonttype"] = "none"
    figure, (left, right) = pyplot.subplots(
        1, 2, figsize=(11, 4.2), width_ratios=(3, 2), layout="constrained")
    _draw_costs(left, results)
    _draw_curves(right, results)
    for axes in (left, right):
        axes.tick_params(labelsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
