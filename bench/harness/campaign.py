"""What is measured of one peer, in which order."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Callable

from harness import load, proc
from harness.load import Step
from harness.peers import Peer
from harness.server import Server

SEARCHED = "bench-search"
HISTORY = "bench-history"
ARTIFACTS = "bench-artifacts"

WRITES = ("log-metric", "log-batch-10", "log-batch-1000", "sweep")
SEARCHES = ("get-run", "search-filter", "search-newest", "search-all")
HISTORIES = ("get-history", "history-interval")
FILES = ("artifact-upload", "artifact-download")
WORKLOADS = ("history-fill", *HISTORIES, *WRITES, "fill", *SEARCHES, *FILES)
# Readers that page: with one client the cost of a page is seen.
_ONE_CLIENT = {"search-all", *HISTORIES, *FILES}


@dataclass(frozen=True)
class Scale:
    """How much and how long."""

    seconds: float = 4.0
    warmup: float = 1.0
    repetitions: int = 2
    runs: int = 10_000
    points: int = 1_000_000
    clients: int = 8
    artifact_mb: int = 64
    settle_s: float = 6.0


FULL = Scale()
QUICK = Scale(seconds=1.0, warmup=0.5, repetitions=1, runs=1_000,
              points=100_000, settle_s=2.0)

Log = Callable[[str], None]


class Campaign:
    """Measures one peer in a folder of its own, which is removed at the end."""

    def __init__(self, peer: Peer, generator: str, scale: Scale,
                 workloads: set[str], log: Log) -> None:
        self._peer = peer
        self._generator = generator
        self._scale = scale
        self._workloads = workloads
        self._log = log
        self._results: dict[str, list[dict[str, Any]]] = {}
        self._process: dict[str, Any] = {}
        self._notes: list[str] = []
        # What a server that kept nothing leaves on disk.
        self._empty_bytes = 0

    def run(self) -> dict[str, Any]:
        peer = self._peer
        report: dict[str, Any] = {
            "about": peer.about, "version": peer.version(),
            "durability": peer.durability,
            "measured_at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "scale": asdict(self._scale),
        }
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            root = Path(folder)
            self._measure_starts(root)
            data = root / "data"
            self._first_life(data)
            self._second_life(data)
            self._process["disk_end_mb"] = proc.disk_bytes(data) / 1e6
        report.update(process=self._process, workloads=self._results,
                      notes=self._notes)
        return report

    def _measure_starts(self, root: Path) -> None:
        """Starts on empty folders; peers that start slowly do so once."""
        starts: list[float] = []
        cpu: list[float] = []
        while len(starts) < 5 and sum(starts) < 2:
            folder = root / f"start{len(starts)}"
            with Server(self._peer, folder) as server:
                starts.append(server.start_s)
                cpu.append(server.start_cpu_s)
                if len(starts) == 1:
                    time.sleep(self._scale.settle_s)
                    memory = proc.memory_mb(server.pid)
                    self._process["idle_pss_mb"] = memory["pss_mb"]
                    self._process["idle_rss_mb"] = memory["rss_mb"]
                    self._process["processes"] = proc.process_count(server.pid)
            self._empty_bytes = proc.disk_bytes(folder)
        self._process["start_s"] = starts
        self._process["start_cpu_s"] = median(cpu)
        self._log(f"starts {', '.join(f'{s:.3f} s' for s in starts)}; idle "
                  f"{self._process['idle_pss_mb']:.1f} MB PSS")

    def _first_life(self, data: Path) -> None:
        """Points only, then a clean end: so their size on disk is seen."""
        if not {"history-fill", *HISTORIES} & self._workloads:
            return
        points = self._scale.points
        by_api = min(points, self._peer.api_points or points)
        with Server(self._peer, data) as server:
            server.wait_for_rest()
            self._step(server, Step("history-fill", HISTORY, clients=1,
                                    count=by_api))
            time.sleep(self._scale.settle_s / 2)
        size = proc.disk_bytes(data) - self._empty_bytes
        self._process["bytes_per_point"] = size / by_api
        if by_api < points:
            self._peer.copy_points(data, HISTORY, points)
            self._notes.append(f"history: {by_api:,} points by the API, copied "
                               f"in SQL to {points:,}")

    def _second_life(self, data: Path) -> None:
        with Server(self._peer, data) as server:
            self._process["second_start_s"] = server.start_s
            server.wait_for_rest()
            for name in HISTORIES:
                self._repeat(server, self._timed(
                    name, HISTORY, expect=self._scale.points))
            for name in WRITES:
                self._repeat(server, self._timed(name, name))
            self._process["pss_after_writes_mb"] = (
                proc.memory_mb(server.pid)["pss_mb"])
            self._fill_runs(server, data)
            for name in SEARCHES:
                self._repeat(server, self._timed(
                    name, SEARCHED, expect=self._scale.runs))
            for name in FILES:
                self._repeat(server, self._timed(name, ARTIFACTS))
            self._process["pss_end_mb"] = proc.memory_mb(server.pid)["pss_mb"]

    def _fill_runs(self, server: Server, data: Path) -> None:
        if not {"fill", *SEARCHES} & self._workloads:
            return
        runs = self._scale.runs
        by_api = min(runs, self._peer.api_runs or runs)
        self._step(server, Step("fill", SEARCHED, clients=self._scale.clients,
                                count=by_api))
        if by_api < runs:
            self._peer.copy_runs(data, SEARCHED, runs)
            self._notes.append(f"searched runs: {by_api:,} by the API, copied "
                               f"in SQL to {runs:,}")

    def _timed(self, workload: str, experiment: str, expect: int = 0) -> Step:
        clients = 1 if workload in _ONE_CLIENT else self._scale.clients
        return Step(workload, experiment, clients=clients,
                    seconds=self._scale.seconds, warmup=self._scale.warmup,
                    expect=expect, artifact_mb=self._scale.artifact_mb)

    def _repeat(self, server: Server, step: Step) -> None:
        if step.workload not in self._workloads:
            return
        if step.workload in ("search-all", "get-history"):
            # A pass reads all there is: warm enough, and slow on some peers.
            step = replace(step, warmup=0.0)
        for repetition in range(self._scale.repetitions):
            if step.workload in WRITES:
                # Each repetition writes, and reads back, runs of its own.
                step = replace(step,
                               experiment=f"{step.workload}-{repetition}")
            if "error" in self._step(server, step):
                return

    def _step(self, server: Server, step: Step) -> dict[str, Any]:
        result = load.run(self._generator, server, step)
        self._results.setdefault(step.workload, []).append(result)
        self._log(_line(result))
        return result


def _line(result: dict[str, Any]) -> str:
    name = result["workload"]
    if "units" not in result:
        return f"{name}: {result['error']}"
    cpu = result.get("server_cpu_us_per_unit")
    text = (f"{name}: {result['units_per_s']:,.1f} {result['unit']}/s, p50 "
            f"{result['p50_ms']:.2f} ms, p99 {result['p99_ms']:.2f} ms, ")
    text += "no unit done" if cpu is None else f"CPU {cpu:,.2f} us"
    if result["errors"]:
        text += f", {result['errors']} errors: {result['first_error']}"
    if "error" in result:
        text += f", NOT VERIFIED: {result['error']}"
    return text
