"""Builds programs of other projects from the Go module proxy."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness.missing import PeerMissing

# Where tools/minio/build keeps what it builds, too.
_CACHE = Path(os.environ.get("XDG_CACHE_HOME")
              or Path.home() / ".cache") / "millstream"
_LIMIT_S = 1800


def why(text: str) -> str:
    """The end of what Go said, without its addresses and folders."""
    text = re.sub(r"reading https?://\S+: ", "", text)
    text = re.sub(r"https?://\S+", "the proxy", text)
    text = re.sub(r"/\S*/", "", text)
    return " ".join(text.split())[-300:] or "no reason given"


def _go(module: str, folder: Path, *arguments: str) -> str:
    go = shutil.which("go")
    if go is None:
        raise PeerMissing(f"{module}: no Go to build it with")
    try:
        done = subprocess.run(
            [go, *arguments], cwd=folder, capture_output=True, text=True,
            check=False, timeout=_LIMIT_S,
            env=dict(os.environ, GOPATH=str(_CACHE / "go"), CGO_ENABLED="1",
                     GOFLAGS="-modcacherw"))
    except subprocess.TimeoutExpired:
        raise PeerMissing(f"{module}: Go takes too long") from None
    if done.returncode != 0:
        raise PeerMissing(f"{module}: go {arguments[0]}: {why(done.stderr)}")
    return done.stdout


@functools.cache
def build(module: str, version: str) -> str:
    """The program in the module's root; kept for the next time.

    Built in a copy of its source, for `go install` takes no module that
    replaces others, with the tags that the module names, if it does.
    """
    program = _CACHE / f"{module.rpartition('/')[2]}-{version}"
    if program.exists():
        return str(program)
    _CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        source = Path(folder) / "source"
        there = json.loads(_go(module, Path(folder), "mod", "download", "-json",
                               f"{module}@{version}"))
        shutil.copytree(there["Dir"], source)
        tags = source / ".go-build-tags"
        told = tags.read_text().strip() if tags.exists() else ""
        _go(module, source, "build", f"-tags={told}", "-o",
            str(Path(folder) / "program"), ".")
        shutil.move(Path(folder) / "program", program)
    return str(program)
