"""What the server tells those who watch it: /metrics and the log."""

import json
import re
import urllib.error
import urllib.request

import pytest

import harness


def fetch(url, **headers):
    request = urllib.request.Request(
        url, headers={name.replace("_", "-"): value
                      for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, reply.read().decode(), reply.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def series(text):
    """{'name{labels}': value} of a text of Prometheus' format."""
    rows = (line.rsplit(" ", 1) for line in text.splitlines()
            if line and not line.startswith("#"))
    return {name: float(value) for name, value in rows}


def count(text, name, **labels):
    """Sum of the series `name` that have at least these labels."""
    return sum(
        value for key, value in series(text).items()
        if re.split("[{]", key)[0] == name
        and all(f'{label}="{wanted}"' in key
                for label, wanted in labels.items()))


@pytest.fixture
def watched(start_server):
    if harness.REFERENCE:
        pytest.skip("the reference needs a package for it")
    return start_server("--expose-prometheus", "any", "--access-log",
                        "--log-format", "json")


def test_metrics_are_off_unless_asked_for(server):
    assert fetch(f"{server.url}/metrics")[0] == 404


def test_requests_are_counted_as_mlflow_counts_them(watched):
    get = f"{watched.url}/api/2.0/mlflow/experiments/get?experiment_id="
    assert fetch(get + "0")[0] == 200
    assert fetch(get + "77")[0] == 404
    assert fetch(f"{watched.url}/health")[0] == 200
    status, text, headers = fetch(f"{watched.url}/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = series(text)
    for wanted in ("200", "404"):
        assert found['mlflow_http_request_total{method="GET",'
                     f'status="{wanted}"}}'] == 1
        assert found[
            'mlflow_http_request_duration_seconds_count{method="GET",'
            f'mlflow_version="3.17.2",status="{wanted}"}}'] == 1
    assert count(text, "millstream_call_duration_seconds_count",
                 method="GetExperiment", door="rest") == 2
    assert count(text, "millstream_call_failures_total",
                 method="GetExperiment", code="RESOURCE_DOES_NOT_EXIST") == 1


def test_what_training_logs_is_counted(watched):
    def post(rpc, body):
        request = urllib.request.Request(
            f"{watched.url}/api/2.0/mlflow/runs/{rpc}",
            json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)

    run = post("create", {"experiment_id": "0"})["run"]["info"]["run_id"]
    post("log-batch", {"run_id": run, "metrics": [
        {"key": key, "value": 1.0, "timestamp": 0, "step": 0}
        for key in ("a", "b")]})
    post("log-metric", {"run_id": run, "key": "a", "value": 3.0,
                        "timestamp": 0, "step": 1})
    _, text, _ = fetch(f"{watched.url}/metrics")
    assert count(text, "millstream_points_logged_total") == 3
    assert count(text, "millstream_sqlite_commits_total") >= 1
    for name in ("millstream_rocksdb_memtable_bytes",
                 "process_resident_memory_bytes"):
        assert count(text, name) > 0


def test_a_request_is_found_again_in_the_log(watched):
    _, _, headers = fetch(
        f"{watched.url}/api/2.0/mlflow/experiments/get?experiment_id=77",
        X_Request_Id="from-the-balancer-7")
    assert headers["X-Request-Id"] == "from-the-balancer-7"
    _, _, headers = fetch(f"{watched.url}/version")
    assert headers["X-Request-Id"]
    lines = [json.loads(line) for line in watched.log().splitlines()
             if line.startswith("{")]
    [line] = [line for line in lines
              if line.get("request_id") == "from-the-balancer-7"]
    assert line["message"] == "request"
    assert line["method"] == "GET"
    assert line["status"] == 404
    assert line["path"] == "/api/2.0/mlflow/experiments/get"
    assert line["ms"] > 0


def test_the_log_says_that_the_server_stops(watched):
    assert watched.stop() == 0
    lines = [json.loads(line) for line in watched.log().splitlines()
             if line.startswith("{")]
    assert [(line["message"], line.get("signal")) for line in lines[-2:]] == [
        ("stopping", "SIGTERM"), ("stopped", None)]
