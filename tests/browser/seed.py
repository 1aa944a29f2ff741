"""Fills a server, by the stock client, with what the browser tests look at.

Usage: seed.py URL; prints the ids as JSON.
"""

import io
import json
import os
import sys

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow  # noqa: E402
import numpy  # noqa: E402
import pandas  # noqa: E402
from mlflow.entities import Metric, Param, RunTag  # noqa: E402

RUNS = [
    # name, learning rate, accuracy, status
    ("amber", "0.1", 0.71, "FINISHED"),
    ("basalt", "0.01", 0.93, "FINISHED"),
    ("cedar", "0.001", 0.82, "FAILED"),
    ("dune", "0.03", 0.64, "FINISHED"),
]
MLMODEL = """\
artifact_path: model
flavors: {}
signature:
  inputs: '[{"type": "double", "name": "weight", "required": true}]'
  outputs: '[{"type": "string", "name": "stone", "required": true}]'
"""
TEXT = "The first line of the note.\nThe second line."


def add_run(client, experiment_id, number):
    name, learning_rate, accuracy, status = RUNS[number]
    run_id = client.create_run(
        experiment_id, run_name=name,
        start_time=1700000000000 + number * 3_600_000).info.run_id
    points = [Metric(key, value + slope * (29 - step),
                     1700000000000 + 1000 * step, step)
              for step in range(30)
              for key, value, slope in (("accuracy", accuracy, -0.02),
                                        ("train/loss", 1.5, 0.25))]
    client.log_batch(run_id, points,
                     [Param("learning_rate", learning_rate),
                      Param("optimizer", "sgd" if number % 2 else "adam")],
                     [RunTag("team", "vision"), RunTag("speed", f"v{number}")])
    client.set_terminated(run_id, status,
                          1700000060000 + number * 3_600_000)
    return run_id


def add_artifacts(client, run_id):
    client.log_text(run_id, TEXT, "notes/plain.txt")
    client.log_text(run_id, MLMODEL, "model/MLmodel")
    client.log_dict(run_id, {"coefficients": [0.25, 0.75]}, "settings.json")
    image = numpy.zeros((60, 90, 3), numpy.uint8)
    image[:, :45] = (200, 30, 30)
    client.log_image(run_id, image, "red-and-black.png")


def add_models(client, run_id, experiment_id):
    model = client.create_logged_model(
        experiment_id, "stone-classifier", source_run_id=run_id,
        params={"depth": "3"}, tags={"kind": "demo"})
    client.finalize_logged_model(model.model_id, "READY")
    client.create_registered_model(
        "stone-model", tags={"owner": "geology"},
        description="Tells stones apart.")
    source = client.get_run(run_id).info.artifact_uri + "/model"
    for text in "first try", "second try":
        client.create_model_version("stone-model", source, run_id,
                                    description=text)
    client.set_registered_model_alias("stone-model", "champion", "2")
    client.set_model_version_tag("stone-model", "2", "checked", "yes")
    client.create_registered_model("quiet-model")
    client.create_model_version("quiet-model", source, run_id)
    return model.model_id


def add_dataset(experiment_id, run_id):
    mlflow.set_experiment(experiment_id=experiment_id)
    frame = pandas.DataFrame({"x": [1.0, 2.0], "y": [3.0, 4.0]})
    with mlflow.start_run(run_id=run_id):
        mlflow.log_input(mlflow.data.from_pandas(frame, name="stone-table"),
                         context="training")
    # start_run made it RUNNING; leaving it made it FINISHED again.


def main(url):
    mlflow.set_tracking_uri(url)
    mlflow.set_registry_uri(url)
    client = mlflow.MlflowClient(url)
    experiment_id = client.create_experiment(
        "stones", tags={"mlflow.experimentKind": "custom_model_development",
                        "mlflow.note.content": "About **stones**."})
    run_ids = [add_run(client, experiment_id, i) for i in range(len(RUNS))]
    add_dataset(experiment_id, run_ids[0])
    add_artifacts(client, run_ids[1])
    kind = {"mlflow.experimentKind": "custom_model_development"}
    other = client.create_experiment("pebbles", tags=kind)
    unnamed = client.create_run(other).info.run_id
    client.create_experiment("to be renamed", tags=kind)
    client.create_experiment("to be deleted", tags=kind)
    victim = client.create_experiment("deleting runs", tags=kind)
    for name in "survivor", "victim":
        client.create_run(victim, run_name=name)
    return {
        "experiment": experiment_id,
        "runs": dict(zip((name for name, *_ in RUNS), run_ids)),
        "deleting": victim,
        "renaming": other,
        "unnamed": unnamed,
        "model": add_models(client, run_ids[1], experiment_id),
    }


if __name__ == "__main__":
    real, sys.stdout = sys.stdout, io.StringIO()  # the client prints links
    ids = main(sys.argv[1])
    json.dump(ids, real)
