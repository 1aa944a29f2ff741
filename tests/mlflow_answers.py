"""What a server says of all that it holds, so that two servers on one database
can be compared; and what there is to be said, written by the stock client."""

import json
import math
import urllib.error
import urllib.request

import mlflow
from mlflow import MlflowClient
from mlflow.entities import (Dataset, DatasetInput, InputTag, LoggedModelInput,
                             LoggedModelOutput, LoggedModelParameter, Metric,
                             Param, RunTag)

API = "/api/2.0/mlflow/"
FILTERS = [
    "", "metrics.loss < 0.3", "metrics.nan != 1", "params.lr = '0.1'",
    "params.opt LIKE 'A%'", "tags.color ILIKE 'r%'", "tags.color != 'red'",
    "attributes.run_name = 'first'", "attributes.status = 'FINISHED'",
    "dataset.name = 'wine'", "dataset.context = 'train'",
    "metrics.loss > 0 AND params.lr != '1' AND attributes.start_time > 0",
]
ORDERS = [[], ["metrics.loss ASC"], ["metrics.nan DESC"], ["params.lr"],
          ["tags.color DESC", "attributes.start_time ASC"],
          ["attributes.run_name"]]


def fill(url, label):
    """Makes some of everything that a database keeps of runs and models."""
    # This process may remember a model and a registry that it used before.
    mlflow.clear_active_model()
    client = MlflowClient(url, registry_uri=url)
    experiment = client.create_experiment(f"{label}-filled", tags={"k": "v"})
    client.create_experiment(f"{label}-located", artifact_location="s3://b/x")
    gone = client.create_experiment(f"{label}-gone")
    client.set_experiment_tag(experiment, "z", "last")
    runs = [_run(client, experiment, label, n) for n in range(4)]
    _models(client, experiment, runs, label)
    client.delete_run(runs[3])
    client.delete_experiment(gone)
    _registry(client, runs[0], label)


def _run(client, experiment, label, n):
    start = 1_700_000_000_000 + n
    run = client.create_run(
        experiment, start_time=start, run_name=["first", "second", None,
                                                "fourth"][n],
        tags={"color": ["red", "Rose", "blue", "red"][n]}).info.run_id
    points = [Metric("loss", 1 / (s + n + 1), start + s, s) for s in range(20)]
    points += [Metric("same", v, start, 7) for v in (2.0, -1.0, 2.0, 1e300)]
    points += [Metric("nan", math.nan, start, 1), Metric("inf", math.inf,
                                                         start, 1),
               Metric("-inf", -math.inf, start, 1),
               Metric("nan", float(n), start, 0)]
    client.log_batch(run, metrics=points,
                     params=[Param("lr", ["0.1", "1", "0.1", "2"][n]),
                             Param("opt", ["Adam", "sgd"][n % 2]),
                             Param("long", "x" * 6000), Param("a/b c", "ß☃")],
                     tags=[RunTag("mlflow.note.content", "note\n☃"),
                           RunTag("empty", "")])
    client.log_metric(run, "late", 5, timestamp=start + 9, step=-3)
    if n == 0:
        dataset = Dataset("wine", f"digest-{label}", "local", "{}",
                          schema='{"a": 1}', profile='{"b": 2}')
        client.log_inputs(run, [DatasetInput(
            dataset, [InputTag("mlflow.data.context", "train")])])
    if n != 1:
        client.set_terminated(run, "FINISHED", end_time=start + 1000)
    return run


def _models(client, experiment, runs, label):
    model = client.create_logged_model(
        experiment, name=f"{label}-model", source_run_id=runs[0],
        tags={"t": "1"}, params={"depth": "3"}, model_type="agent").model_id
    client.create_logged_model(experiment, name=f"{label}-pending")
    client.log_batch(runs[0], metrics=[
        Metric("acc", 0.5, 1_700_000_000_500, 3, model_id=model,
               dataset_name="wine", dataset_digest=f"digest-{label}")])
    client.log_model_params(model, {"more": "4"})
    client.set_logged_model_tags(model, {"u": "2"})
    client.finalize_logged_model(model, "READY")
    client.log_inputs(runs[1], models=[LoggedModelInput(model)])
    client.log_outputs(runs[0], models=[LoggedModelOutput(model, step=3)])


def _registry(client, run, label):
    name = f"{label}-registered"
    client.create_registered_model(name, tags={"a": "b"}, description="words")
    for n in range(3):
        client.create_model_version(name, f"runs:/{run}/m{n}", run_id=run,
                                    tags={"n": str(n)}, description=f"v{n}")
    client.set_registered_model_alias(name, "best", "2")
    client.transition_model_version_stage(name, "1", "Staging")
    client.delete_model_version(name, "3")
    client.create_registered_model(f"{label}-before")
    client.rename_registered_model(f"{label}-before", f"{label}-after")
    client.create_prompt(f"{label}-prompt")


def ask(url):
    """Every answer, by request; what has no order of its own is sorted."""
    answers = {}

    def call(path, body=None, **query):
        key = f"{path} {json.dumps(body)} {json.dumps(query)}"
        answers[key] = _normal(_send(url, path, body, query))
        return answers[key]

    found = call("experiments/search", {"max_results": 1000,
                                        "view_type": "ALL"})
    ids = [e["experiment_id"] for e in found["experiments"]]
    call("experiments/search", {"max_results": 2, "order_by": ["name ASC"],
                                "filter": "tags.k = 'v'"})
    for each in ids:
        call("experiments/get", experiment_id=each)
    for text in FILTERS:
        call("runs/search", {"experiment_ids": ids, "filter": text})
    for order in ORDERS:
        call("runs/search", {"experiment_ids": ids, "order_by": order})
    runs = call("runs/search", {"experiment_ids": ids, "run_view_type": "ALL",
                                "max_results": 1000})["runs"]
    for run in runs:
        _ask_run(call, run["info"]["run_id"], run["data"])
    _ask_models(call, ids)
    return answers


def _ask_run(call, run_id, data):
    call("runs/get", run_id=run_id)
    for metric in data.get("metrics", []):
        call("metrics/get-history", run_id=run_id, metric_key=metric["key"])
        call("metrics/get-history-bulk-interval", run_ids=run_id,
             metric_key=metric["key"], max_results=5)


def _ask_models(call, ids):
    found = call("logged-models/search", {"experiment_ids": ids})
    for model in found.get("models", []):
        call(f"logged-models/{model['info']['model_id']}")
    call("logged-models/search", {"experiment_ids": ids,
                                  "filter": "metrics.acc > 0.1"})
    call("experiments/search-datasets", {"experiment_ids": ids})
    call("registered-models/search",
         filter="tags.`mlflow.prompt.is_prompt` = 'true'")
    models = call("registered-models/search", max_results=100)
    for model in models.get("registered_models", []):
        call("registered-models/get", name=model["name"])
        call("model-versions/search", filter=f"name = '{model['name']}'")
        call("registered-models/alias", name=model["name"], alias="best")


def _send(url, path, body, query):
    base = "/ajax-api/2.0/mlflow/" if "bulk" in path or "datasets" in path \
        else API
    text = "&".join(f"{k}={urllib.request.quote(str(v))}"
                    for k, v in query.items())
    request = urllib.request.Request(
        f"{url}{base}{path}" + (f"?{text}" if text else ""),
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read())
    except urllib.error.HTTPError as error:
        answer = json.loads(error.read())
        return {"status": error.code, "error_code": answer.get("error_code")}


def _normal(value):
    if isinstance(value, dict):
        if "latest_versions" in value:
            value["latest_versions"].sort(key=lambda v: int(v["version"]))
        if "dataset_summaries" in value:
            value["dataset_summaries"].sort(key=str)
        return {k: _normal(v) for k, v in value.items()}
    if not isinstance(value, list):
        return value
    items = [_normal(v) for v in value]
    if all(isinstance(i, dict) and {"key", "value"} <= set(i) for i in items):
        keys = {i["key"] for i in items}
        # Not a metric's history, whose order is its own.
        if len(keys) == len(items):
            return sorted(items, key=lambda i: i["key"])
    return items
