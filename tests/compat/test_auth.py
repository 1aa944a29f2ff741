"""The stock client and command against a server that asks for passwords."""

import os
import subprocess
import sys

import pytest

import harness

DOOR = os.environ.get("MILLSTREAM_TEST_DOOR", "http")
USER, PASSWORD = "alice", "a pass:word"
VARIABLES = {"MLFLOW_TRACKING_USERNAME": USER,
             "MLFLOW_TRACKING_PASSWORD": PASSWORD}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    server = harness.Server(tmp_path_factory.mktemp("guarded"),
                            environment=VARIABLES).start()
    yield server
    server.kill()


@pytest.fixture
def run_as(guarded, scripts, tmp_path):
    """run_as({variables}, program...) as a user would; the ended process."""

    def run(variables, *command):
        uri = guarded.url
        if DOOR == "grpc":
            uri = (f"millstream://{guarded.grpc_address}?ui={guarded.url}"
                   f"&spool_dir={tmp_path / 'spool'}")
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("MLFLOW_TRACKING_")}
        return subprocess.run(
            [sys.executable, *map(str, command)], cwd=tmp_path,
            env={**environment, "MLFLOW_TRACKING_URI": uri, **variables},
            capture_output=True, text=True, timeout=180)

    return run


def test_the_client_logs_and_reads_with_its_password(run_as, scripts, unique):
    ended = run_as(VARIABLES, scripts / "team.py", unique())
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("variables", [
    {}, {**VARIABLES, "MLFLOW_TRACKING_PASSWORD": "other"}],
    ids=["none", "wrong"])
def test_the_client_is_told_what_is_missing(run_as, scripts, unique,
                                            variables):
    ended = run_as(variables, scripts / "team.py", unique())
    assert ended.returncode != 0
    assert "UNAUTHENTICATED" in ended.stderr
    assert ("MLFLOW_TRACKING_USERNAME" if not variables
            else "password is wrong") in ended.stderr


def test_the_command_takes_the_variables(run_as):
    ended = run_as(VARIABLES, "-m", "mlflow", "experiments", "search")
    assert ended.returncode == 0, ended.stderr
    assert "Default" in ended.stdout
    assert run_as({}, "-m", "mlflow", "experiments",
                  "search").returncode != 0
