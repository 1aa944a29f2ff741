"""Runs the tests that tools/test names and adds up what passed and failed."""

import collections
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import urllib.parse
import xml.etree.ElementTree as ElementTree

import evidence
import reliability

ROOT = pathlib.Path(__file__).resolve().parent.parent
# For one suite.
PYTEST_SECONDS = int(os.environ.get("MILLSTREAM_TEST_SECONDS", "1500"))
# What tests with a server start, and the disk that some of them give it.
SERVER = ("//app:millstream", "//tests/crash:libfaulty_disk.so")
# A test that failed is run once more, alone, and told of as unsteady if it
# passes then: a machine that is busy for a second refuses no change. Not when
# so many failed, and never where once in a hundred times is what is looked for:
# what is lost in crashes and faults, and who is let in.
SECOND_TRIES_MAX = 3
NO_SECOND_TRY = re.compile(
    r"crash|kill|fault|durab|lost|backup|corrupt|check|database|store|commit"
    r"|load|access|auth|permission|weakness|hostile|guard|fuzz|does not build")
# What a backend in a database has a part in.
DATABASE_SUITES = [
    "tests/conformance",
    *(f"tests/api/test_{what}.py" for what in (
        "tracking", "registry", "streams", "stream_crash", "watching")),
    *(f"tests/compat/test_{what}.py" for what in (
        "datasets", "experiments", "logged_models", "prompts", "registry",
        "runs", "search_runs")),
]
# (virtual environment, door, folders), the door with a backend behind it
# (harness.py) unless that is the data folder: the tests of clients run with
# both, and
# through the plugin of python/ too. Those of the package are a suite of their
# own: mlflow keeps the experiment and the model that were used last for as long
# as a process lives, and so would they.
CLIENT_SUITES = [
    ("3.17.2", "http", ["tests/style", "tests/api", "tests/compat",
                        "tests/conformance", "tests/browser",
                        "tests/teams"]),
    ("3.17.2", "http", ["tests/python"]),
    # It wants the machine for itself.
    ("3.17.2", "http", ["tests/load"]),
    ("3.17.2", "http", ["tests/crash"]),
    *(("3.17.2", f"http/{database}", DATABASE_SUITES)
      for database in ("sqlite", "postgresql", "mysql")),
    # Its environment leads to an object store.
    ("3.17.2", "http", ["tests/s3"]),
    # It has a network of its own.
    ("3.17.2", "http", ["tests/deployments"]),
    ("2.20.2", "http", ["tests/compat"]),
    # What of the package does not depend on mlflow or protobuf is tested once.
    ("2.20.2", "http", ["tests/python/test_client.py",
                        "tests/python/test_plugin.py",
                        "tests/python/test_errors.py",
                        "tests/python/test_package.py"]),
    ("3.17.2", "grpc", ["tests/compat"]),
    ("2.20.2", "grpc", ["tests/compat"]),
]
# What the suites after the first have of it.
CLIENT_FOLDERS = ("tests/compat", "tests/python")


class Tally:
    """Counts test cases, and remembers what failed for the last lines."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        # What failed once and passed then.
        self.unsteady = []
        # How many cases did not run, by the reason.
        self.skipped = collections.Counter()

    def add_junit(self, path, label):
        """Counts an XML report; False when there is none to read."""
        try:
            root = ElementTree.parse(path).getroot()
        except (OSError, ElementTree.ParseError):
            return False
        for case in root.iter("testcase"):
            tags = {child.tag for child in case}
            if tags & {"failure", "error"}:
                self.failed.append(
                    f"{label} {case.get('classname')}.{case.get('name')}")
            elif "skipped" in tags or case.get("status") == "notrun":
                self.skipped[why_skipped(case)] += 1
            else:
                self.passed += 1
        return True

    def try_again(self, since, again):
        """Has again() run what failed after the first `since` failures, if that
        may have a second try; it returns the Tally of that."""
        failed = self.failed[since:]
        if (not 0 < len(failed) <= SECOND_TRIES_MAX
                or any(NO_SECOND_TRY.search(name) for name in failed)):
            return
        say(f"once more: {', '.join(failed)}")
        with evidence.untold():  # the first try has told its figures
            second = again()
        if second.failed or second.passed < len(failed):
            return
        del self.failed[since:]
        self.unsteady += failed
        self.passed += len(failed)

    def report(self):
        for name in self.failed:
            print(f"FAILED {name}")
        for name in self.unsteady:
            print(f"UNSTEADY {name}: passed only when it was run again")
        for why, count in self.skipped.most_common():
            print(f"SKIPPED {count}: {why}")
        print(f"{self.skipped.total()} skipped")
        print(f"{self.passed} passed, {len(self.failed)} failed", flush=True)
        return 1 if self.failed else 0


def why_skipped(case):
    told = case.find("skipped")
    message = "" if told is None else told.get("message", "")
    return " ".join(message.split()) or "no reason given"


def say(text):
    print(f"=== {text}", flush=True)


def bazel(*args):
    return subprocess.run(["bazel", *args], cwd=ROOT).returncode


def run_cpp(tally, targets):
    say("C++ tests")
    since = len(tally.failed)
    try_cpp(tally, targets)
    tally.try_again(since, lambda: try_cpp(
        Tally(), {name.split()[0] for name in tally.failed[since:]},
        "--cache_test_results=no"))


def try_cpp(tally, targets, *options):
    """Bazel prints the output of failed tests (.bazelrc); we only count."""
    with tempfile.TemporaryDirectory() as folder:
        events = pathlib.Path(folder) / "events.json"
        status = bazel("test", "--config=release", "--keep_going", *options,
                       f"--build_event_json_file={events}", *targets)
        counted = count_bazel(tally, events)
    if status not in (0, 4) and not counted:  # 4: there are no tests
        tally.failed.append(f"bazel test (exit status {status})")
    return tally


def count_bazel(tally, events):
    """Counts by Bazel's events; True when some test or target failed."""
    failures_before = len(tally.failed)
    seen = set()
    lines = events.read_text().splitlines() if events.exists() else []
    for event in map(json.loads, lines):
        key = event["id"]
        if "testResult" in event:
            label = key["testResult"]["label"]
            seen.add(label)
            count_target(tally, label, event["testResult"])
        elif "completed" in event and not event["completed"].get("success"):
            label = key["targetCompleted"]["label"]
            if label not in seen:
                tally.failed.append(f"{label} (does not build)")
                seen.add(label)
        elif "testSummary" in event:
            label = key["testSummary"]["label"]
            if (event["testSummary"].get("overallStatus") == "NO_STATUS"
                    and label not in seen):
                tally.failed.append(f"{label} (did not run)")
                seen.add(label)
    return len(tally.failed) > failures_before


def count_target(tally, label, result):
    outputs = {o["name"]: path_of(o.get("uri", ""))
               for o in result.get("testActionOutput", [])}
    failures_before = len(tally.failed)
    readable = tally.add_junit(outputs.get("test.xml", ""), label)
    ok = result["status"] == "PASSED"
    if not ok and len(tally.failed) == failures_before:
        tally.failed.append(f"{label} ({result['status'].lower()})")
    elif ok and not readable:
        tally.passed += 1
    if label.endswith("_fuzz") and "test.log" in outputs:
        log = pathlib.Path(outputs["test.log"]).read_text(errors="replace")
        for inputs in re.findall(r"^played \d+ files, (\d+) inputs$", log,
                                 re.M):
            evidence.add("fuzz", {evidence.INPUTS: int(inputs)})


def path_of(uri):
    return urllib.parse.unquote(urllib.parse.urlsplit(uri).path)


def build_server(tally):
    if os.environ.get("MILLSTREAM_TEST_REFERENCE"):
        return True
    say("the server")
    if bazel("build", "--config=release", *SERVER) == 0:
        return True
    tally.failed.append(f"{SERVER[0]} (does not build)")
    return False


def run_client(tally, arguments):
    seen = set()
    for version, door, folders in CLIENT_SUITES:
        if arguments and (version, door) in seen:
            continue
        seen.add((version, door))
        label = f"mlflow-{version}" + ("" if door == "http" else f" by {door}")
        say(f"client tests, {label}")
        since = len(tally.failed)
        with tempfile.TemporaryDirectory() as scratch:
            suite = ClientSuite(version, door, label, scratch,
                                arguments or folders)
            suite.run(tally, named=bool(arguments))
            tally.try_again(since, lambda: suite.run(
                Tally(), "--last-failed", "--last-failed-no-failures=none"))
        if arguments and not any(a.startswith(CLIENT_FOLDERS)
                                 for a in arguments):
            break


class ClientSuite:
    """Tests that one version of mlflow runs against one door."""

    def __init__(self, version, door, label, scratch, arguments):
        self.label = label
        self.door, _, self.backend = door.partition("/")
        self.report = pathlib.Path(scratch) / "report.xml"
        python = ROOT / ".cache" / f"venv-{version}" / "bin" / "python"
        self.command = [python, "-m", "pytest", "-q",
                        f"--junitxml={self.report}",
                        "-o", f"cache_dir={scratch}/cache", *arguments]

    def run(self, tally, *options, named=False):
        """Counts in `tally` and returns it. `named`: by arguments of the
        caller, which may match no test here."""
        self.report.unlink(missing_ok=True)
        failures_before = len(tally.failed)
        crashes_before = evidence.told(evidence.CRASHED)
        status = self._status(options)
        readable = tally.add_junit(self.report, self.label)
        crashes = evidence.told(evidence.CRASHED) - crashes_before
        if crashes:
            tally.failed.append(f"client tests, {self.label} (servers that "
                                f"crashed: {crashes})")
        if status == 5 and named:
            return tally
        if status and len(tally.failed) == failures_before or not readable:
            tally.failed.append(f"client tests, {self.label} "
                                f"(exit status {status})")
        return tally

    def _status(self, options):
        environment = {**os.environ, "MILLSTREAM_TEST_DOOR": self.door}
        if self.backend:
            environment["MILLSTREAM_TEST_BACKEND"] = self.backend
        try:
            return subprocess.run([*self.command, *options], cwd=ROOT,
                                  timeout=PYTEST_SECONDS,
                                  env=environment).returncode
        except subprocess.TimeoutExpired:
            return f"none after {PYTEST_SECONDS} s"


def show_evidence(folder):
    rows = reliability.collect(folder)
    if rows:
        say("what was done to the server (docs/reliability.md)")
        print("\n".join(reliability.table(rows)))


def main():
    tally = Tally()
    only, *arguments = sys.argv[1:] or [""]
    if only not in ("", "cpp", "client"):
        sys.exit("usage: tools/test [cpp [TARGET...] | client [ARG...]]")
    seed = os.environ.setdefault("MILLSTREAM_SEED",
                                 str(random.randrange(10 ** 6)))
    say(f"MILLSTREAM_SEED={seed}")
    with tempfile.TemporaryDirectory() as folder:
        folder = os.environ.setdefault("MILLSTREAM_EVIDENCE", folder)
        if only != "client":
            run_cpp(tally, arguments or ["//..."])
        if only != "cpp" and build_server(tally):
            run_client(tally, arguments)
        show_evidence(folder)
    return tally.report()


if __name__ == "__main__":
    sys.exit(main())
