"""The connection to the database is lost between a COMMIT and its answer: what
was asked for is there once, at the latest when it is asked for again."""

import http.client
import itertools
import json

import pytest

import harness
from cutting_proxy import CuttingProxy
from mariadb import MariadbServer
from postgres import PostgresServer

pytestmark = pytest.mark.skipif(
    harness.REFERENCE is not None, reason="about our server")

names = itertools.count()


@pytest.fixture(scope="module", params=[PostgresServer, MariadbServer],
                ids=lambda kind: kind.product.lower())
def proxy(request):
    with request.param(fsync=False) as database, \
            CuttingProxy(database) as between:
        database.make_database("lost")
        between.uri = database.uri("lost").replace(
            f":{database.port}/", f":{between.port}/")
        yield between


@pytest.fixture(scope="module")
def server(proxy, tmp_path_factory):
    started = harness.Server(tmp_path_factory.mktemp("server"),
                             "--backend-store-uri", proxy.uri).start()
    yield started
    started.kill()


@pytest.fixture(params=[False, True], ids=["undone", "done"])
def lose(request, proxy, server):
    """lose(path, body): the answer to a call whose commit is lost."""

    def call(path, body):
        cuts = proxy.cuts
        proxy.cut_next_commit(is_carried_out=request.param)
        answer = send(server, "POST", path, body)
        assert proxy.cuts == cuts + 1
        return answer

    return call


def send(server, method, path, body=None):
    connection = http.client.HTTPConnection(
        server.root_url.partition("//")[2], timeout=60)
    try:
        connection.request(method, f"/api/2.0/mlflow/{path}",
                           body=None if body is None else json.dumps(body),
                           headers={"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def ask(server, path, body=None):
    status, answer = send(server, "GET" if body is None else "POST", path,
                          body)
    assert status == 200, answer
    return answer


@pytest.fixture
def run(server):
    answer = ask(server, "runs/create", {"experiment_id": "0"})
    return answer["run"]["info"]["run_id"]


def test_what_is_logged_again_is_there_once(server, lose, run):
    calls = [
        ("runs/log-batch", {
            "run_id": run, "metrics": [
                {"key": "m", "value": n, "timestamp": n, "step": n}
                for n in range(5)],
            "params": [{"key": "p", "value": "1"}],
            "tags": [{"key": "t", "value": "1"}]}),
        ("runs/log-metric", {"run_id": run, "key": "m", "value": 7,
                             "timestamp": 7, "step": 7}),
        ("runs/log-parameter", {"run_id": run, "key": "q", "value": "2"}),
        ("runs/set-tag", {"run_id": run, "key": "t", "value": "2"}),
        ("runs/log-inputs", {"run_id": run, "datasets": [{
            "dataset": {"name": "d", "digest": "d", "source_type": "t",
                        "source": "s"},
            "tags": [{"key": "k", "value": "v"}]}]}),
        ("runs/update", {"run_id": run, "status": "FINISHED", "end_time": 9}),
    ]
    for path, body in calls:
        status, answer = lose(path, body)
        assert status == 503, (path, answer)
        assert answer["error_code"] == "TEMPORARILY_UNAVAILABLE"
        ask(server, path, body)
    points = ask(server, f"metrics/get-history?run_id={run}&metric_key=m")
    assert [p["step"] for p in points["metrics"]] == [0, 1, 2, 3, 4, 7]
    kept = ask(server, f"runs/get?run_id={run}")["run"]
    assert kept["info"]["end_time"] == 9
    assert {p["key"]: p["value"] for p in kept["data"]["params"]} == {
        "p": "1", "q": "2"}
    assert {"key": "t", "value": "2"} in kept["data"]["tags"]
    assert len(kept["inputs"]["dataset_inputs"]) == 1


def test_what_is_made_is_made_once(server, lose):
    name = f"made-{next(names)}"
    status, answer = lose("experiments/create", {"name": name})
    assert status == 200, answer
    experiment = answer["experiment_id"]
    assert ask(server, f"experiments/get?experiment_id={experiment}")[
        "experiment"]["name"] == name
    status, answer = lose("runs/create", {"experiment_id": experiment,
                                          "tags": [{"key": "k",
                                                    "value": "v"}]})
    assert status == 200, answer
    found = ask(server, "runs/search", {"experiment_ids": [experiment]})
    assert [r["info"]["run_id"] for r in found["runs"]] == [
        answer["run"]["info"]["run_id"]]
    status, answer = lose("logged-models", {"experiment_id": experiment,
                                            "name": name})
    assert status == 200, answer
    found = ask(server, "logged-models/search",
                {"experiment_ids": [experiment]})
    assert [m["info"]["model_id"] for m in found["models"]] == [
        answer["model"]["info"]["model_id"]]


def test_what_is_registered_is_registered_once(server, lose):
    name = f"registered-{next(names)}"
    status, answer = lose("registered-models/create", {"name": name})
    assert status == 200, answer
    for number in ("1", "2"):
        status, answer = lose("model-versions/create",
                              {"name": name, "source": "s3://b/m"})
        assert status == 200, answer
        assert answer["model_version"]["version"] == number
    found = ask(server, f"model-versions/search?filter=name='{name}'")
    assert {v["version"] for v in found["model_versions"]} == {"1", "2"}
