"""The command line of bench/run."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import machine, peers, publish, report
from harness.campaign import (FULL, QUICK, WORKLOADS, Campaign, Generators,
                              Scale)
from harness.missing import PeerMissing
from harness.server import ServerFailed
from harness.sets import DEFAULT, SETS

_ROOT = Path(__file__).resolve().parents[2]
_GENERATOR = _ROOT / "bazel-bin/bench/load/load"
_STREAM_LOAD = _ROOT / "bazel-bin/bench/stream/stream_load"
# With mlflow, its driver of PostgreSQL, matplotlib, and the package of python/:
# tools/setup makes it.
_VENV = _ROOT / ".cache/venv-3.17.2/bin"
_MILLSTREAM = _ROOT / "bazel-bin/app/millstream"

_EPILOG = """
examples:
  bench/run --publish                      measure and publish
  bench/run --quick                        a first look
  bench/run --set postgres                 both servers on PostgreSQL
  bench/run --peers millstream --workloads log-metric get-run
  bench/run --peers millstream --against results.json
                                           ours anew, the others as measured
  bench/run --table results.json           only write the table again

Each peer runs alone, in a fresh folder, on a free port. Server CPU per unit
is the steady figure; throughput means little when other programs run.
bench/README.md says how to read the table.
"""


def _parse(argv: list[str]) -> argparse.Namespace:
    names = [peer.name for peer in peers.ALL]
    parser = argparse.ArgumentParser(
        prog="bench/run", epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures tracking servers in turn with the same load.")
    parser.add_argument("--set", choices=SETS, default=DEFAULT, dest="chosen",
                        help="; ".join(f"{name}: {chosen.about}"
                                       for name, chosen in SETS.items())
                        + f" (default: {DEFAULT})")
    parser.add_argument("--peers", nargs="+", choices=names, metavar="PEER",
                        help=f"of: {', '.join(names)} (default: the set's)")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS,
                        metavar="NAME",
                        help=f"of: {', '.join(WORKLOADS)} (default: the "
                        "set's)")
    parser.add_argument("--quick", action="store_true",
                        help="1 s, once, a tenth of the data")
    parser.add_argument("--seconds", type=float, help="of each measurement")
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--runs", type=int, nargs="+", metavar="N",
                        help="sizes of the experiments that are searched")
    parser.add_argument("--points", type=int, help="of the history")
    parser.add_argument("--chart-points", type=int, metavar="N",
                        help="of the series of the chart")
    parser.add_argument("--memory-runs", type=int, metavar="N",
                        help="of the server whose memory is measured")
    parser.add_argument("--memory-points", type=int, metavar="N",
                        help="the same")
    parser.add_argument("--clients", type=int, help="of the closed loop")
    parser.add_argument("--out", type=Path, default=Path("bench-results"),
                        help="folder for results.json, results.md, summary.md "
                        "and plot.svg")
    parser.add_argument("--against", type=Path, metavar="JSON",
                        help="add the peers of an earlier run to the table")
    parser.add_argument("--table", type=Path, metavar="JSON",
                        help="measure nothing, print the table of a result")
    parser.add_argument("--publish", action="store_true",
                        help="keep the results in bench/results/; put the "
                        "small table and the plot into README.md and docs/ if "
                        "the set is for it")
    parser.add_argument("--no-build", action="store_true",
                        help="take the programs and the Python environment as "
                        "they are")
    parser.add_argument("--millstream", default=str(_MILLSTREAM),
                        help="our server (default: the one in bazel-bin)")
    parser.add_argument("--load", default=str(_GENERATOR),
                        help="load generator (default: the one in bazel-bin)")
    parser.add_argument("--mlflow",
                        default=os.environ.get("MLFLOW", str(_VENV / "mlflow")),
                        help="mlflow's program (default: $MLFLOW, or the one "
                        "of tools/setup)")
    parser.add_argument("--fasttrackml", default="fml",
                        help="FastTrackML's program (default: fml in PATH, or "
                        "built from the Go module proxy)")
    arguments = parser.parse_args(argv)
    chosen = SETS[arguments.chosen]
    arguments.peers = arguments.peers or list(chosen.peers)
    arguments.workloads = arguments.workloads or list(chosen.workloads)
    return arguments


def _scale(arguments: argparse.Namespace) -> Scale:
    scale = QUICK if arguments.quick else FULL
    given = {name: value for name in ("seconds", "repetitions", "points",
                                      "chart_points", "clients", "memory_runs",
                                      "memory_points")
             if (value := getattr(arguments, name)) is not None}
    if arguments.runs is not None:
        given["runs"] = tuple(arguments.runs)
    return replace(scale, **given)


def _build(arguments: argparse.Namespace) -> None:
    if arguments.mlflow == str(_VENV / "mlflow"):
        subprocess.run([_ROOT / "tools/setup", "test"], check=True)
    targets = ["//bench/load"]
    if {peers.Millstream.name,
            peers.MillstreamPostgres.name} & set(arguments.peers):
        targets += ["//app:millstream", "//bench/stream:stream_load"]
    subprocess.run(["bazel", "build", "--config=release", *targets],
                   cwd=_ROOT, check=True)


def _write(results: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "results.md").write_text(report.markdown(results))
    (folder / "summary.md").write_text(report.summary(results))


def _python_of(arguments: argparse.Namespace) -> str:
    """The one that runs mlflow."""
    return str(Path(shutil.which(arguments.mlflow) or "").parent / "python")


def _plot(arguments: argparse.Namespace, folder: Path) -> None:
    """With a Python that has matplotlib; else the table must do."""
    script = Path(__file__).with_name("plot.py")
    for python in (sys.executable, _python_of(arguments)):
        if shutil.which(python) and subprocess.run(
                [python, script, folder / "results.json", folder / "plot.svg"],
                stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return
    print("bench/run: no plot; install python3-matplotlib", file=sys.stderr)


def _load_earlier(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    earlier: dict[str, Any] = json.loads(path.read_text())["peers"]
    return {name: dict(peer, from_earlier_run=True)
            for name, peer in earlier.items()}


def _measure(arguments: argparse.Namespace) -> int:
    programs = peers.Programs(arguments.millstream, arguments.mlflow,
                              arguments.fasttrackml)
    generators = Generators(arguments.load, str(_STREAM_LOAD),
                            _python_of(arguments))
    results: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": machine.commit(), "set": arguments.chosen,
        "machine": machine.describe(), "not_measured": {},
        "peers": _load_earlier(arguments.against)}
    failed = 0
    for kind in (p for p in peers.ALL if p.name in arguments.peers):
        def log(text: str, name: str = kind.name) -> None:
            print(f"{time.strftime('%H:%M:%S')} {name}: {text}",
                  file=sys.stderr, flush=True)
        try:
            campaign = Campaign(kind(programs), generators, _scale(arguments),
                                set(arguments.workloads), log)
            measured = campaign.run()
            results["peers"].pop(kind.name, None)
            results["peers"][kind.name] = measured
        except (PeerMissing, ServerFailed) as error:
            print(f"bench/run: {error}", file=sys.stderr)
            # What follows is a server's log.
            results["not_measured"][kind.name] = str(error).partition("\n")[0]
            failed = failed or int(not kind.optional)
        if results["peers"]:
            _write(results, arguments.out)
    if results["peers"]:
        print(report.markdown(results))
        _plot(arguments, arguments.out)
        if arguments.publish:
            publish.keep(results, _ROOT, arguments.chosen)
            if SETS[arguments.chosen].in_readme:
                publish.show(arguments.out, _ROOT)
    return failed


def main(argv: list[str]) -> int:
    arguments = _parse(argv)
    if arguments.table is not None:
        print(report.markdown(json.loads(arguments.table.read_text())))
        return 0
    if not arguments.no_build:
        _build(arguments)
    return _measure(arguments)
