"""The commands backup, restore and check, and writers whose batches are looked
for in what they have made."""

import contextlib
import os
import subprocess
import threading

import evidence
import harness

# Each of so many batches of a writer comes with an artifact.
ARTIFACT_EVERY = 8
PATIENCE_SECONDS = 60


def run(command, *arguments, **options):
    """Ends as the command does, with its output in it."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("MLFLOW_", "MILLSTREAM_"))}
    environment.update(options.pop("environment", {}))
    return subprocess.run(
        [harness.BINARY, command, *arguments], env=environment,
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, **options)


def done(command, *arguments, **options):
    """What the command said; it must succeed."""
    result = run(command, *arguments, **options)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def refused(command, *arguments, **options):
    """Why the command failed; it must, by itself."""
    result = run(command, *arguments, **options)
    assert result.returncode in (1, 2), result.stdout + result.stderr
    return result.stderr


def faults(folder):
    """The faults that check finds."""
    result = run("check", "--data-dir", folder)
    assert not result.stderr, result.stderr
    found = [line for line in result.stdout.splitlines()
             if line.startswith("FAULT")]
    assert result.returncode == bool(found), result.stdout
    assert not found or "What to do:" in result.stdout
    evidence.add("backup", {evidence.FAULTS: 1 if found else 0})
    return found


class Writer(threading.Thread):
    """Logs numbered batches to a run of its own until it is told to stop; an
    even one has a param, and some come with an artifact first."""

    def __init__(self, server, kind, name):
        super().__init__()
        self.door = kind(server)
        self.run_id = self.door.call("CreateRun", {
            "experiment_id": "0", "run_name": name, "start_time": 1})["run"][
                "info"]["run_id"]
        self.acknowledged = 0
        self.stopping = False
        self.error = None

    def run(self):
        try:
            while not self.stopping:
                self.log(self.acknowledged)
                self.acknowledged += 1
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def log(self, number):
        if number % ARTIFACT_EVERY == 0:
            self.door.upload(
                "UploadRunArtifact",
                {"run_uuid": self.run_id, "path": f"files/{number}"},
                str(number).encode() * 1000)
        point = {"value": number / 2, "timestamp": 1000 + number,
                 "step": number}
        params = [{"key": f"p{number}", "value": str(number)}]
        self.door.call("LogBatch", {
            "run_id": self.run_id,
            "metrics": [{"key": "m", **point}, {"key": "n", **point}],
            **({"params": params} if number % 2 == 0 else {})})

    def end(self):
        self.stopping = True
        self.join()
        self.door.close()
        assert self.error is None, self.error


def steps_of(door, run_id, key):
    request = {"run_id": run_id, "metric_key": key, "max_results": 20_000}
    steps = []
    while True:
        answer = door.call("GetMetricHistory", request)
        steps += [m.get("step", 0) for m in answer.get("metrics", [])]
        if not answer.get("next_page_token"):
            return steps
        request["page_token"] = answer["next_page_token"]


def compare(door, run_id, acknowledged):
    """All batches that were acknowledged are there, and each whole."""
    steps = steps_of(door, run_id, "m")
    also = steps_of(door, run_id, "n")
    data = door.call("GetRun", {"run_id": run_id})["run"]["data"]
    params = {(p["key"], p["value"]) for p in data.get("params", [])}
    lost = evidence.missing("backup", range(acknowledged), {
        n for n in {*steps} & {*also}
        if n % 2 or (f"p{n}", str(n)) in params})
    evidence.add("backup", {evidence.WRITES: acknowledged})
    assert not lost
    assert steps == list(range(len(steps)))
    assert also == steps
    assert params == {(f"p{n}", str(n)) for n in range(0, len(steps), 2)}
    assert {m["key"]: m["step"] for m in data["metrics"]} == {
        "m": steps[-1], "n": steps[-1]}
    # An artifact is there before the batch that comes with it.
    for number in range(0, len(steps), ARTIFACT_EVERY):
        assert door.download("GetRunArtifact", {
            "run_id": run_id, "path": f"files/{number}"}) == (
                str(number).encode() * 1000)


@contextlib.contextmanager
def server_on(folder):
    """A server of what was restored to folder/data."""
    server = harness.Server(folder).start()
    try:
        yield server
    finally:
        server.kill()
