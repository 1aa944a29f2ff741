"""The command line of bench/run."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import machine, peers, report
from harness.campaign import FULL, QUICK, WORKLOADS, Campaign, Scale
from harness.server import ServerFailed

_ROOT = Path(__file__).resolve().parents[2]
_GENERATOR = _ROOT / "bazel-bin/bench/load/load"
_MILLSTREAM = _ROOT / "bazel-bin/app/millstream"

_EPILOG = """
examples:
  bench/run --quick                        a first look, about two minutes
  bench/run                                what docs/performance.md publishes
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
    parser.add_argument("--peers", nargs="+", choices=names, metavar="PEER",
                        default=names[:3],
                        help=f"of: {', '.join(names)} (default: the first 3)")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS,
                        metavar="NAME", default=list(WORKLOADS),
                        help=f"of: {', '.join(WORKLOADS)} (default: all)")
    parser.add_argument("--quick", action="store_true",
                        help="1 s, once, a tenth of the data")
    parser.add_argument("--seconds", type=float, help="of each measurement")
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--runs", type=int, help="that are searched")
    parser.add_argument("--points", type=int, help="of the history")
    parser.add_argument("--clients", type=int, help="of the closed loop")
    parser.add_argument("--out", type=Path, default=Path("bench-results"),
                        help="folder for results.json and results.md")
    parser.add_argument("--against", type=Path, metavar="JSON",
                        help="add the peers of an earlier run to the table")
    parser.add_argument("--table", type=Path, metavar="JSON",
                        help="measure nothing, print the table of a result")
    parser.add_argument("--no-build", action="store_true",
                        help="take the programs in bazel-bin as they are")
    parser.add_argument("--millstream", default=str(_MILLSTREAM),
                        help="our server (default: the one in bazel-bin)")
    parser.add_argument("--load", default=str(_GENERATOR),
                        help="load generator (default: the one in bazel-bin)")
    parser.add_argument("--mlflow", default=os.environ.get("MLFLOW", "mlflow"),
                        help="mlflow's program (default: $MLFLOW, or in PATH)")
    parser.add_argument("--fasttrackml", default="fml",
                        help="FastTrackML's program (default: fml in PATH)")
    return parser.parse_args(argv)


def _scale(arguments: argparse.Namespace) -> Scale:
    scale = QUICK if arguments.quick else FULL
    given = {name: value for name in ("seconds", "repetitions", "runs",
                                      "points", "clients")
             if (value := getattr(arguments, name)) is not None}
    return replace(scale, **given)


def _build(arguments: argparse.Namespace) -> None:
    targets = ["//bench/load"]
    if peers.Millstream.name in arguments.peers:
        targets.append("//app:millstream")
    subprocess.run(["bazel", "build", "--config=release", *targets],
                   cwd=_ROOT, check=True)


def _write(results: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "results.md").write_text(report.markdown(results))


def _load_earlier(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    earlier: dict[str, Any] = json.loads(path.read_text())["peers"]
    return {name: dict(peer, from_earlier_run=True)
            for name, peer in earlier.items()}


def _measure(arguments: argparse.Namespace) -> int:
    programs = peers.Programs(arguments.millstream, arguments.mlflow,
                              arguments.fasttrackml)
    results: dict[str, Any] = {"machine": machine.describe(),
                               "peers": _load_earlier(arguments.against)}
    failed = 0
    for kind in (p for p in peers.ALL if p.name in arguments.peers):
        def log(text: str, name: str = kind.name) -> None:
            print(f"{time.strftime('%H:%M:%S')} {name}: {text}",
                  file=sys.stderr, flush=True)
        try:
            campaign = Campaign(kind(programs), arguments.load,
                                _scale(arguments), set(arguments.workloads),
                                log)
            results["peers"].pop(kind.name, None)
            results["peers"][kind.name] = campaign.run()
        except (peers.PeerMissing, ServerFailed) as error:
            print(f"bench/run: {error}", file=sys.stderr)
            failed = 1
            continue
        _write(results, arguments.out)
    if results["peers"]:
        print(report.markdown(results))
    return failed


def main(argv: list[str]) -> int:
    arguments = _parse(argv)
    if arguments.table is not None:
        print(report.markdown(json.loads(arguments.table.read_text())))
        return 0
    if not arguments.no_build:
        _build(arguments)
    return _measure(arguments)
