"""Fixtures of the tests with a real object store: MinIO, as tools/minio/build
makes it. Run with mlflow 3.17.2."""

import os
import subprocess
import time
import urllib.error
import urllib.request
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

import boto3  # noqa: E402
import botocore.config  # noqa: E402
import mlflow  # noqa: E402
import pytest  # noqa: E402

import harness  # noqa: E402

KEYS = {"AWS_ACCESS_KEY_ID": "millstream",
        "AWS_SECRET_ACCESS_KEY": "millstream-secret"}
START_SECONDS = 60


class Minio:
    """One MinIO process with an empty bucket, `artifacts`."""

    bucket = "artifacts"

    def __init__(self, folder):
        built = subprocess.run(
            [harness.ROOT / "tools" / "minio" / "build"], check=True,
            stdout=subprocess.PIPE, text=True)
        port = harness.free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {**KEYS, "MLFLOW_S3_ENDPOINT_URL": self.url}
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [built.stdout.strip(), "server", "--quiet", "--address",
                 f"127.0.0.1:{port}", folder / "data"],
                env={"MINIO_ROOT_USER": KEYS["AWS_ACCESS_KEY_ID"],
                     "MINIO_ROOT_PASSWORD": KEYS["AWS_SECRET_ACCESS_KEY"],
                     "MINIO_BROWSER": "off", "MINIO_UPDATE": "off",
                     "HOME": str(folder)},
                stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True)
        self._wait()
        self.client = boto3.client(
            "s3", endpoint_url=self.url, region_name="us-east-1",
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            config=botocore.config.Config(s3={"addressing_style": "path"}))
        self.client.create_bucket(Bucket=self.bucket)

    def keys(self, prefix):
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix)
        return [o["Key"] for page in pages for o in page.get("Contents", [])]

    def unfinished(self):
        return self.client.list_multipart_uploads(
            Bucket=self.bucket).get("Uploads", [])

    def kill(self):
        self._process.kill()
        self._process.wait()

    def _wait(self):
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                urllib.request.urlopen(
                    self.url + "/minio/health/ready", timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                if (time.monotonic() > deadline
                        or self._process.poll() is not None):
                    self.kill()
                    raise RuntimeError(
                        "MinIO does not start:\n" + self._log.read_text())
                time.sleep(0.02)


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
