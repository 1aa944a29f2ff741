"""Three servers on one database, and writers that go on whatever dies.

Writers log to their own runs and to one that they share, and send what got no
answer again, to another server. Servers and the database are stopped and killed
meanwhile. At the end everything that was acknowledged is there, once, and
nothing that was not sent. MILLSTREAM_TEAM_ROUNDS makes it a long test.
"""

import collections
import http.client
import json
import os
import random
import threading
import time
import urllib.parse

import pytest

import evidence
import harness
from mariadb import MariadbServer
from postgres import PostgresServer

ROUNDS = int(os.environ.get("MILLSTREAM_TEAM_ROUNDS", "5"))
SERVERS = 3
WRITERS = 32
# Batches that are acknowledged between one fault and the next.
BATCHES_A_ROUND = 150
GIVE_UP_SECONDS = 120
MODEL = "model"

pytestmark = pytest.mark.skipif(
    harness.REFERENCE is not None, reason="starts several of our servers")


class Team:
    """The servers, and how callers reach one that is there."""

    def __init__(self, servers):
        self._servers = servers
        self.urls = [server.root_url for server in servers]

    def call(self, method, path, body=None):
        """(status, answer) of the first server that gives one that counts; and
        of each earlier attempt whether it was "refused" or "cut" off, which
        may have been carried out."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        earlier = []
        while time.monotonic() < deadline:
            url = random.choice(self.urls)
            try:
                status, answer = self._send(url, method, path, body)
            except (OSError, http.client.HTTPException):
                earlier.append("cut")
                continue
            if status < 500 and status != 429:
                return status, answer, earlier
            earlier.append("refused")
            time.sleep(0.02)
        raise AssertionError(f"{path} was not answered")

    @staticmethod
    def _send(url, method, path, body):
        connection = http.client.HTTPConnection(url.partition("//")[2],
                                                timeout=60)
        try:
            connection.request(
                method, f"/api/2.0/mlflow/{path}",
                body=None if body is None else json.dumps(body),
                headers={"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()


class Writer(threading.Thread):
    """Logs batches to its own run and to a shared one until told to stop."""

    def __init__(self, team, number, shared_run, stop):
        super().__init__(daemon=True)
        self._team = team
        self._shared_run = shared_run
        self._stop_event = stop
        self.number = number
        self.key = f"writer-{number}"
        self.run_id = None
        self.batches = 0
        self.experiments = 0
        self.experiment_id = None
        # How often each may be there.
        self.made = {}
        self.error = None

    def run(self):
        try:
            self._make_run()
            while not self._stop_event.is_set():
                self._log_batch()
        except BaseException as error:  # told by the test's own thread
            self.error = error

    def _make_run(self):
        name = f"{self.key}-{self.experiments}"
        status, answer, earlier = self._team.call(
            "POST", "experiments/create", {"name": name})
        if status == 400 and earlier:
            assert answer["error_code"] == "RESOURCE_ALREADY_EXISTS"
            status, answer, _ = self._team.call(
                "GET", f"experiments/get-by-name?experiment_name={name}")
            answer = answer["experiment"]
        assert status == 200, answer
        self.experiments += 1
        self.experiment_id = answer["experiment_id"]
        self.run_id = self._make("runs/create", {
            "experiment_id": self.experiment_id, "start_time": 1,
            "run_name": "first"})["run"]["info"]["run_id"]

    def _make(self, path, body):
        """Something that gets a new id. It is there once, unless a server that
        died could not say so."""
        status, answer, earlier = self._team.call("POST", path, body)
        assert status == 200, answer
        name = body.get("run_name") or body["source"]
        self.made[name] = 1 + earlier.count("cut")
        return answer

    def _log_batch(self):
        n = self.batches
        metrics = [{"key": "loss", "value": step / 7, "timestamp": step,
                    "step": step} for step in range(5 * n, 5 * n + 5)]
        status, answer, _ = self._team.call("POST", "runs/log-batch", {
            "run_id": self.run_id, "metrics": metrics,
            "params": [{"key": f"p{n}", "value": str(n)}],
            "tags": [{"key": "last", "value": str(n)}]})
        assert status == 200, answer
        if n % 8 == 0:
            status, answer, _ = self._team.call("POST", "runs/log-batch", {
                "run_id": self._shared_run, "metrics": [
                    {"key": self.key, "value": n, "timestamp": n, "step": n},
                    {"key": "all", "value": self.number, "timestamp": n,
                     "step": n}]})
            assert status == 200, answer
        if n % 8 == 4:
            self._make("runs/create", {
                "experiment_id": self.experiment_id, "start_time": 1,
                "run_name": f"run-{n}"})
            self._make("model-versions/create", {
                "name": MODEL, "source": f"s3://{self.key}/{n}"})
        self.batches = n + 1


def history(team, run_id, key):
    points, token = [], ""
    while True:
        status, answer, _ = team.call(
            "GET", f"metrics/get-history?run_id={run_id}&metric_key={key}"
            f"&max_results=1000&page_token={token}")
        assert status == 200, answer
        points += answer.get("metrics", [])
        token = answer.get("next_page_token", "")
        if not token:
            return points


def check_run(team, writer):
    batches = writer.batches
    points = history(team, writer.run_id, "loss")
    assert [p["step"] for p in points] == list(range(5 * batches))
    assert all(p["value"] == p["step"] / 7 for p in points)
    status, answer, _ = team.call("GET", f"runs/get?run_id={writer.run_id}")
    assert status == 200, answer
    data = answer["run"]["data"]
    assert {p["key"]: p["value"] for p in data.get("params", [])} == {
        f"p{n}": str(n) for n in range(batches)}
    assert len(data.get("params", [])) == batches
    tags = {t["key"]: t["value"] for t in data.get("tags", [])}
    latest = {m["key"]: m["step"] for m in data.get("metrics", [])}
    if batches:
        assert tags["last"] == str(batches - 1)
        assert latest == {"loss": 5 * batches - 1}


def whole_batches(team, writer, shared_run):
    """The numbers of those all of which is there."""
    steps = {p["step"] for p in history(team, writer.run_id, "loss")}
    shared = {p["step"] for p in history(team, shared_run, writer.key)}
    _, answer, _ = team.call("GET", f"runs/get?run_id={writer.run_id}")
    data = answer.get("run", {}).get("data", {})
    params = {p["key"] for p in data.get("params", [])}
    return {n for n in range(writer.batches)
            if steps.issuperset(range(5 * n, 5 * n + 5))
            and f"p{n}" in params and (n % 8 or n in shared)}


def pages(team, method, path, body, field):
    rows, token = [], ""
    while True:
        if method == "POST":
            status, answer, _ = team.call(
                method, path, dict(body, page_token=token))
        else:
            query = urllib.parse.urlencode(dict(body, page_token=token))
            status, answer, _ = team.call(method, f"{path}?{query}")
        assert status == 200, answer
        rows += answer.get(field, [])
        token = answer.get("next_page_token", "")
        if not token:
            return rows


def check_made(team, writers):
    """Runs and versions are there as often as they were made."""
    versions = pages(team, "GET", "model-versions/search",
                     {"filter": f"name = '{MODEL}'", "max_results": 1000},
                     "model_versions")
    numbers = {version["version"] for version in versions}
    assert len(numbers) == len(versions)
    sources = collections.Counter(version["source"] for version in versions)
    for writer in writers:
        found = collections.Counter(
            run["info"]["run_name"] for run in pages(
                team, "POST", "runs/search", {
                    "experiment_ids": [writer.experiment_id],
                    "max_results": 1000}, "runs"))
        found += collections.Counter({
            source: count for source, count in sources.items()
            if source.startswith(f"s3://{writer.key}/")})
        assert found.keys() == writer.made.keys()
        for name, most in writer.made.items():
            assert 1 <= found[name] <= most, name


def make_fault(team_servers, database):
    """Stops or kills one of those that take part, and starts it again; how
    many it killed."""
    kind = random.choice(["kill server", "stop server", "kill database",
                          "stop database"])
    if kind.endswith("server"):
        server = random.choice(team_servers)
        if kind.startswith("kill"):
            server.kill()
        else:
            server.stop()
        server.start()
    else:
        database.stop(at_once=kind.startswith("kill"))
        database.start()
    return int(kind.startswith("kill"))


@pytest.fixture(params=[PostgresServer, MariadbServer],
                ids=lambda kind: kind.product.lower())
def database(request):
    with request.param() as server:
        yield server


@pytest.fixture
def servers(database, tmp_path):
    uri = database.make_database("team")
    started = []
    for number in range(SERVERS):
        folder = tmp_path / f"server{number}"
        folder.mkdir()
        started.append(harness.Server(folder, "--backend-store-uri", uri))
    # All at once on an empty database.
    threads = [threading.Thread(target=server.start) for server in started]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    yield started
    for server in started:
        server.kill()


def test_nothing_acknowledged_is_lost_or_doubled(database, servers):
    team = Team(servers)
    status, answer, _ = team.call("POST", "runs/create",
                                  {"experiment_id": "0", "start_time": 1})
    assert status == 200, answer
    shared_run = answer["run"]["info"]["run_id"]
    status, answer, _ = team.call("POST", "registered-models/create",
                                  {"name": MODEL})
    assert status == 200, answer
    stop = threading.Event()
    writers = [Writer(team, number, shared_run, stop)
               for number in range(WRITERS)]
    for writer in writers:
        writer.start()

    def acknowledged():
        for writer in writers:
            if writer.error is not None:
                stop.set()
                raise writer.error
        return sum(writer.batches for writer in writers)

    kills = 0
    for _ in range(ROUNDS):
        goal = acknowledged() + BATCHES_A_ROUND
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while acknowledged() < goal:
            assert time.monotonic() < deadline, "nothing goes on"
            time.sleep(0.01)
        kills += make_fault(servers, database)
        team.urls = [server.root_url for server in servers]
    goal = acknowledged() + BATCHES_A_ROUND
    while acknowledged() < goal:
        time.sleep(0.01)
    stop.set()
    for writer in writers:
        writer.join(GIVE_UP_SECONDS)
    evidence.add("teams", {evidence.CRASHES_SURVIVED: kills,
                           evidence.WRITES: acknowledged()})

    lost = [evidence.missing("teams", range(writer.batches),
                             whole_batches(team, writer, shared_run))
            for writer in writers]
    assert not any(lost)
    for writer in writers:
        check_run(team, writer)
        logged = range(0, writer.batches, 8)
        points = history(team, shared_run, writer.key)
        assert [p["step"] for p in points] == list(logged)
    check_made(team, writers)
    points = history(team, shared_run, "all")
    assert sorted((p["step"], p["value"]) for p in points) == sorted(
        (n, writer.number) for writer in writers
        for n in range(0, writer.batches, 8))
    status, answer, _ = team.call("GET", "experiments/search?max_results=1000")
    names = [e["name"] for e in answer["experiments"]]
    assert sorted(names) == sorted(
        ["Default"] + [writer.key + "-0" for writer in writers])


def test_a_server_waits_for_its_database(database, tmp_path):
    uri = database.make_database("late")
    database.stop()
    server = harness.Server(tmp_path, "--backend-store-uri", uri)
    starter = threading.Thread(target=server.start)
    starter.start()
    while not (server.folder / "server.log").is_file() or (
            f"Waiting for {database.product}" not in server.log()):
        time.sleep(0.02)
    assert "se/cret" not in server.log() and "se%2Fcret" not in server.log()
    database.start()
    starter.join()
    assert server.is_running()
    assert server.stop() == 0


def test_a_server_that_waits_can_be_stopped(database, tmp_path):
    uri = database.make_database("never")
    database.stop()
    server = harness.Server(tmp_path, "--backend-store-uri", uri)
    starter = threading.Thread(target=lambda: pytest.raises(
        RuntimeError, server.start))
    starter.start()
    while not (server.folder / "server.log").is_file() or (
            f"Waiting for {database.product}" not in server.log()):
        time.sleep(0.02)
    server._process.terminate()
    starter.join()
    assert server._process.returncode == 0
