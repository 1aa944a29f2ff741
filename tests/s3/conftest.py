"""Fixtures of the tests with a real object store: MinIO, as tools/minio/build
makes it. Run with mlflow 3.17.2."""

import os
import uuid

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
from minio_server import Minio  # noqa: E402


@pytest.fixture(scope="session")
def minio(tmp_path_factory):
    started = Minio(tmp_path_factory.mktemp("minio"))
    yield started
    started.kill()


@pytest.fixture(scope="session")
def proxied(minio, tmp_path_factory):
    """A server whose proxy writes below s3://artifacts/proxied."""
    server = harness.Server(
        tmp_path_factory.mktemp("proxied"),
        "--artifacts-destination", f"s3://{minio.bucket}/proxied/",
        environment=minio.environment).start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def direct(minio, tmp_path_factory):
    """A server whose clients write below s3://artifacts/direct themselves."""
    server = harness.Server(
        tmp_path_factory.mktemp("direct"), "--no-serve-artifacts",
        "--default-artifact-root", f"s3://{minio.bucket}/direct",
        environment=minio.environment).start()
    yield server
    server.kill()


@pytest.fixture
def new_run(monkeypatch):
    """new_run(server) makes a run there: (client, run id)."""

    def make(server):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        mlflow.set_tracking_uri(server.url)
        client = mlflow.MlflowClient(server.url)
        experiment = client.create_experiment(uuid.uuid4().hex)
        return client, client.create_run(experiment).info.run_id

    return make


@pytest.fixture
def client_keys(minio, monkeypatch):
    """The client itself reaches the bucket."""
    for name, value in minio.environment.items():
        monkeypatch.setenv(name, value)
