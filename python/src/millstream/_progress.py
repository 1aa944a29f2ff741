"""Says how far the sending is, when somebody waits for it."""

from __future__ import annotations

import sys
import time
from typing import TextIO

# Short waits are not worth a word.
SILENT_SECONDS = 2.0
REDRAW_SECONDS = 0.1
BAR_CELLS = 24


class Progress:
    """A bar on a terminal; elsewhere one line when it begins and one when it
    ends. Nothing at all if it takes less than SILENT_SECONDS."""

    def __init__(self, what: str, out: TextIO | None = None,
                 silent: float = SILENT_SECONDS) -> None:
        self._what = what
        self._out = out
        self._silent = silent
        self._began = self._drawn = time.monotonic()
        self._shown = False
        self._first: int | None = None

    def update(self, pending_bytes: int, away: bool) -> None:
        now = time.monotonic()
        if self._first is None or pending_bytes > self._first:
            self._first = pending_bytes
        if now - self._began < self._silent:
            return
        out = self._stream()
        if out is None:
            return
        if not out.isatty():
            if not self._shown:
                self._shown = True
                print(f"millstream: {self._what}, {human(pending_bytes)} to "
                      "send" + ("; the server is away" if away else ""),
                      file=out, flush=True)
            return
        if self._shown and now - self._drawn < REDRAW_SECONDS:
            return
        self._shown = True
        self._drawn = now
        sent = self._first - pending_bytes
        part = sent / self._first if self._first else 1.0
        full = int(part * BAR_CELLS)
        note = "the server is away" if away else self._rest(now, sent)
        out.write(f"\r\x1b[Kmillstream: {self._what} "
                  f"[{'#' * full}{'.' * (BAR_CELLS - full)}] "
                  f"{human(sent)} of {human(self._first)}, {note}")
        out.flush()

    def finish(self, done: bool) -> None:
        if not self._shown:
            return
        out = self._stream()
        if out is None:
            return
        seconds = time.monotonic() - self._began
        if out.isatty():
            out.write("\r\x1b[K")
        if done:
            out.write(f"millstream: {self._what}, done in {seconds:.0f} s\n")
        out.flush()
        self._shown = False

    def _rest(self, now: float, sent: int) -> str:
        assert self._first is not None
        if not sent:
            return "..."
        rest = (self._first - sent) * (now - self._began) / sent
        return f"{rest:.0f} s to go"

    def _stream(self) -> TextIO | None:
        # Looked up each time: notebooks and tests put others in place.
        return self._out if self._out is not None else sys.stderr


def human(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
