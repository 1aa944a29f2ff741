"""Fixtures of the tests that use the stock MLflow client.

The same tests run with mlflow 3.17.2 and 2.20.2, as the virtual environment
has it; `needs_3` marks what 2.20.2 cannot do.
"""

import os
import pathlib
import subprocess
import sys
import uuid

# Before the first import of mlflow, which reads them.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "30"
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
os.environ["GIT_PYTHON_REFRESH"] = "quiet"

import mlflow  # noqa: E402
import pytest  # noqa: E402

# Which door the tests go through: "http", or "grpc" by the plugin of python/.
DOOR = os.environ.get("MILLSTREAM_TEST_DOOR", "http")
if DOOR == "grpc":
    # These are about HTTP.
    collect_ignore = ["test_cli.py", "test_durability.py", "test_multipart.py",
                      "test_overload.py", "test_shared_database.py"]

IS_3 = int(mlflow.__version__.split(".")[0]) >= 3
if not IS_3:
    # It imports what mlflow 2 has not.
    collect_ignore = [*globals().get("collect_ignore", []),
                      "test_shared_database.py"]


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("needs_3") and not IS_3:
            item.add_marker(pytest.mark.skip(reason="not in mlflow 2.20"))


def pytest_configure(config):
    config.addinivalue_line("markers", "needs_3: uses API of mlflow 3 only")


@pytest.fixture(scope="session")
def tracking_uri(server, tmp_path_factory):
    """Where mlflow finds the server, by the door that is tested."""
    if DOOR == "http":
        return server.url
    spool = tmp_path_factory.mktemp("spool")
    return (f"millstream://{server.grpc_address}?spool_dir={spool}"
            f"&ui={server.url}")


@pytest.fixture(autouse=True)
def tracking_server(server, tracking_uri, monkeypatch):
    """Points mlflow at the shared server, as a user's environment would."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_registry_uri(tracking_uri)
    yield server
    while mlflow.active_run():
        mlflow.end_run()


@pytest.fixture
def client(tracking_server, tracking_uri):
    return mlflow.MlflowClient(tracking_uri)


@pytest.fixture
def unique(request):
    """unique("label") makes a name that no other test or run of it uses."""
    suffix = uuid.uuid4().hex[:8]
    return lambda label="x": f"{request.node.name}-{label}-{suffix}"


@pytest.fixture
def experiment_id(client, unique):
    return client.create_experiment(unique("experiment"))


@pytest.fixture
def experiment(experiment_id):
    """The experiment that the fluent API logs to."""
    mlflow.set_experiment(experiment_id=experiment_id)
    return experiment_id


@pytest.fixture
def run_id(client, experiment_id):
    return client.create_run(experiment_id).info.run_id


@pytest.fixture
def user_command(tmp_path):
    """Runs a Python program or the mlflow command as a user would."""

    def run(url, *arguments, check=True):
        environment = {**os.environ, "MLFLOW_TRACKING_URI": url}
        result = subprocess.run(
            [sys.executable, *map(str, arguments)], cwd=tmp_path,
            env=environment, capture_output=True, text=True, timeout=180)
        if check:
            assert result.returncode == 0, result.stdout + result.stderr
        return result

    return run


@pytest.fixture
def scripts():
    return pathlib.Path(__file__).resolve().parent / "scripts"
