"""What a member of a team does, with whatever the environment says."""

import sys
import tempfile

import mlflow

client = mlflow.MlflowClient()
name = sys.argv[1]
mlflow.set_experiment(name)
with mlflow.start_run(run_name="one") as run:
    mlflow.log_params({"lr": 0.1})
    mlflow.log_metric("loss", 0.5, step=1)
    mlflow.log_text("hello", "notes/a.txt")
run = client.get_run(run.info.run_id)
assert run.data.metrics["loss"] == 0.5
assert run.data.params["lr"] == "0.1"
with tempfile.TemporaryDirectory() as folder:
    path = client.download_artifacts(run.info.run_id, "notes/a.txt", folder)
    assert open(path).read() == "hello"
client.create_registered_model(name)
client.create_model_version(name, f"runs:/{run.info.run_id}/notes",
                            run.info.run_id)
found = mlflow.search_runs(experiment_names=[name])
assert list(found["run_id"]) == [run.info.run_id]
