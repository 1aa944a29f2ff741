"""Figures that tests hand to the table of docs/reliability.md.

With MILLSTREAM_EVIDENCE=<folder> each suite keeps `<suite>.json` there, numbers
by the row that they belong to; reliability.py makes the table. Without it
nothing is kept.
"""

import contextlib
import json
import os
import pathlib

CRASHES_SURVIVED = "crashes survived"
FAULTS = "faults injected"
INPUTS = "inputs tried"
ROUTES = "routes walked without credentials"
REFUSED = "requests without credentials refused"
CONNECTIONS = "connections held at once"
REQUESTS = "requests under load"
SOAK_SECONDS = "seconds of soak"
GROWTH_MB = "growth of memory in a soak, MB"
P99_REST_MS = "p99 over HTTP, 256 connections active, ms"
P99_GRPC_MS = "p99 over gRPC, 256 connections active, ms"
P99_REST_HANDLER_MS = "the same in the handler, over HTTP, ms"
P99_GRPC_HANDLER_MS = "the same in the handler, over gRPC, ms"
SERVERS = "servers started"
WRITES = "acknowledged writes"
LOST = "acknowledged writes lost"
CRASHED = "crashes of a server"

# Of these the greatest counts, of all others the sum.
GREATEST = {CONNECTIONS, GROWTH_MB, P99_REST_MS, P99_GRPC_MS,
            P99_REST_HANDLER_MS, P99_GRPC_HANDLER_MS}


def together(row, one, other):
    return max(one, other) if row in GREATEST else one + other


def told(row):
    """The sum of what all suites have told of it."""
    folder = os.environ.get("MILLSTREAM_EVIDENCE")
    return sum(json.loads(path.read_text()).get(row, 0) for path in
               pathlib.Path(folder).glob("*.json")) if folder else 0


@contextlib.contextmanager
def untold():
    """What is done meanwhile is kept nowhere."""
    folder = os.environ.pop("MILLSTREAM_EVIDENCE", None)
    try:
        yield
    finally:
        if folder is not None:
            os.environ["MILLSTREAM_EVIDENCE"] = folder


def missing(suite, acknowledged, found):
    """Which writes that were acknowledged are not found, as a set; their
    number is told."""
    lost = set(acknowledged) - set(found)
    add(suite, {LOST: len(lost)})
    return lost


def add(suite, figures):
    """Adds {row: number} to what the suite has told before."""
    folder = os.environ.get("MILLSTREAM_EVIDENCE")
    if not folder:
        return
    path = pathlib.Path(folder) / f"{suite}.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    for row, number in figures.items():
        kept[row] = together(row, kept[row], number) if row in kept else number
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1))
