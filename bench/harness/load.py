"""Runs the load generator and reads the server's CPU time around its load."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import proc
from harness.server import Server


@dataclass(frozen=True)
class Step:
    """One call of the load generator."""

    workload: str
    experiment: str
    clients: int = 8
    seconds: float = 0.0
    warmup: float = 0.0
    count: int = 0
    expect: int = 0
    artifact_mb: int = 64

    def arguments(self, url: str) -> list[str]:
        return ["--url", url, "--handshake", "--workload", self.workload,
                "--experiment", self.experiment,
                "--clients", str(self.clients),
                "--seconds", str(self.seconds), "--warmup", str(self.warmup),
                "--count", str(self.count), "--expect", str(self.expect),
                "--artifact-mb", str(self.artifact_mb)]


@dataclass(frozen=True)
class _Sample:
    time: float
    server: float
    machine: float

    @staticmethod
    def take(server: Server) -> _Sample:
        return _Sample(time.monotonic(), server.cpu_seconds(),
                       proc.machine_busy_seconds())


def _with_cpu(result: dict[str, Any], before: _Sample,
              after: _Sample) -> dict[str, Any]:
    """Adds what the server and others used between two samples."""
    wall = after.time - before.time
    cpu = after.server - before.server
    others = after.machine - before.machine - cpu - result["client_cpu_s"]
    result["server_cpu_s"] = cpu
    result["server_cores"] = cpu / wall
    result["other_cores"] = max(0.0, others / wall)
    if result["units"] > 0:
        result["server_cpu_us_per_unit"] = cpu / result["units"] * 1e6
        result["client_cpu_us_per_unit"] = (
            result["client_cpu_s"] / result["units"] * 1e6)
    return result


def run_stream(program: str, server: Server, address: str,
               arguments: list[str]) -> dict[str, Any]:
    """gRPC streams of frames of 10,000 points, as fast as it goes.

    The latency is that of a frame's acknowledgement.
    """
    children = os.times()
    before = _Sample.take(server)
    done = subprocess.run([program, "--address", address, *arguments],
                          capture_output=True, text=True, check=False)
    after = _Sample.take(server)
    ended = os.times()
    if not done.stdout:
        return {"workload": "stream", "error": done.stderr.strip()[:300]}
    told: dict[str, Any] = json.loads(done.stdout)
    result = {
        "workload": "stream", "unit": "points", "clients": told["streams"],
        "elapsed_s": told["seconds"], "units": told["points"],
        "units_per_s": told["points_per_second"],
        "p50_ms": told["acknowledged_p50_ms"],
        "p99_ms": told["acknowledged_p99_ms"], "errors": 0, "first_error": "",
        "client_cpu_s": (ended.children_user + ended.children_system
                         - children.children_user - children.children_system),
    }
    if told["failed"]:
        result["error"] = "the stream ended early"
    return _with_cpu(result, before, after)


def run_plugin(python: str, uri: str,
               calls: int) -> tuple[list[dict[str, Any]], str]:
    """Rows of log_metric_latency.py, or why there are none."""
    script = Path(__file__).resolve().parents[1] / "log_metric_latency.py"
    with tempfile.TemporaryDirectory(prefix="bench-spool-") as spool:
        done = subprocess.run(
            [python, script, uri, "--json", "--calls", str(calls)],
            capture_output=True, text=True, check=False, cwd=spool,
            env=dict(os.environ, MLFLOW_DISABLE_TELEMETRY="true",
                     GIT_PYTHON_REFRESH="quiet", MILLSTREAM_SPOOL_DIR=spool))
    if done.returncode != 0 or not done.stdout:
        return [], (done.stderr.strip().splitlines() or ["no result"])[-1]
    rows: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return rows, ""


def run(program: str, server: Server, step: Step) -> dict[str, Any]:
    """The generator's figures, and what the server used meanwhile.

    With `error` when the workload failed as a whole.
    """
    with subprocess.Popen([program, *step.arguments(server.url)], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as child:
        assert child.stdin and child.stdout and child.stderr
        samples: list[_Sample] = []
        for phase in ("ready", "measured"):
            if child.stdout.readline().strip() != phase:
                break
            samples.append(_Sample.take(server))
            child.stdin.write("\n")
            child.stdin.flush()
        answer = child.stdout.read()
        error = child.stderr.read().strip()
    if len(samples) < 2 or not answer:
        return {"workload": step.workload, "error": error or "no result"}
    result: dict[str, Any] = json.loads(answer)
    if not result["verified"]:
        result["error"] = result["verify_error"]
    return _with_cpu(result, *samples)
