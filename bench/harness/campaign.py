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
CHART = "bench-chart"
ARTIFACTS = "bench-artifacts"

WRITES = ("log-metric", "log-batch-10", "log-batch-1000", "sweep")
STREAM = "stream"
# How much memory a server takes that has kept much.
MEMORY = "memory"
# What log_metric costs the thread that trains.
PLUGIN = "plugin"
SEARCHES = ("search-metric", "search-filter", "search-param", "search-rare",
            "search-by-param", "search-name", "search-newest", "search-deep")
# These read all runs, or any: they say nothing new with more of them.
FIRST_SIZES_ONLY = ("get-run", "search-all")
HISTORIES = ("get-history", "history-interval")
FILES = ("artifact-upload", "artifact-download")
WORKLOADS = ("history-fill", *HISTORIES, "chart", *WRITES, STREAM, "fill",
             "get-run", "search-all", *SEARCHES, *FILES, PLUGIN, MEMORY)
# Readers whose cost of one answer is to be seen.
_ONE_CLIENT = {"search-all", *SEARCHES, *HISTORIES, *FILES}
# No slow peer reads pages in the middle of more runs than these: to get there
# it reads half of them.
_DEEP_RUNS_MAX_OF_SLOW = 10_000
_ALL_RUNS_MAX = 10_000


def sized(workload: str, runs: int) -> str:
    """The name of a result that belongs to a number of runs."""
    return f"{workload}@{runs}"


@dataclass(frozen=True)
class Scale:
    """How much and how long."""

    seconds: float = 4.0
    warmup: float = 1.0
    repetitions: int = 2
    # Experiments with so many runs are searched, one after the other.
    runs: tuple[int, ...] = (1_000, 10_000, 100_000)
    points: int = 1_000_000
    # Steps of the series of which a chart shows 320.
    chart_points: int = 10_000_000
    clients: int = 8
    artifact_mb: int = 64
    settle_s: float = 6.0
    # Calls of log_metric in a row; of paced ones there are fewer.
    plugin_calls: int = 100_000
    # Of the folder whose server's memory is measured: runs as of searches, and
    # points of ten streams of ten metrics.
    memory_runs: int = 100_000
    memory_points: int = 100_000_000
    # After that, until all work in the background is done and memory returned.
    memory_settle_s: float = 90.0


FULL = Scale()
QUICK = Scale(seconds=1.0, warmup=0.5, repetitions=1, runs=(1_000, 10_000),
              points=100_000, chart_points=1_000_000, settle_s=2.0,
              plugin_calls=20_000,
              memory_runs=10_000, memory_points=10_000_000,
              memory_settle_s=30.0)

Log = Callable[[str], None]


@dataclass(frozen=True)
class Generators:
    """The programs that make load."""

    load: str
    stream: str
    # A Python that has mlflow and the package of python/.
    python: str


class Campaign:
    """Measures one peer in a folder of its own, which is removed at the end."""

    def __init__(self, peer: Peer, generators: Generators, scale: Scale,
                 workloads: set[str], log: Log) -> None:
        self._peer = peer
        self._generators = generators
        self._scale = scale
        self._workloads = workloads - peer.lacks
        self._log = log
        self._results: dict[str, list[dict[str, Any]]] = {}
        self._plugin: list[dict[str, Any]] = []
        self._process: dict[str, Any] = {}
        self._notes: list[str] = []
        if lacks := sorted(workloads & peer.lacks):
            self._notes.append(f"its API has not: {', '.join(lacks)}")
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
        with (tempfile.TemporaryDirectory(prefix="bench-") as folder,
              peer):
            root = Path(folder)
            self._measure_starts(root)
            data = root / "data"
            self._first_life(data)
            self._second_life(data)
            self._process["disk_end_mb"] = proc.disk_bytes(data) / 1e6
            self._measure_memory(root / "memory")
        report.update(process=self._process, workloads=self._results,
                      plugin=self._plugin, notes=self._notes)
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
                                    count=by_api), "")
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
            self._measure_chart(server, data)
            for name in WRITES:
                self._repeat(server, self._timed(name, name))
            self._measure_stream(server)
            self._process["pss_after_writes_mb"] = (
                proc.memory_mb(server.pid)["pss_mb"])
            for runs in self._scale.runs:
                self._measure_searches(server, data, runs)
            self._process["pss_after_searches_mb"] = (
                proc.memory_mb(server.pid)["pss_mb"])
            for name in FILES:
                self._repeat(server, self._timed(name, ARTIFACTS))
            self._measure_plugin(server)
            self._process["pss_end_mb"] = proc.memory_mb(server.pid)["pss_mb"]

    def _measure_chart(self, server: Server, data: Path) -> None:
        """A chart of a series that is longer than the history."""
        if "chart" not in self._workloads:
            return
        points = self._scale.chart_points
        by_api = min(points, self._peer.api_points or points)
        filled = load.run(self._generators.load, server, Step(
            "history-fill", CHART, clients=1, count=by_api))
        self._log(_line(filled))
        if by_api < points:
            self._peer.copy_points(data, CHART, points)
            self._notes.append(f"series of the chart: {by_api:,} points by the "
                               f"API, copied in SQL to {points:,}")
        self._repeat(server, self._timed("history-interval", CHART,
                                         expect=points), name="chart")

    def _measure_stream(self, server: Server) -> None:
        if STREAM not in self._workloads:
            return
        address = self._peer.grpc_address(server.directory)
        if address is None:
            return
        for _ in range(self._scale.repetitions):
            result = load.run_stream(self._generators.stream, server, address,
                                     ["--seconds", str(self._scale.seconds)])
            self._results.setdefault(STREAM, []).append(result)
            self._log(_line(result))

    def _measure_plugin(self, server: Server) -> None:
        """Through the plugin, if the peer has streams; else as mlflow does."""
        if PLUGIN not in self._workloads:
            return
        address = self._peer.grpc_address(server.directory)
        uri = f"millstream://{address}" if address else server.url
        rows, error = load.run_plugin(self._generators.python, uri,
                                      self._scale.plugin_calls)
        self._plugin = rows
        if error:
            self._notes.append(f"log_metric was not measured: {error}")
        for row in rows:
            self._log(f"{row['what']}: p50 {row['p50_us']:.1f} us, p99 "
                      f"{row['p99_us']:.1f} us")

    def _measure_memory(self, data: Path) -> None:
        """Of a server of its own, with many runs and points by streams."""
        if MEMORY not in self._workloads:
            return
        with Server(self._peer, data) as server:
            address = self._peer.grpc_address(server.directory)
            if address is None:
                return
            server.wait_for_rest()
            filled = load.run(self._generators.load, server, Step(
                "fill", SEARCHED, count=self._scale.memory_runs))
            self._log(_line(filled))
            self._take_memory("after_runs", server)
            result = load.run_stream(self._generators.stream, server, address, [
                "--streams", "10", "--total", str(self._scale.memory_points)])
            result["workload"] = MEMORY
            self._results.setdefault(MEMORY, []).append(result)
            self._log(_line(result))
            self._take_memory("loaded", server)
            time.sleep(self._scale.memory_settle_s)
            self._take_memory("settled", server)
            self._process["memory_disk_mb"] = proc.disk_bytes(data) / 1e6

    def _take_memory(self, when: str, server: Server) -> None:
        memory = proc.memory_mb(server.pid)
        for kind in ("pss", "rss"):
            self._process[f"memory_{when}_{kind}_mb"] = memory[f"{kind}_mb"]
        self._log(f"memory {when}: RSS {memory['rss_mb']:.0f} MB, PSS "
                  f"{memory['pss_mb']:.0f} MB")

    def _measure_searches(self, server: Server, data: Path, runs: int) -> None:
        wanted = {"fill", *FIRST_SIZES_ONLY, *SEARCHES} & self._workloads
        if not wanted:
            return
        experiment = f"{SEARCHED}-{runs}"
        by_api = min(runs, self._peer.api_runs or runs)
        self._step(server,
                   Step("fill", experiment, count=by_api,
                        clients=self._scale.clients), sized("fill", runs))
        if by_api < runs:
            self._peer.copy_runs(data, experiment, runs)
            self._notes.append(f"{runs:,} searched runs: {by_api:,} by the "
                               "API, the others copied in SQL")
        for name in (*FIRST_SIZES_ONLY, *SEARCHES):
            if name in FIRST_SIZES_ONLY and runs > _ALL_RUNS_MAX:
                continue
            if (name == "search-deep" and self._peer.api_runs is not None
                    and runs > _DEEP_RUNS_MAX_OF_SLOW):
                continue
            self._repeat(server, self._timed(name, experiment, expect=runs),
                         name=sized(name, runs))

    def _timed(self, workload: str, experiment: str, expect: int = 0) -> Step:
        clients = 1 if workload in _ONE_CLIENT else self._scale.clients
        return Step(workload, experiment, clients=clients,
                    seconds=self._scale.seconds, warmup=self._scale.warmup,
                    expect=expect, artifact_mb=self._scale.artifact_mb)

    def _repeat(self, server: Server, step: Step, name: str = "") -> None:
        """`name` is the result's if that is not the workload's."""
        if (name or step.workload).partition("@")[0] not in self._workloads:
            return
        if step.workload in ("search-all", *HISTORIES):
            # It reads all there is: warm enough, and slow on some peers.
            step = replace(step, warmup=0.0)
        for repetition in range(self._scale.repetitions):
            if step.workload in WRITES:
                # Each repetition writes, and reads back, runs of its own.
                step = replace(step,
                               experiment=f"{step.workload}-{repetition}")
            if "error" in self._step(server, step, name):
                return

    def _step(self, server: Server, step: Step, name: str) -> dict[str, Any]:
        result = load.run(self._generators.load, server, step)
        result["workload"] = name or step.workload
        self._results.setdefault(result["workload"], []).append(result)
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
