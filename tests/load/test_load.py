"""Many connections, for as long as one likes; more than the server can take.

MILLSTREAM_SOAK_SECONDS makes the soak a long test (3600 in tools/nightly).
"""

import collections
import json
import os
import signal
import threading
import time

import grpc

import clients
import doors
import evidence
import footprint
from clients import GrpcLoops, HttpLoops, request
from latency import Latencies
from streams import Writer

SOAK_SECONDS = int(os.environ.get("MILLSTREAM_SOAK_SECONDS", "24"))
IDLE = 1000
ACTIVE = 256
# What caches and tables in memory may still take after the warm-up, however
# long the soak is.
GROWTH_MB_MAX = 64
# Files that a store opens meanwhile.
DESCRIPTORS_MORE = 64
# Of the doors that the test itself has open all the time.
SOCKETS_MORE = 2
THREADS_MORE = 16
PATIENCE_SECONDS = 60
# For one that is not to blame, while others do what they can.
HONEST_SECONDS_MAX = 20
API = "/api/2.0/mlflow/"
# Of /metrics: what handlers took.
CALL_SECONDS = "millstream_call_duration_seconds"
LOG_METRIC = "/millstream.v1.TrackingService/LogMetric"
SEARCH_RUNS = "/millstream.v1.TrackingService/SearchRuns"


def wait_until(condition, what, seconds=PATIENCE_SECONDS):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def post(path, body):
    return request("POST", API + path, json.dumps(body).encode())


def metric(run, key, step):
    return {"run_id": run, "key": key, "value": step * 0.5, "timestamp": step,
            "step": step}


def steps_of(key, acknowledged):
    """What a loop is told of answers: it keeps the steps that were kept."""

    def answered(connection, number, end):
        if end in (200, "OK"):
            acknowledged[f"{key}{connection}"].append(number)

    return answered


def metrics_over_grpc(door, run, key):
    """next_request of a loop that logs points of a metric of its own."""
    message = door.new("LogMetric")

    def next_request(connection, number):
        one = type(message)(run_id=run, key=f"{key}{connection}",
                            value=number * 0.5, timestamp=number, step=number)
        return one.SerializeToString()

    return next_request


def mixed_over_http(run, artifacts):
    """next_request of what all the others do: each connection one thing."""
    batch = post("runs/log-batch", {
        "run_id": run,
        "metrics": [{"key": f"b{i}", "value": i, "timestamp": i, "step": i}
                    for i in range(50)],
        "params": [{"key": f"p{i}", "value": "v"} for i in range(10)],
        "tags": [{"key": f"t{i}", "value": "v"} for i in range(10)]})
    kinds = [
        lambda c, n: batch,
        lambda c, n: post("runs/search", {
            "experiment_ids": ["0"], "filter": "metrics.b1 > 0",
            "max_results": 20}),
        lambda c, n: request("GET", f"{API}runs/get?run_id={run}"),
        lambda c, n: request(
            "GET", f"{API}metrics/get-history?run_id={run}&metric_key=b1"
            "&max_results=100"),
        lambda c, n: request(
            "PUT", f"{artifacts}/file{c}", os.urandom(20_000))
        if n % 2 == 0 else request("GET", f"{artifacts}/file{c}"),
        lambda c, n: request("GET", "/"),
        lambda c, n: request("GET", "/nothing/here"),
        lambda c, n: post("runs/create", {"experiment_id": 1}),
    ]
    return lambda c, n: kinds[c % len(kinds)](c, n)


class Streaming(threading.Thread):
    """A writer of LogMetrics that opens its stream anew now and then, and
    somebody who watches."""

    FRAMES = 200

    def __init__(self, door, run):
        super().__init__(daemon=True)
        self.acknowledged = 0
        self.error = None
        self._door, self._run = door, run
        self._ended = threading.Event()

    def run(self):
        try:
            while not self._ended.is_set():
                tail = self._door.stream(
                    "TailMetrics", iter([{"run_id": self._run}]), timeout=600)
                next(tail)
                writer = Writer(self._door, self._run, timeout=600)
                first = writer.durable() + 1
                last = first + self.FRAMES - 1
                for number in range(first, last + 1):
                    names = ["streamed"] if number == first else []
                    writer.send(number, {0: [(number, number, 0.5)]}, names)
                self.acknowledged = writer.end()[-1]
                assert self.acknowledged == last
                next(tail)
                tail.cancel()
        except Exception as error:  # told by finish()
            self.error = error

    def finish(self):
        self._ended.set()
        self.join(PATIENCE_SECONDS)
        if self.error is not None:
            raise self.error


class Honest:
    """Somebody who does nothing wrong: how long one has to wait."""

    def __init__(self, both, run):
        self._rest, self._grpc = both
        self._run = run
        self._number = 0
        self.slowest = 0
        self.acknowledged = []

    def do(self):
        self._number += 1
        point = metric(self._run, "honest", self._number)
        for door in (self._rest, self._grpc):
            begun = time.monotonic()
            while True:
                try:
                    door.call("LogMetric", point)
                    break
                except doors.ApiError as error:
                    # Too much at once: as all clients do, it comes again.
                    assert error.code in (
                        429, 503, "RESOURCE_EXHAUSTED",
                        "TEMPORARILY_UNAVAILABLE"), error
                    assert time.monotonic() < begun + PATIENCE_SECONDS
                    time.sleep(0.1)
            self.slowest = max(self.slowest, time.monotonic() - begun)
        self.acknowledged.append(self._number)


def test_a_soak_leaves_nothing_behind(server, both, new_run, kept):
    """Both doors, 1,000 connections that say nothing and 256 that ask all the
    time: memory is flat, and no descriptor and no thread is left over."""
    run, streamed = new_run(), new_run()
    pid = server.pid
    Honest(both, run).do()
    before = footprint.descriptors(pid), footprint.threads(pid)
    sockets = footprint.sockets(pid)
    idle = clients.idle_http(server.url, IDLE // 2)
    idle += clients.idle_grpc(server.grpc_address, IDLE // 2)
    acknowledged = collections.defaultdict(list)
    artifacts = "/api/2.0/mlflow-artifacts/artifacts/0/soak"
    writers = HttpLoops(
        server.url, ACTIVE // 4,
        lambda c, n: post("runs/log-metric", metric(run, f"h{c}", n)),
        steps_of("h", acknowledged))
    others = HttpLoops(server.url, ACTIVE // 4, mixed_over_http(run, artifacts))
    callers = GrpcLoops(server.grpc_address, ACTIVE // 2, LOG_METRIC,
                        metrics_over_grpc(both[1], run, "g"),
                        steps_of("g", acknowledged))
    streaming = Streaming(both[1], streamed)
    memory = footprint.Memory(pid)
    active = [writers, others, callers, streaming, memory]
    for each in active:
        each.start()
    time.sleep(SOAK_SECONDS / 3)  # the warm-up
    begin = time.monotonic()
    warm = footprint.descriptors(pid), footprint.threads(pid)
    for each in (writers, callers):
        each.forget()
    first = Latencies(server.url)
    time.sleep(SOAK_SECONDS * 2 / 3)
    last = Latencies(server.url)
    end = time.monotonic()
    at_the_end = footprint.descriptors(pid), footprint.threads(pid)
    connections = footprint.connections(pid)
    for each in active:
        each.finish()
    held = clients.trickle(idle[:IDLE // 2], request("GET", "/health"))
    clients.close(idle)

    quarters = memory.quarters(begin, end)
    growth = quarters[-1] - quarters[0]
    rest_ms, grpc_ms = [
        last.p99_ms(first, CALL_SECONDS, method="LogMetric", door=door)
        for door in ("rest", "grpc")]
    print(f"MB of memory in each quarter: {quarters}; descriptors and threads: "
          f"{before} before, {warm} warm, {at_the_end} at the end; p99 "
          f"{writers.tally.p99_ms():.1f} ms over HTTP, {rest_ms:.1f} in the "
          f"handler, {callers.tally.p99_ms():.1f} over gRPC, {grpc_ms:.1f} in "
          f"the handler; {others.tally.ends}")
    assert held == IDLE // 2
    assert connections >= IDLE + ACTIVE
    assert growth < GROWTH_MB_MAX
    assert at_the_end[0] - warm[0] < DESCRIPTORS_MORE
    assert at_the_end[1] - warm[1] < THREADS_MORE
    wait_until(lambda: footprint.descriptors(pid) - before[0]
               < DESCRIPTORS_MORE, "descriptors are left over")
    # No store opens these: one for each stream, or a thousand requests, shows.
    wait_until(lambda: footprint.sockets(pid) <= sockets + SOCKETS_MORE,
               "connections are left over")
    # Those of its pools are made as they are needed, and stay.
    wait_until(lambda: footprint.threads(pid) - warm[1] < THREADS_MORE,
               "threads are left over")
    assert set(writers.tally.ends) == {200}
    assert set(callers.tally.ends) == {"OK"}
    # What was asked for wrongly was refused, the rest answered.
    assert set(others.tally.ends) <= {200, 400, 404}
    kept(run, acknowledged)
    kept(streamed, {"streamed": range(1, streaming.acknowledged + 1)})
    evidence.add("load", {
        evidence.CONNECTIONS: connections,
        evidence.REQUESTS: sum(sum(each.tally.ends.values())
                               for each in (writers, others, callers)),
        evidence.SOAK_SECONDS: SOAK_SECONDS,
        evidence.GROWTH_MB: round(max(growth, 0), 1),
        evidence.P99_REST_MS: round(writers.tally.p99_ms(), 1),
        evidence.P99_GRPC_MS: round(callers.tally.p99_ms(), 1),
        evidence.P99_REST_HANDLER_MS: round(rest_ms, 1),
        evidence.P99_GRPC_HANDLER_MS: round(grpc_ms, 1)})


def test_more_writers_than_it_can_take(server, both, new_run, kept):
    """They wait for each other, or are told to come back: nobody is forgotten,
    and what was acknowledged is there."""
    run = new_run()
    acknowledged = collections.defaultdict(list)
    storm = HttpLoops(
        server.url, 1000,
        lambda c, n: post("runs/log-metric",
                          metric(run, f"m{c % 50}", c // 50 * 10 ** 6 + n)),
        lambda c, n, status: status == 200 and acknowledged[
            f"m{c % 50}"].append(c // 50 * 10 ** 6 + n))
    honest = Honest(both, run)
    storm.start()
    stop = time.monotonic() + 4
    while time.monotonic() < stop:
        honest.do()
    storm.finish()
    print(f"{storm.tally.ends}; honest: {honest.slowest:.2f} s")
    assert set(storm.tally.ends) <= {200, 429, 503}
    assert honest.slowest < HONEST_SECONDS_MAX
    acknowledged["honest"] = honest.acknowledged
    kept(run, acknowledged)


def test_calls_beyond_what_may_wait_are_refused_at_once(server, both, new_run):
    """2,000 calls at a time, each with much work, where 1,024 may wait."""
    run = new_run()
    both[0].call("SetTag", {"run_id": run, "key": "t", "value": "a" * 8000})
    ask = both[1].new("SearchRuns")
    ask.experiment_ids.append("0")
    ask.filter = f"tags.t LIKE '%{'a' * 200}b%'"
    ask.max_results = 1
    text = ask.SerializeToString()
    channels = [grpc.insecure_channel(
        server.grpc_address, options=clients.ALONE) for _ in range(25)]
    calls = [channel.unary_unary(SEARCH_RUNS) for channel in channels]
    for call in calls:
        call(text, timeout=PATIENCE_SECONDS)
    ends, seconds = [], collections.defaultdict(list)

    def note(begun, future):
        code = future.code().name
        ends.append(code)
        seconds[code].append(time.monotonic() - begun)

    # All are there before the first is looked at.
    os.kill(server.pid, signal.SIGSTOP)
    try:
        for _ in range(80):
            for call in calls:
                begun = time.monotonic()
                call.future(text, timeout=PATIENCE_SECONDS).add_done_callback(
                    lambda future, begun=begun: note(begun, future))
    finally:
        os.kill(server.pid, signal.SIGCONT)
    honest = Honest(both, run)
    honest.do()
    wait_until(lambda: len(ends) == 80 * len(calls), "calls are not answered")
    print({code: (len(all_), f"{max(all_):.2f} s")
           for code, all_ in seconds.items()}, f"honest {honest.slowest:.2f} s")
    for channel in channels:
        channel.close()
    assert set(ends) == {"OK", "RESOURCE_EXHAUSTED"}
    # Who is refused is told before most of the others are served.
    refused = sorted(seconds["RESOURCE_EXHAUSTED"])
    served = sorted(seconds["OK"])
    assert refused[len(refused) // 2] < served[len(served) // 2]
    assert honest.slowest < HONEST_SECONDS_MAX


def test_connections_beyond_the_limit_make_room(server, both, new_run):
    """4,096 are held; whose body is awaited goes when others come."""
    count = min(4300, clients.raise_descriptor_limit() - 200)
    head = (f"POST {API}runs/log-metric HTTP/1.1\r\nHost: localhost\r\n"
            "Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n{"
            ).encode()
    sockets = clients.begun(server.url, count, head)
    honest = Honest(both, new_run())
    for _ in range(10):
        honest.do()
    held = footprint.connections(server.pid)
    evidence.add("load", {evidence.CONNECTIONS: held})
    clients.close(sockets)
    print(f"{held} of {count} connections are held")
    # Beside them, those of the honest one.
    assert min(count, 4096) - 50 <= held <= 4096 + 10
    assert honest.slowest < HONEST_SECONDS_MAX


def test_the_slow_and_the_stuck_hold_no_worker(server, both, new_run):
    """Heads and bodies that do not end, answers that nobody takes, streams that
    are opened and not read: a hundred times each."""
    run, noisy = new_run(), new_run()
    rest, grpc_door = both
    large = "/api/2.0/mlflow-artifacts/artifacts/0/large"
    rest.upload("UploadArtifact", {"artifact_path": "0/large"},
                os.urandom(20_000_000))
    for first in range(0, 20_000, 1000):
        rest.call("LogBatch", {"run_id": noisy, "metrics": [
            {"key": "m", "value": i, "timestamp": i, "step": i}
            for i in range(first, first + 1000)]})
    pid = server.pid
    before = footprint.descriptors(pid)
    heads = clients.begun(server.url, 100, b"GET /health HTTP/1.1\r\nHost: l")
    # Their sizes are more than what is sent.
    bodies = clients.begun(server.url, 100, post(
        "runs/log-metric", {"key": "x" * 5000})[:-4000])
    uploads = clients.begun(server.url, 100, request(
        "PUT", large + "2", b"x" * 5000)[:-4000])
    deaf = clients.deaf(server.url, 100, request("GET", large))
    deaf += clients.deaf(server.url, 20, 20 * request(
        "GET", f"{API}metrics/get-history?run_id={noisy}&metric_key=m"))
    silent = clients.begun(server.grpc_address, 100, b"")
    halves = clients.begun(server.grpc_address, 100,
                           clients.HTTP2_START[:20])
    door = doors.GrpcDoor(server)
    tails = [door.stream("TailMetrics", iter([{"run_id": noisy}]))
             for _ in range(100)]
    unopened = [door.stream("LogMetrics", iter(threading.Event().wait, None))
                for _ in range(100)]
    # Some of the 620 may have had their time on a machine that is busy.
    wait_until(lambda: footprint.connections(pid) > 400, "they are refused")
    evidence.add("load", {evidence.CONNECTIONS: footprint.connections(pid)})
    honest = Honest(both, run)
    stop = time.monotonic() + max(4, SOAK_SECONDS / 10)
    slow = heads + bodies + uploads
    trickled = 0
    while time.monotonic() < stop:
        if time.monotonic() > trickled + 1:
            trickled = time.monotonic()
            clients.trickle(slow)
        honest.do()
        assert grpc_door.call("GetRun", {"run_id": run})
    print(f"honest: {honest.slowest:.2f} s")
    assert honest.slowest < HONEST_SECONDS_MAX
    # Those that never said that they speak gRPC have ten seconds for it.
    if SOAK_SECONDS >= 120:
        wait_until(lambda: clients.trickle(slow) == 0, "slow ones are kept",
                   seconds=200)
    for call in tails + unopened:
        call.cancel()
    door.close()
    clients.close(slow + deaf + silent + halves)
    wait_until(lambda: footprint.descriptors(pid) - before < DESCRIPTORS_MORE,
               "descriptors are left over")
