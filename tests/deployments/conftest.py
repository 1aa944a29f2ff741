"""Fixtures of the deployments: containers of our image, real databases, a real
object store, and a network that is theirs alone. They want root."""

import os
import pathlib
import subprocess
import sys

# Before the first import of mlflow, which reads them.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
os.environ["GIT_PYTHON_REFRESH"] = "quiet"
# None but what a test says.
for name in [n for n in os.environ if n.startswith("AWS_")]:
    del os.environ[name]
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = (
    os.devnull)

import mlflow  # noqa: E402
import pytest  # noqa: E402

import harness  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
# Modules beside this file, and the programs that tests of clients share.
sys.path += [str(HERE), str(harness.ROOT / "tests" / "browser"),
             str(harness.ROOT / "tests" / "compat" / "scripts")]

import containers  # noqa: E402
import minio_server  # noqa: E402
import services  # noqa: E402

NAMES = ("postgres", "mariadb", "minio", "secretsmanager",
         "tracking.example.com")


def reason_to_skip():
    if harness.REFERENCE is not None:
        return "starts our image"
    may = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork",
                          "true"], check=False, capture_output=True)
    return "" if may.returncode == 0 else "only root can start containers"


def pytest_collection_modifyitems(items):
    reason = reason_to_skip()
    for item in items if reason else []:
        if "containers_run" in item.fixturenames:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def containers_run(tmp_path_factory):
    """Whatever starts something depends on this."""
    # While there are others to ask for packages.
    containers.run(harness.ROOT / "tools" / "image" / "build",
                   stdout=subprocess.DEVNULL)
    folder = tmp_path_factory.mktemp("network")
    containers.isolate(NAMES, folder / "hosts")


@pytest.fixture(scope="session")
def image(containers_run, tmp_path_factory):
    return containers.Image(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="session")
def postgres(containers_run):
    with services.Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb(containers_run):
    with services.Mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def minio(containers_run, tmp_path_factory):
    """At http://minio:9000, with the bucket mlflow-artifacts."""
    started = minio_server.Minio(
        tmp_path_factory.mktemp("minio"), "minio", 9000, "mlflow-artifacts")
    yield started
    started.kill()


@pytest.fixture(scope="session")
def secrets(containers_run, tmp_path_factory):
    started = services.Secrets(tmp_path_factory.mktemp("secrets"))
    yield started
    started.stop()


@pytest.fixture
def container(image, tmp_path):
    """container(*command, environment={}, ...) makes one; not started."""
    made = []

    def make(*command, **options):
        made.append(containers.Container(
            image, tmp_path / f"container{len(made)}", *command, **options))
        return made[-1]

    yield make
    for each in made:
        each.kill()


@pytest.fixture
def user(monkeypatch):
    """user({variables}): what mlflow finds in its environment from now on."""

    def be(variables):
        for name in list(os.environ):
            if name.startswith("MLFLOW_TRACKING_"):
                monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    yield be
    while mlflow.active_run():
        mlflow.end_run()
