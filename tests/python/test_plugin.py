"""mlflow with millstream:// and a server that goes away and comes back.

That everything else works is what tests/compat shows: it runs through the
plugin too.
"""

import multiprocessing
import os
import threading
import time

import mlflow
import pytest
from millstream import _session
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

OWN_SERVER = True
N = 300
IS_3 = int(mlflow.__version__.split(".")[0]) >= 3


@pytest.fixture
def tracking(server, uri_of, monkeypatch, end_sessions):
    """Points mlflow at the server, as a user's environment would."""
    uri = uri_of(server)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    yield uri
    while mlflow.active_run():
        mlflow.end_run()
    end_sessions()


@pytest.fixture
def client(tracking):
    return mlflow.MlflowClient()


def steps(client, run_id, key):
    return sorted(m.step for m in client.get_metric_history(run_id, key))


def flush():
    for session in list(_session._sessions):
        assert session.flush(timeout=30)


def test_training_does_not_notice_that_the_server_is_away(
        server, client, tmp_path):
    with mlflow.start_run() as outer:
        mlflow.log_metric("m", 0.0, step=0)
        with mlflow.start_run(nested=True) as inner:
            mlflow.log_metric("m", 0.0, step=0)
            assert steps(client, inner.info.run_id, "m") == [0]
            server.kill()
            began = time.monotonic()
            for step in range(1, N):
                mlflow.log_metric("m", step, step=step)
                mlflow.log_metrics({"a": 1.0, "b": 2.0}, step=step)
            mlflow.log_param("lr", 0.5)
            mlflow.set_tag("phase", "warm")
            mlflow.set_tag("phase", "hot")
            # What mlflow asks for while it logs.
            mlflow.log_metric("m", 1.0, step=N, run_id=inner.info.run_id)
            assert client.get_run(inner.info.run_id).info.status == "RUNNING"
        mlflow.log_metric("m", 1.0, step=1)
    assert time.monotonic() - began < 20
    server.start()
    flush()
    run = client.get_run(inner.info.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"lr": "0.5"}
    assert run.data.tags["phase"] == "hot"
    assert steps(client, run.info.run_id, "m") == list(range(N + 1))
    assert steps(client, run.info.run_id, "b") == list(range(1, N))
    assert client.get_run(outer.info.run_id).info.status == "FINISHED"
    assert steps(client, outer.info.run_id, "m") == [0, 1]


def test_a_run_is_started_while_the_server_is_away(
        server, client, tmp_path):
    experiment = client.create_experiment("known")
    server.kill()
    file = tmp_path / "file"
    file.write_text("content")
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_param("lr", 0.5)
        mlflow.log_metric("m", 1.0)
        assert mlflow.get_run(run.info.run_id).info.status == "RUNNING"
        with mlflow.start_run(nested=True, run_name="inner") as inner:
            mlflow.log_metric("m", 2.0)
        # In time for what needs it.
        back = threading.Timer(1, server.start)
        back.start()
        mlflow.log_artifact(file, "folder")
        back.join()
    flush()
    got = client.get_run(run.info.run_id)
    assert got.info.status == "FINISHED" and got.data.params == {"lr": "0.5"}
    assert got.info.run_name == run.info.run_name
    assert got.info.experiment_id == experiment
    assert [f.path for f in client.list_artifacts(
        run.info.run_id, "folder")] == ["folder/file"]
    got = client.get_run(inner.info.run_id)
    assert got.data.tags["mlflow.parentRunId"] == run.info.run_id
    assert got.info.run_name == "inner" and got.data.metrics == {"m": 2.0}


def test_reads_see_what_was_logged_before(client):
    run_id = client.create_run("0").info.run_id
    for step in range(20):
        client.log_metric(run_id, "m", step, step=step)
        assert client.get_run(run_id).data.metrics["m"] == step
    client.log_metric(run_id, "n", 5)
    assert run_id in [r.info.run_id for r in client.search_runs(
        ["0"], "metrics.n = 5")]


def test_errors_reach_the_caller(client):
    run_id = client.create_run("0").info.run_id
    client.log_param(run_id, "lr", 1)
    for act, code in [
            (lambda: client.log_param(run_id, "lr", 2),
             "INVALID_PARAMETER_VALUE"),
            (lambda: client.log_metric("0" * 32, "m", 1.0),
             "RESOURCE_DOES_NOT_EXIST"),
            (lambda: client.log_metric(run_id, "bad name!", 1.0),
             "INVALID_PARAMETER_VALUE"),
            (lambda: client.log_batch(run_id, [Metric("m", 1.0, -1, 0)]),
             "INVALID_PARAMETER_VALUE"),
            (lambda: client.get_run("0" * 32), "RESOURCE_DOES_NOT_EXIST"),
            (lambda: client.get_registered_model("none"),
             "RESOURCE_DOES_NOT_EXIST")]:
        with pytest.raises(MlflowException) as error:
            act()
        assert error.value.error_code == code


def test_a_batch_that_is_refused_leaves_nothing(client):
    run_id = client.create_run("0").info.run_id
    client.log_param(run_id, "lr", 1)
    now = int(time.time() * 1000)
    with pytest.raises(MlflowException):
        client.log_batch(run_id, [Metric("m", 1.0, now, 0)],
                         [Param("lr", "2")], [RunTag("t", "1")])
    run = client.get_run(run_id)
    assert run.data.metrics == {} and "t" not in run.data.tags
    client.log_batch(run_id, [Metric("m", 1.0, now, 0)], [Param("p", "2")],
                     [RunTag("t", "1")])
    run = client.get_run(run_id)
    assert run.data.metrics == {"m": 1.0} and run.data.tags["t"] == "1"
    assert run.data.params == {"lr": "1", "p": "2"}


@pytest.mark.skipif(not IS_3, reason="not in mlflow 2.20")
def test_metrics_of_models_are_spooled_too(server, client):
    experiment = client.create_experiment("models")
    run_id = client.create_run(experiment).info.run_id
    model = client.create_logged_model(experiment, source_run_id=run_id)
    client.log_metric(run_id, "m", 0.0, step=0, model_id=model.model_id)
    flush()
    server.kill()
    for step in range(1, N):
        client.log_metric(run_id, "m", step, step=step,
                          model_id=model.model_id)
    server.start()
    flush()
    assert steps(client, run_id, "m") == list(range(N))
    metrics = client.get_logged_model(model.model_id).metrics
    assert max(m.step for m in metrics) == N - 1


def log_in_worker(run_id, number):
    client = mlflow.MlflowClient()
    for step in range(N):
        client.log_metric(run_id, f"worker{number}", step, step=step)
    client.set_tag(run_id, f"worker{number}", "done")


def test_forked_workers_log_to_the_run_of_their_parent(client):
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "parent", 1.0)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=log_in_worker, args=(run_id, n))
               for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    for number in range(2):
        # The sender of a worker may still be at it when the worker has gone.
        deadline = time.monotonic() + 30
        while steps(client, run_id, f"worker{number}") != list(range(N)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert client.get_run(run_id).data.tags[f"worker{number}"] == "done"


def test_a_run_is_resumed_by_another_process(server, tracking, client,
                                             run_python):
    with mlflow.start_run() as run:
        mlflow.log_metric("m", 0.0, step=0)
    process = run_python("""
import mlflow, sys
with mlflow.start_run(run_id=sys.argv[1]):
    for step in range(1, 10):
        mlflow.log_metric("m", step, step=step)
""", run.info.run_id, MLFLOW_TRACKING_URI=tracking)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert steps(client, run.info.run_id, "m") == list(range(10))
    with mlflow.start_run(run_id=run.info.run_id):
        mlflow.log_metric("m", 10, step=10)
    assert steps(client, run.info.run_id, "m") == list(range(11))


def test_a_program_that_just_ends(server, tracking, client, run_python,
                                  spool):
    process = run_python("""
import mlflow
print(mlflow.start_run().info.run_id)
for step in range(10):
    mlflow.log_metric("m", step, step=step)
""", MLFLOW_TRACKING_URI=tracking)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    run_id = output.split()[0]
    assert client.get_run(run_id).info.status == "FINISHED"
    assert steps(client, run_id, "m") == list(range(10))
    assert "millstream" not in errors.replace("millstream://", "")


def test_asynchronous_logging(client):
    run_id = client.create_run("0").info.run_id
    futures = [client.log_metric(run_id, "m", step, step=step,
                                 synchronous=False) for step in range(50)]
    for future in futures:
        future.wait()
    assert steps(client, run_id, "m") == list(range(50))


def test_other_tracking_uris_keep_mlflows_own_artifacts(server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    mlflow.set_tracking_uri(server.url)
    try:
        from mlflow.store.artifact.artifact_repository_registry import (
            get_artifact_repository)
        repository = get_artifact_repository("mlflow-artifacts:/x")
        assert type(repository).__name__ == "MlflowArtifactsRepository"
    finally:
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        mlflow.set_tracking_uri(None)
