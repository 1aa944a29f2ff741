"""The command millstream: sends what dead processes left in the spool."""

from __future__ import annotations

import argparse
import asyncio
import os
import pathlib
import sys
import time
from typing import Sequence

from . import __version__, _config, _refused, _who
from . import _format as fmt
from ._progress import Progress, human
from ._spool import WriterSpool, raise_file_limit

# Exit statuses of sync.
ALL_SENT, NOT_ALL_SENT, REFUSED = 0, 1, 3
LOOK_SECONDS = 0.1
# How long the sender of a process that has just ended is waited for.
SENDER_SECONDS = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="millstream", description=__doc__,
        epilog="The server itself is another program of the same name.")
    parser.add_argument(
        "--version", action="version",
        version=f"millstream {__version__} (Python package)")
    commands = parser.add_subparsers(dest="command", required=True)
    sync = commands.add_parser(
        "sync", help="send what is in the spool",
        description="Sends what processes that have ended left in the spool. "
        "Exit status: 0, all was sent; 1, something is left; 3, all was sent "
        "but the server refused some of it: single calls and points are kept "
        "in refused.jsonl, whole runs for --refused.")
    status = commands.add_parser(
        "status", help="list what is in the spool")
    for command in (sync, status):
        command.add_argument(
            "--spool-dir", type=pathlib.Path,
            help="folder of the spools (MILLSTREAM_SPOOL_DIR)")
    sync.add_argument(
        "--uri", help="send to this server instead of the one it was logged "
        "to; what it does not know or take stays in the spool")
    sync.add_argument(
        "--refused", action="store_true",
        help="send again the runs that a server refused")
    sync.add_argument(
        "--timeout", type=float, default=60.0, metavar="SECONDS",
        help="give up when nothing has moved for so long (60)")
    options = parser.parse_args(arguments)
    try:
        spool = options.spool_dir or _config.parse("unused").spool_dir
        if options.command == "status":
            return _status(spool)
        target = _config.parse(options.uri).target if options.uri else None
        if options.refused:
            spool = spool / fmt.REFUSED
        return asyncio.run(_sync(spool, target, options.timeout,
                                 options.refused))
    except ValueError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        print("millstream: interrupted; what is not sent is still in the "
              "spool", file=sys.stderr)
        return NOT_ALL_SENT


def _status(spool: pathlib.Path) -> int:
    writers = list(fmt.writer_folders(spool))
    refused = list(fmt.writer_folders(spool / fmt.REFUSED))
    items = _refused.summary(spool)
    for folder in writers:
        running = not fmt.Lock(folder / "writer.lock").is_free()
        _tell(folder, "its process runs" if running
              else "its process has ended")
    for folder in refused:
        why = {str(found) for log in fmt.log_folders(folder)
               if (found := fmt.read_refusal(log)) is not None}
        _tell(folder, "refused: " + "; ".join(sorted(why)))
    if items.lines:
        print(f"{_refused.path_of(spool)}  {items.lines} calls and frames of "
              f"points that a server refused, {human(items.bytes)}"
              + (": FULL, runs of which more is refused wait until it is moved "
                 "away" if items.is_full else ""))
    if not (writers or refused or items.lines):
        print(f"millstream: nothing is left in {spool}")
    return 0


def _tell(folder: pathlib.Path, what: str) -> None:
    found = fmt.read_writer(folder) or {}
    size = sum(p.stat().st_size for p in folder.glob("*/*.seg"))
    print(f"{folder.name}  {found.get('target')}  "
          f"{len(fmt.log_folders(folder))} runs, {human(size)} on disk, {what}")


async def _sync(spool: pathlib.Path, target: str | None, timeout: float,
                again: bool) -> int:
    """Sends all leftovers, one server after another."""
    # Not before it is needed: loading gRPC takes longer than all else.
    from ._leftovers import Leftovers
    from ._server import Server

    raise_file_limit()
    result = ALL_SENT
    by_target: dict[str, list[pathlib.Path]] = {}
    for folder in fmt.writer_folders(spool):
        found = fmt.read_writer(folder)
        if found is not None:
            by_target.setdefault(target or found["target"], []).append(folder)
    if not by_target:
        print(f"millstream: nothing to send in {spool}")
    # A run is given up only on the word of the server that it was logged to.
    lost_wait = None if target else 0.0
    refused: list[str] = []

    def on_error(message: str, kind: str) -> None:
        refused.append(kind)
        print(f"millstream: {message}", file=sys.stderr)

    for address, folders in by_target.items():
        if _who.secrets_in_clear(address, os.environ):
            print(f"millstream: the password or token goes to {address} "
                  "unencrypted; with TLS, say --uri millstreams://...",
                  file=sys.stderr)
        server = Server(address)
        leftovers = Leftovers(server, spool, on_error, lost_wait=lost_wait,
                              target=None if target else address)
        spools = []
        for folder in folders:
            writer = leftovers.take(folder, again)
            deadline = time.monotonic() + SENDER_SECONDS
            while (writer is None and time.monotonic() < deadline
                   and folder.exists()
                   and fmt.Lock(folder / "writer.lock").is_free()):
                await asyncio.sleep(LOOK_SECONDS)
                writer = leftovers.take(folder, again)
            if writer is not None:
                spools.append(writer)
            elif folder.exists():
                print(f"millstream: {folder.name} is left alone: its process, "
                      "or a sender of it, still runs", file=sys.stderr)
        if not await _drain(server.target, spools, timeout):
            result = NOT_ALL_SENT
        for writer in spools:
            await writer.close(remove=True)
        await server.close()
    return result or (REFUSED if refused else ALL_SENT)


async def _drain(address: str, spools: list[WriterSpool],
                 timeout: float) -> bool:
    logs = [log for spool in spools for log in spool.logs.values()]
    if not logs:
        print(f"millstream: nothing to send to {address}")
        return True
    progress = Progress(f"sending {len(logs)} runs to {address}", silent=0.5)
    total = last = sum(spool.pending_bytes() for spool in spools)
    moved = time.monotonic()
    before = sum(log.points_done for log in logs)
    done = stuck = False
    while not done and not stuck and time.monotonic() - moved < timeout:
        await asyncio.sleep(LOOK_SECONDS)
        done = all(spool.is_drained() for spool in spools)
        stuck = all(spool.is_drained() or spool.blocked() for spool in spools)
        pending = sum(spool.pending_bytes() for spool in spools)
        if pending != last:
            last, moved = pending, time.monotonic()
        progress.update(pending, away=False)
    progress.finish(done)
    points = sum(log.points_done for log in logs) - before
    calls = sum(log.calls_done for log in logs)
    if done or points or calls:
        print(f"millstream: sent {points} points and {calls} calls of "
              f"{len(logs)} runs to {address}")
    if not done:
        why = "does not take it" if stuck else "does not answer"
        print(f"millstream: {human(last)} of {human(total)} are left: "
              f"{address} {why}; try again later", file=sys.stderr)
    return done
