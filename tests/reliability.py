"""Makes the table of docs/reliability.md of what the suites have told.

    MILLSTREAM_EVIDENCE=DIR tools/test; python3 tests/reliability.py DIR

prints it; with --write it is put into the document too.
"""

import argparse
import datetime
import json
import pathlib
import subprocess
import sys

import evidence

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN = "<!-- by tests/reliability.py -->"
END = "<!-- end of tests/reliability.py -->"
# From what was done to what came of it.
ORDER = [evidence.CRASHES_SURVIVED, evidence.FAULTS, evidence.INPUTS,
         evidence.ROUTES, evidence.REFUSED, evidence.CONNECTIONS,
         evidence.REQUESTS, evidence.SOAK_SECONDS, evidence.GROWTH_MB,
         evidence.P99_REST_MS, evidence.P99_REST_HANDLER_MS,
         evidence.P99_GRPC_MS, evidence.P99_GRPC_HANDLER_MS, evidence.SERVERS]
OUTCOME = [evidence.WRITES, evidence.LOST, evidence.CRASHED]


def collect(folder):
    """{row: (number, suites that told it)}"""
    rows = {}
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        for row, number in json.loads(path.read_text()).items():
            if row in rows:
                before, suites = rows[row]
                rows[row] = (evidence.together(row, before, number),
                             [*suites, path.stem])
            else:
                rows[row] = number, [path.stem]
    return rows


def in_order(rows):
    """Rows that are not known here come before the outcome."""
    others = sorted(set(rows) - set(ORDER) - set(OUTCOME))
    return [row for row in ORDER + others + OUTCOME if row in rows]


def table(rows):
    yield "| | | told by |"
    yield "|---|---:|---|"
    for row in in_order(rows):
        number, suites = rows[row]
        text = f"{number:,.1f}" if number != int(number) else f"{number:,.0f}"
        yield f"| {row} | {text} | {', '.join(suites)} |"


def origin():
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, check=True,
        capture_output=True, text=True).stdout.strip()
    return f"{datetime.date.today()}, commit {commit}, one run of tools/test:"


def write(lines):
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text("\n".join(
        [before + BEGIN, origin(), "", *lines, END + after]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    rows = collect(arguments.folder)
    if not rows:
        sys.exit(f"{arguments.folder}: nothing was told")
    lines = list(table(rows))
    print("\n".join(lines))
    if arguments.write:
        write(lines)


if __name__ == "__main__":
    main()
