"""What a team does with a server, and whether all of it is there later."""

import json
import os
import pathlib
import subprocess
import sys
import time
import uuid

import mlflow
import pandas
import requests

import harness
import seed
import train

SCRIPTS = harness.ROOT / "tests" / "compat" / "scripts"
BROWSER = harness.ROOT / "tests" / "browser"
SCENARIOS = ("the_default_experiment_is_there",
             "metric_charts_of_a_run_are_drawn", "artifacts_are_previewed")
SECONDS = 180


def fill(url):
    """Trains, logs and registers through the stock client; what there is to
    read back then."""
    mlflow.set_tracking_uri(url)
    mlflow.set_registry_uri(url)
    ids = seed.main(url)
    train.main("lines", "line")
    return ids


def read_back(url, ids):
    """Through another server, or the same one restarted."""
    mlflow.set_tracking_uri(url)
    mlflow.set_registry_uri(url)
    client = mlflow.MlflowClient(url)
    assert {e.name for e in client.search_experiments()} >= {
        "Default", "stones", "pebbles", "lines"}
    run = client.get_run(ids["runs"]["amber"])
    assert run.data.params == {"learning_rate": "0.1", "optimizer": "adam"}
    assert run.data.metrics == {"accuracy": 0.71, "train/loss": 1.5}
    points = client.get_metric_history(run.info.run_id, "accuracy")
    assert [p.step for p in points] == list(range(30))
    found = client.search_runs([ids["experiment"]], "metrics.accuracy > 0.8",
                               order_by=["metrics.accuracy DESC"])
    assert [r.info.run_name for r in found] == ["basalt", "cedar"]
    settings = mlflow.artifacts.load_dict(
        client.get_run(ids["runs"]["basalt"]).info.artifact_uri
        + "/settings.json")
    assert settings == {"coefficients": [0.25, 0.75]}
    assert client.get_model_version_by_alias(
        "stone-model", "champion").version == "2"
    model = mlflow.pyfunc.load_model("models:/line@best")
    predicted = model.predict(pandas.DataFrame({"x": [0.0, 1.0]}))
    assert [round(float(y), 1) for y in predicted] == [0.5, 3.5]


def see(url, ids, folder, environment=()):
    """MLflow's UI in a browser that knows what the environment says."""
    shots = pathlib.Path(folder) / f"shots-{uuid.uuid4().hex[:8]}"
    shots.mkdir()
    (shots / "seed.json").write_text(json.dumps(ids))
    ended = subprocess.run(
        ["node", "walk.mjs", url, shots / "seed.json", shots, *SCENARIOS],
        cwd=BROWSER, env={**os.environ, **dict(environment)},
        capture_output=True, text=True, timeout=SECONDS)
    assert ended.returncode == 0, ended.stderr
    played = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [p["name"] for p in played] == list(SCENARIOS)
    assert not any(p["problems"] for p in played), played


def program(*arguments, environment):
    """A Python program as its user starts it: what it printed."""
    # mlflow leaves there what it was told here.
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith(("MLFLOW_TRACKING_", "MLFLOW_REGISTRY_",
                                     "MLFLOW_EXPERIMENT_"))}
    ended = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**clean, **environment}, capture_output=True, text=True,
        timeout=SECONDS)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def until(true):
    """Waits for what takes a moment."""
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def restart(copies):
    """`docker stop`, which ends well, and `docker start`."""
    for copy in copies:
        assert copy.stop() == 0, copy.log()
    for copy in copies:
        copy.start()


def assert_closed(url, verify=True):
    """To everybody without a password; /health is for load balancers."""
    for path in ("/", "/static-files/index.html", "/version", "/nothing",
                 "/api/2.0/mlflow/experiments/search?max_results=1",
                 "/ajax-api/2.0/mlflow/experiments/search?max_results=1",
                 "/get-artifact?run_id=1&path=a", "/graphql"):
        answer = requests.get(url + path, timeout=30, verify=verify)
        assert answer.status_code == 401, path
        assert answer.headers["WWW-Authenticate"].startswith("Basic"), path
    assert requests.get(url + "/health", timeout=30,
                        verify=verify).text == "OK"
