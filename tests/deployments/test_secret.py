"""A container whose database is told by a secret of AWS Secrets Manager."""

import json
import os

import pytest

import work

PORT = 5000
# The user on whose machine ~/.aws is, and who starts the container.
UID = 1000


@pytest.fixture
def profiles(tmp_path, minio):
    """~/.aws of that user, readable by nobody else."""
    folder = tmp_path / "aws"
    folder.mkdir()
    (folder / "config").write_text(
        "[default]\nregion = us-east-1\n"
        "[profile team]\nregion = eu-central-1\n"
        "endpoint_url = http://secretsmanager:4566\n")
    (folder / "credentials").write_text(
        "[default]\naws_access_key_id = nobody\n"
        "aws_secret_access_key = nothing\n"
        "[team]\naws_access_key_id = {AWS_ACCESS_KEY_ID}\n"
        "aws_secret_access_key = {AWS_SECRET_ACCESS_KEY}\n".format(
            **minio.environment))
    for path in (folder / "config", folder / "credentials", folder):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.chown(path, UID, UID)
    return folder


@pytest.fixture
def secret(postgres, secrets):
    """Only the profile's region has it."""
    postgres.make_owned("aurora", "aurora_user", "a b:c/d@e%f")
    secrets.create("production/mlflow", json.dumps({
        "host": "postgres", "port": 5432, "username": "aurora_user",
        "password": "a b:c/d@e%f", "dbname": "aurora",
        "engine": "aurora-postgresql"}), "eu-central-1")
    return "production/mlflow"


def test_container_with_a_named_secret(container, user, minio, secret,
                                       profiles, tmp_path):
    variables = {"SECRET_NAME": secret, "AWS_PROFILE": "team",
                 "BUCKET": minio.bucket + "/by-secret",
                 "MLFLOW_S3_ENDPOINT_URL": minio.url}
    # Where root's would be; and where those of the image's user are.
    copies = [
        container(environment=variables, user=str(UID),
                  mounts={"/root/.aws": profiles}),
        container(environment={**variables,
                               "HOME": "/home/me",
                               "AWS_ENDPOINT_URL_SECRETS_MANAGER":
                                   "http://secretsmanager:4566"},
                  user=str(UID), mounts={"/home/me/.aws": profiles})]
    first, second = [copy.start() for copy in copies]
    for each in copies:
        assert "a b:c" not in each.log() and "a%20b" not in each.log()
    user(minio.environment)
    ids = work.fill(first.url(PORT))
    work.read_back(second.url(PORT), ids)
    work.see(second.url(PORT), ids, tmp_path)
    # The server's own keys, out of the profile, open the bucket as well.
    root = f"by-secret/{ids['experiment']}/{ids['runs']['basalt']}/artifacts/"
    assert root + "settings.json" in minio.keys(root)
    work.restart(copies)
    work.read_back(first.url(PORT), ids)
    for each in copies:
        assert each.stop() == 0


def test_what_is_missing_is_said(container, secrets, profiles):
    """And the container ends, for its supervisor to start it again."""
    variables = {"SECRET_NAME": "no-such-secret", "AWS_PROFILE": "team"}
    lost = container(environment=variables, user=str(UID),
                     mounts={"/root/.aws": profiles})
    with pytest.raises(RuntimeError, match="no-such-secret"):
        lost.start()
    blind = container(environment=variables, mounts={"/root/.aws": profiles})
    with pytest.raises(RuntimeError, match="docker run --user"):
        blind.start()
