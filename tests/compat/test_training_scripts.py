"""Whole scripts, run as their users run them."""


def test_training_script(client, user_command, scripts, tracking_uri,
                         unique):
    name = unique("line")
    output = user_command(tracking_uri, scripts / "train.py", unique(),
                          name)
    run = client.get_run(output.stdout.split()[-1])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "line fit"
    assert run.data.params == {"learning_rate": "0.5", "epochs": "40"}
    assert run.data.metrics["train/loss"] < 0.01
    assert run.data.metrics["undefined"] != run.data.metrics["undefined"]
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert [m.step for m in history] == list(range(40))
    assert run.data.tags["mlflow.source.name"].endswith("train.py")
    assert run.inputs.dataset_inputs[0].dataset.name == "noisy line"
    paths = {f.path for f in client.list_artifacts(run.info.run_id)}
    assert paths >= {"coefficients.json", "notes", "plots", "table.json"}
    folds = client.search_runs(
        [run.info.experiment_id],
        f"tags.mlflow.parentRunId = '{run.info.run_id}'")
    assert sorted(r.data.metrics["fold_loss"] for r in folds) == [0, 0.1, 0.2]
    version = client.get_model_version_by_alias(name, "best")
    assert version.run_id == run.info.run_id


def test_sweep_of_short_runs(client, user_command, scripts, tracking_uri,
                             unique):
    output = user_command(tracking_uri, scripts / "sweep.py", unique())
    assert output.stdout.split()[-1] == "23.4"
    experiment = client.get_experiment_by_name(unique())
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    assert len(runs) == 25
    assert {r.info.status for r in runs} == {"FINISHED"}
