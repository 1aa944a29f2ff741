"""The file of single calls and points that a server refused.

It lies in the spool's folder, for people to read; processes share it. When it
has reached its bound, it is full: what is refused then stays in the spool, and
its run waits, until somebody has moved the file away.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pathlib
from typing import Any, NamedTuple

from . import _format as fmt

NAME = "refused.jsonl"
# It may be larger by one line.
BYTES_MAX = 64 * 1024 * 1024


class Summary(NamedTuple):
    lines: int
    bytes: int
    is_full: bool


def path_of(spool: pathlib.Path) -> pathlib.Path:
    # Those that were refused are in a folder of the spool.
    return (spool.parent if spool.name == fmt.REFUSED else spool) / NAME


def add(spool: pathlib.Path, what: dict[str, Any]) -> None:
    """Adds a line; OSError, which says what to do, if there is no space."""
    line = json.dumps(what).encode() + b"\n"
    path = path_of(spool)
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC,
                 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        size = os.fstat(fd).st_size
        if size >= BYTES_MAX:
            raise OSError(errno.EFBIG, f"{path} is full: move it away")
        written = 0
        try:
            while written < len(line):
                written += os.write(fd, line[written:])
        except OSError:
            os.ftruncate(fd, size)
            raise
    finally:
        os.close(fd)


def summary(spool: pathlib.Path) -> Summary:
    lines = size = 0
    try:
        with path_of(spool).open("rb") as file:
            for line in file:
                lines += 1
                size += len(line)
    except OSError:
        pass
    return Summary(lines, size, size >= BYTES_MAX)
