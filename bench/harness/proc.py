"""CPU time and memory of a process with all its descendants, from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True)
class _Stat:
    pid: int
    parent: int
    cpu_ticks: int  # User and system, children that exited included.


def _read_stat(pid: str) -> _Stat | None:
    try:
        text = (_PROC / pid / "stat").read_text()
    except OSError:
        return None  # It ended meanwhile.
    # The name may hold blanks and parentheses: fields count from its end.
    fields = text[text.rindex(")") + 2 :].split()
    return _Stat(int(pid), int(fields[1]), sum(map(int, fields[11:15])))


def _tree(root: int) -> list[_Stat]:
    stats = [
        stat
        for entry in os.listdir(_PROC)
        if entry.isdigit() and (stat := _read_stat(entry)) is not None
    ]
    members = {root}
    grew = True
    while grew:
        found = {s.pid for s in stats if s.parent in members} | members
        grew = len(found) > len(members)
        members = found
    return [s for s in stats if s.pid in members]


def cpu_seconds(root: int) -> float:
    """User and system time of the tree, in steps of a clock tick (10 ms)."""
    return sum(s.cpu_ticks for s in _tree(root)) / _TICKS_PER_S


def process_count(root: int) -> int:
    return len(_tree(root))


def memory_mb(root: int) -> dict[str, float]:
    """Sums over the tree, in 10^6 bytes. PSS counts shared pages once."""
    totals = {"Rss": 0, "Pss": 0}
    for stat in _tree(root):
        try:
            text = (_PROC / str(stat.pid) / "smaps_rollup").read_text()
        except OSError:
            continue
        for line in text.splitlines():
            name, _, rest = line.partition(":")
            if name in totals:
                totals[name] += int(rest.split()[0])
    return {
        "rss_mb": totals["Rss"] * 1024 / 1e6,
        "pss_mb": totals["Pss"] * 1024 / 1e6,
    }


def machine_busy_seconds() -> float:
    """CPU time that anything used on this machine since it started."""
    fields = (_PROC / "stat").read_text().splitlines()[0].split()[1:9]
    user, nice, system, _idle, _iowait, irq, softirq, _steal = map(int, fields)
    return (user + nice + system + irq + softirq) / _TICKS_PER_S


def disk_bytes(directory: Path) -> int:
    """What the files below take on disk."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except OSError:
                continue
    return total
