"""Runs, params, tags and metrics through MlflowClient and the fluent API."""

import math
import time

import mlflow
import pytest
from mlflow.entities import Metric, Param, RunStatus, RunTag, ViewType
from mlflow.exceptions import MlflowException


def test_life_of_a_run(client, experiment_id):
    run = client.create_run(experiment_id, start_time=1700000000000,
                            tags={"a": "1"}, run_name="first")
    assert run.info.status == "RUNNING"
    assert run.info.start_time == 1700000000000
    assert run.info.run_name == run.data.tags["mlflow.runName"] == "first"
    assert run.info.artifact_uri == (
        f"mlflow-artifacts:/{experiment_id}/{run.info.run_id}/artifacts")
    client.update_run(run.info.run_id, status="SCHEDULED", name="renamed")
    run = client.get_run(run.info.run_id)
    assert (run.info.status, run.info.run_name) == ("SCHEDULED", "renamed")
    assert run.data.tags == {"a": "1", "mlflow.runName": "renamed"}
    client.set_terminated(run.info.run_id, end_time=1700000009999)
    run = client.get_run(run.info.run_id)
    assert (run.info.status, run.info.end_time) == ("FINISHED", 1700000009999)


def test_unnamed_runs_get_a_name(client, experiment_id):
    run = client.create_run(experiment_id)
    assert run.info.run_name
    assert run.data.tags["mlflow.runName"] == run.info.run_name


def test_deleted_run_is_hidden_and_comes_back(client, experiment_id, run_id):
    client.delete_run(run_id)
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    assert not client.search_runs([experiment_id])
    with pytest.raises(MlflowException):
        client.log_metric(run_id, "m", 1)
    deleted = client.search_runs([experiment_id],
                                 run_view_type=ViewType.DELETED_ONLY)
    assert [r.info.run_id for r in deleted] == [run_id]
    client.restore_run(run_id)
    assert len(client.search_runs([experiment_id])) == 1


def test_unknown_run_is_an_error(client):
    with pytest.raises(MlflowException) as error:
        client.get_run("0" * 32)
    assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_params_are_written_once(client, run_id):
    client.log_param(run_id, "lr", 0.1)
    client.log_param(run_id, "lr", 0.1)
    with pytest.raises(MlflowException) as error:
        client.log_param(run_id, "lr", 0.2)
    assert error.value.error_code == "INVALID_PARAMETER_VALUE"
    client.log_param(run_id, "long", "x" * 6000)
    params = client.get_run(run_id).data.params
    assert params == {"lr": "0.1", "long": "x" * 6000}


def test_tags_are_overwritten_and_deleted(client, run_id):
    client.set_tag(run_id, "k", "old")
    client.set_tag(run_id, "k", "new")
    client.set_tag(run_id, "n", 7)
    assert client.get_run(run_id).data.tags["k"] == "new"
    assert client.get_run(run_id).data.tags["n"] == "7"
    client.delete_tag(run_id, "k")
    assert "k" not in client.get_run(run_id).data.tags
    with pytest.raises(MlflowException) as error:
        client.delete_tag(run_id, "k")
    assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_metric_history_keeps_every_point(client, run_id):
    for step in range(5):
        client.log_metric(run_id, "loss", 1 / (step + 1),
                          timestamp=1000 + step, step=step)
    history = client.get_metric_history(run_id, "loss")
    assert [(m.step, m.timestamp, m.value) for m in history] == [
        (step, 1000 + step, 1 / (step + 1)) for step in range(5)]
    assert client.get_run(run_id).data.metrics == {"loss": 0.2}


def test_special_numbers_survive(client, run_id):
    for key, value in {"nan": math.nan, "inf": math.inf,
                       "ninf": -math.inf}.items():
        client.log_metric(run_id, key, value)
    client.log_metric(run_id, "tiny", 5e-324)
    client.log_metric(run_id, "negative step", 1, step=-3)
    metrics = client.get_run(run_id).data.metrics
    assert math.isnan(metrics["nan"])
    assert metrics["inf"] == 1.7976931348623157e308
    assert metrics["ninf"] == -1.7976931348623157e308
    assert metrics["tiny"] == 5e-324
    point, = client.get_metric_history(run_id, "negative step")
    assert point.step == -3
    assert math.isnan(client.get_metric_history(run_id, "nan")[0].value)


def test_late_points_do_not_replace_the_latest(client, run_id):
    client.log_metric(run_id, "m", 10, step=10)
    client.log_metric(run_id, "m", 3, step=3)
    assert client.get_run(run_id).data.metrics["m"] == 10
    assert len(client.get_metric_history(run_id, "m")) == 2


def test_log_batch_of_the_greatest_size(client, run_id):
    metrics = [Metric(f"m{i % 10}", i, 1000 + i, i // 10) for i in range(800)]
    params = [Param(f"p{i}", str(i)) for i in range(100)]
    tags = [RunTag(f"t{i}", str(i)) for i in range(100)]
    client.log_batch(run_id, metrics=metrics, params=params, tags=tags)
    data = client.get_run(run_id).data
    assert data.metrics == {f"m{i}": 790.0 + i for i in range(10)}
    assert data.params == {f"p{i}": str(i) for i in range(100)}
    assert data.tags.items() >= {f"t{i}": str(i) for i in range(100)}.items()
    assert len(client.get_metric_history(run_id, "m3")) == 80


def test_a_refused_batch_leaves_nothing(client, run_id):
    client.log_param(run_id, "p", "1")
    with pytest.raises(MlflowException):
        client.log_batch(run_id, params=[Param("q", "1"), Param("p", "2")])
    assert client.get_run(run_id).data.params == {"p": "1"}


def test_long_histories_arrive_whole(client, run_id):
    for start in range(0, 30000, 1000):
        client.log_batch(run_id, metrics=[
            Metric("long", i * 0.5, i, i)
            for i in range(start, start + 1000)])
    history = client.get_metric_history(run_id, "long")
    assert len(history) == 30000
    assert sorted(m.step for m in history) == list(range(30000))
    assert all(m.value == m.step * 0.5 for m in history)


def test_fluent_run(client, experiment):
    with mlflow.start_run(run_name="outer", tags={"kind": "demo"},
                          description="what it is") as run:
        mlflow.log_param("optimizer", "adam")
        mlflow.log_params({"layers": 3, "dropout": 0.5})
        mlflow.log_metric("accuracy", 0.9, step=1)
        mlflow.log_metrics({"loss": 0.1, "f1": 0.8}, step=2)
        mlflow.set_tag("one", 1)
        mlflow.set_tags({"two": 2, "three": "drei"})
        mlflow.delete_tag("two")
    run = client.get_run(run.info.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.end_time >= run.info.start_time
    assert run.data.params == {
        "optimizer": "adam", "layers": "3", "dropout": "0.5"}
    assert run.data.metrics == {"accuracy": 0.9, "loss": 0.1, "f1": 0.8}
    assert run.data.tags["mlflow.note.content"] == "what it is"
    assert "two" not in run.data.tags and run.data.tags["three"] == "drei"


def test_failed_run_says_so(client, experiment):
    with pytest.raises(ZeroDivisionError):
        with mlflow.start_run() as run:
            1 / 0
    assert client.get_run(run.info.run_id).info.status == "FAILED"


def test_nested_runs_know_their_parent(client, experiment):
    with mlflow.start_run() as parent:
        children = []
        for i in range(3):
            with mlflow.start_run(nested=True, run_name=f"child {i}") as child:
                mlflow.log_metric("i", i)
                children.append(child.info.run_id)
    assert client.get_parent_run(children[0]).info.run_id == parent.info.run_id
    assert client.get_parent_run(parent.info.run_id) is None
    found = client.search_runs(
        [experiment],
        f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert {r.info.run_id for r in found} == set(children)


def test_a_finished_run_is_resumed(client, experiment):
    with mlflow.start_run() as run:
        mlflow.log_metric("m", 1, step=1)
    with mlflow.start_run(run_id=run.info.run_id):
        assert client.get_run(run.info.run_id).info.status == "RUNNING"
        mlflow.log_metric("m", 2, step=2)
    run = client.get_run(run.info.run_id)
    assert (run.info.status, run.data.metrics["m"]) == ("FINISHED", 2)


def test_asynchronous_logging_arrives(client, experiment):
    with mlflow.start_run() as run:
        pending = [mlflow.log_metric("m", i, step=i, synchronous=False)
                   for i in range(50)]
        pending.append(mlflow.log_param("p", "v", synchronous=False))
        pending.append(mlflow.set_tag("t", "v", synchronous=False))
        for each in pending:
            each.wait()
    assert len(client.get_metric_history(run.info.run_id, "m")) == 50
    data = client.get_run(run.info.run_id).data
    assert (data.params["p"], data.tags["t"]) == ("v", "v")


def test_killed_status(client, run_id):
    client.set_terminated(run_id, "KILLED")
    info = client.get_run(run_id).info
    assert RunStatus.from_string(info.status) == RunStatus.KILLED
    assert abs(info.end_time - time.time() * 1000) < 60_000
