"""A real object store for tests: MinIO, as tools/minio/build makes it."""

import subprocess
import time
import urllib.error
import urllib.request

import boto3
import botocore.config

import harness

KEYS = {"AWS_ACCESS_KEY_ID": "millstream",
        "AWS_SECRET_ACCESS_KEY": "millstream-secret"}
START_SECONDS = 60


class Minio:
    """One MinIO process with an empty bucket."""

    def __init__(self, folder, host="127.0.0.1", port=None,
                 bucket="artifacts"):
        self.bucket = bucket
        built = subprocess.run(
            [harness.ROOT / "tools" / "minio" / "build"], check=True,
            stdout=subprocess.PIPE, text=True)
        port = port or harness.free_port()
        self.url = f"http://{host}:{port}"
        self.environment = {**KEYS, "MLFLOW_S3_ENDPOINT_URL": self.url}
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [built.stdout.strip(), "server", "--quiet", "--address",
                 f"{host}:{port}", folder / "data"],
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
