"""Puts results where readers of the repository find them."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from harness import report, targets

_BEGIN = "<!-- by bench/run --publish -->"
_END = "<!-- end of bench/run -->"
_PLOT = "docs/performance.svg"


def scrub(text: str, root: Path) -> str:
    """Without folders of this machine, which errors may name."""
    temporary = re.escape(tempfile.gettempdir())
    text = re.sub(rf"{temporary}/[\w.-]*", "TMP", text)
    return text.replace(str(root), "ROOT").replace(str(Path.home()), "HOME")


def name_of(results: dict[str, Any], chosen: str) -> str:
    """By day, commit and set, so that a later run takes no other's place."""
    day = results["date"].partition(" ")[0]
    return f"{day}-{results['commit'].rstrip('+')[:7]}-{chosen}"


def keep_raw(results: dict[str, Any], root: Path, chosen: str) -> Path:
    """What was measured, in bench/results/."""
    folder = root / "bench/results"
    folder.mkdir(exist_ok=True)
    path = folder / (name_of(results, chosen) + ".json")
    path.write_text(scrub(json.dumps(results, indent=1), root) + "\n")
    return path


def keep(results: dict[str, Any], root: Path, chosen: str) -> Path:
    """The same, and all tables."""
    path = keep_raw(results, root, chosen)
    path.with_suffix(".md").write_text(scrub(report.markdown(results), root))
    return path


def show(folder: Path, root: Path) -> None:
    """Puts the small table and the plot into the README, and what was asked for
    into docs/performance.md."""
    results = json.loads((folder / "results.json").read_text())
    block = (folder / "summary.md").read_text()
    if (folder / "plot.svg").exists():
        shutil.copy(folder / "plot.svg", root / _PLOT)
        block += ("\n![server CPU per unit, and searches as runs grow]"
                  f"({_PLOT})\n")
    _fill(root / "README.md", block)
    _fill(root / "docs/performance.md", targets.table(results))


def _fill(path: Path, block: str) -> None:
    head, begin, rest = path.read_text().partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    if not begin or not end:
        raise SystemExit(f"bench/run: {path.name} has no place for the table")
    path.write_text(f"{head}{begin}\n{block}{end}{tail}")
