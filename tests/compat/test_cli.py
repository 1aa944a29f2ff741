"""The stock mlflow command: experiments, runs, artifacts."""

import csv
import json

import pytest
from click.testing import CliRunner


@pytest.fixture
def cli():
    """cli("runs", "list", ...) is what that command prints.

    Called within this process: starting the command takes seconds.
    """
    from mlflow.cli import cli as command

    def run(*arguments):
        result = CliRunner().invoke(command, list(map(str, arguments)))
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    return run


def test_experiments(cli, client, unique, tmp_path):
    cli("experiments", "create", "--experiment-name", unique("old"))
    experiment_id = client.get_experiment_by_name(unique("old")).experiment_id
    cli("experiments", "rename", "--experiment-id", experiment_id,
        "--new-name", unique("new"))
    assert unique("new") in cli("experiments", "search")
    cli("experiments", "delete", "--experiment-id", experiment_id)
    assert unique("new") not in cli("experiments", "search")
    assert unique("new") in cli("experiments", "search", "--view",
                                "deleted_only")
    cli("experiments", "restore", "--experiment-id", experiment_id)
    run_id = client.create_run(experiment_id).info.run_id
    client.log_param(run_id, "p", "v")
    cli("experiments", "csv", "--experiment-id", experiment_id,
        "--filename", tmp_path / "runs.csv")
    row, = csv.DictReader((tmp_path / "runs.csv").open())
    assert (row["run_id"], row["params.p"]) == (run_id, "v")


@pytest.mark.needs_3
def test_getting_an_experiment_and_creating_a_run(cli, client, experiment_id):
    text = cli("experiments", "get", "-x", experiment_id, "--output", "json")
    assert json.loads(text)["experiment_id"] == experiment_id
    cli("runs", "create", "--experiment-id", experiment_id, "--run-name",
        "by hand", "-t", "k=v", "--status", "killed")
    run, = client.search_runs([experiment_id])
    assert (run.info.run_name, run.info.status, run.data.tags["k"]) == (
        "by hand", "KILLED", "v")


def test_runs(cli, client, experiment_id):
    run_id = client.create_run(experiment_id, run_name="listed").info.run_id
    client.log_metric(run_id, "m", 1.5)
    assert "listed" in cli("runs", "list", "--experiment-id", experiment_id)
    described = json.loads(cli("runs", "describe", "--run-id", run_id))
    assert described["data"]["metrics"] == {"m": 1.5}
    cli("runs", "delete", "--run-id", run_id)
    assert "listed" not in cli("runs", "list", "--experiment-id",
                               experiment_id)
    cli("runs", "restore", "--run-id", run_id)
    assert client.get_run(run_id).info.lifecycle_stage == "active"


def test_artifacts(cli, run_id, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "one.txt").write_text("one")
    cli("artifacts", "log-artifact", "--run-id", run_id,
        "--local-file", tmp_path / "folder" / "one.txt")
    cli("artifacts", "log-artifacts", "--run-id", run_id,
        "--local-dir", tmp_path / "folder", "--artifact-path", "sub")
    listed = json.loads(cli("artifacts", "list", "--run-id", run_id))
    assert {f["path"] for f in listed} == {"one.txt", "sub"}
    cli("artifacts", "download", "--run-id", run_id, "--artifact-path",
        "sub/one.txt", "--dst-path", tmp_path / "back")
    back, = (tmp_path / "back").rglob("one.txt")
    assert back.read_text() == "one"


def test_the_command_itself(user_command, server, client, unique):
    user_command(server.url, "-m", "mlflow", "experiments", "create",
                 "--experiment-name", unique())
    assert client.get_experiment_by_name(unique())


def test_an_error_of_the_server_is_shown(user_command, server):
    result = user_command(server.url, "-m", "mlflow", "runs", "describe",
                          "--run-id", "0" * 32, check=False)
    assert result.returncode != 0
    assert "RESOURCE_DOES_NOT_EXIST" in result.stdout + result.stderr
