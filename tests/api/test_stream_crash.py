"""kill -9 of server and writers at random moments: of what LogMetrics has
acknowledged nothing is lost, and nothing at all is there twice.

MILLSTREAM_STREAM_CRASH_ROUNDS sets how many kills (50 unless told, fewer with
a database behind the server), MILLSTREAM_SEED when they come.
"""

import collections
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import evidence
import harness
import stream_writer
from doors import GrpcDoor

ROUNDS = int(os.environ.get("MILLSTREAM_STREAM_CRASH_ROUNDS",
                            "8" if harness.BACKEND else "50"))
WRITERS = 2
PATIENCE_SECONDS = 60


class WriterProcess:
    """A writer that comes back after each kill."""

    def __init__(self, folder, run_id, name):
        self._folder = folder
        self._arguments = [folder / "address", run_id, name]
        self._acknowledged = folder / name
        self.name = name
        self.generation = 0
        self._process = None

    def start(self):
        self.generation += 1
        self._process = subprocess.Popen(
            [sys.executable, stream_writer.__file__, *self._arguments,
             str(self.generation), self._acknowledged],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self):
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def acknowledged(self):
        """The greatest number so far."""
        if not self._acknowledged.exists():
            return 0
        lines = self._acknowledged.read_bytes().split(b"\n")[:-1]
        return max((int(line) for line in lines), default=0)


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "nothing is acknowledged"
        time.sleep(0.01)


def history(door, run_id, key):
    request = {"run_id": run_id, "metric_key": key, "max_results": 20_000}
    while True:
        answer = door.call("GetMetricHistory", request)
        yield from answer.get("metrics", [])
        if not answer.get("next_page_token"):
            return
        request["page_token"] = answer["next_page_token"]


def whole_frames(metrics):
    steps = {metric["step"] for metric in metrics}
    sizes = collections.Counter(step // stream_writer.POINTS for step in steps)
    return {frame for frame, size in sizes.items()
            if size == stream_writer.POINTS}


def check(server, run_id, acknowledged):
    """Each frame up to the last is there once and whole."""
    door = GrpcDoor(server)
    found = [list(history(door, run_id, key)) for key in stream_writer.KEYS]
    door.close()
    lost = evidence.missing("stream_crash", range(1, acknowledged + 1),
                            set.intersection(*map(whole_frames, found)))
    assert not lost, "what was acknowledged is lost"
    frames = set()
    for metrics in found:
        steps = collections.Counter()
        values = collections.defaultdict(set)
        for metric in metrics:
            steps[metric["step"]] += 1
            frame = metric["step"] // stream_writer.POINTS
            values[frame].add(metric["value"])
        assert not [step for step, count in steps.items() if count > 1], (
            "points are there twice")
        last = len(steps) // stream_writer.POINTS
        assert sorted(steps) == list(range(
            stream_writer.POINTS, (last + 1) * stream_writer.POINTS)), (
                "a frame is missing or not whole")
        assert all(len(of_frame) == 1 for of_frame in values.values())
        frames.add(last)
    return frames


def test_kills_lose_and_double_nothing(start_server, tmp_path):
    seeded = random.Random(harness.SEED)
    server = start_server()
    kills = 0
    address = tmp_path / "address"
    address.write_text(server.grpc_address)
    door = GrpcDoor(server)
    writers = []
    runs = {}
    for i in range(WRITERS):
        run_id = door.call("CreateRun", {"experiment_id": "0"})["run"][
            "info"]["run_id"]
        writers.append(WriterProcess(tmp_path, run_id, f"writer{i}"))
        runs[writers[-1].name] = run_id
    door.close()
    try:
        for writer in writers:
            writer.start()
        for number in range(ROUNDS):
            # Somebody has written since the last kill.
            before = sum(w.acknowledged() for w in writers)
            wait_until(
                lambda: sum(w.acknowledged() for w in writers) > before)
            time.sleep(seeded.uniform(0, 0.2))
            victims = seeded.choice(["server", "server", "writer", "both"])
            victim = seeded.choice(writers)
            if victims != "writer":
                server.kill()
                kills += 1
            if victims != "server":
                victim.kill()
                victim.start()
                kills += 1
            if victims != "writer":
                server.start()
                replace(address, server.grpc_address)
            acknowledged = {w.name: w.acknowledged() for w in writers}
            for name, run_id in runs.items():
                check(server, run_id, acknowledged[name])
    finally:
        for writer in writers:
            writer.kill()
    for writer in writers:
        frames = check(server, runs[writer.name], writer.acknowledged())
        assert len(frames) == 1, "a frame is kept in one metric alone"
    evidence.add("stream_crash", {
        evidence.CRASHES_SURVIVED: kills,
        evidence.WRITES: sum(w.acknowledged() for w in writers)})


def replace(path, text):
    """At once: a writer reads the one or the other."""
    unfinished = pathlib.Path(f"{path}.new")
    unfinished.write_text(text)
    unfinished.rename(path)
