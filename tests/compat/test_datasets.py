"""Datasets logged as inputs of runs."""

import mlflow
import pandas
import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag


def test_a_table_is_logged_as_input(client, experiment):
    frame = pandas.DataFrame({"x": [1, 2, 3], "y": [0.1, 0.2, 0.3]})
    data = mlflow.data.from_pandas(frame, source="https://example.org/x.csv",
                                   name="points", targets="y")
    with mlflow.start_run() as run:
        mlflow.log_input(data, context="training", tags={"split": "a"})
        mlflow.log_input(data, context="training")  # once more: no double
    logged, = client.get_run(run.info.run_id).inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.digest) == (
        "points", data.digest)
    assert "x" in logged.dataset.schema
    assert logged.tags[0].key in ("mlflow.data.context", "split")
    assert mlflow.data.get_source(logged.dataset).url == (
        "https://example.org/x.csv")


def test_inputs_by_the_client_and_search_by_dataset(client, experiment_id,
                                                    run_id):
    other = client.create_run(experiment_id).info.run_id
    for each, name, context in ((run_id, "train", "t"), (other, "eval", "e")):
        client.log_inputs(each, datasets=[DatasetInput(
            Dataset(name=name, digest=f"digest-{name}", source_type="local",
                    source='{"uri": "file:///d"}', schema="{}", profile="{}"),
            [InputTag("mlflow.data.context", context)])])

    def search(text):
        return [r.info.run_id for r in client.search_runs([experiment_id],
                                                          text)]

    assert search("datasets.name = 'train'") == [run_id]
    assert search("dataset.digest = 'digest-eval'") == [other]
    assert search("datasets.context = 'e'") == [other]
    assert search("datasets.name LIKE 't%'") == [run_id]
    logged, = client.get_run(other).inputs.dataset_inputs
    assert logged.dataset.profile == "{}"
    assert logged.tags == [InputTag("mlflow.data.context", "e")]


@pytest.mark.needs_3
def test_models_as_inputs_and_outputs(client, experiment_id, run_id):
    from mlflow.entities import LoggedModelInput, LoggedModelOutput

    read = client.create_logged_model(experiment_id, "read")
    made = client.create_logged_model(experiment_id, "made",
                                      source_run_id=run_id)
    client.log_inputs(run_id, models=[LoggedModelInput(read.model_id)])
    client.log_outputs(run_id, [LoggedModelOutput(made.model_id, step=7)])
    run = client.get_run(run_id)
    assert [m.model_id for m in run.inputs.model_inputs] == [read.model_id]
    assert [(m.model_id, m.step) for m in run.outputs.model_outputs] == [
        (made.model_id, 7)]
