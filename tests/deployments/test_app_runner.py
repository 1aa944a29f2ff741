"""App Runner: a password for everything, MariaDB, S3 written by clients."""

import grpc
import pytest
import requests
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

import work

USER = {"MLFLOW_TRACKING_USERNAME": "alice",
        "MLFLOW_TRACKING_PASSWORD": "a pass:word"}


@pytest.fixture
def variables(mariadb, minio):
    mariadb.make_owned("runner", "mlflow", "pass/word:@%")
    return {"MLFLOW_DB_USERNAME": "mlflow",
            "MLFLOW_DB_PASSWORD": "pass/word:@%",
            "MLFLOW_DB_HOST": "mariadb", "MLFLOW_DB_DATABASE": "runner",
            "MLFLOW_ARTIFACT_URI": f"s3://{minio.bucket}/runner",
            **USER, **minio.environment}


def test_app_runner(container, user, minio, variables, tmp_path):
    by_uri = {name: value for name, value in variables.items()
              if not name.startswith("MLFLOW_DB_")}
    by_uri["MLFLOW_BACKEND_URI"] = (
        "mysql+pymysql://mlflow:pass%2Fword%3A%40%25@mariadb:3306/runner")
    copies = [container(environment=variables),
              container(environment={**by_uri, "PORT": "8080"})]
    for each in copies:
        each.start()
    first, second = copies[0].url(80), copies[1].url(8080)
    for url in first, second:
        work.assert_closed(url)
    with grpc.insecure_channel(f"{copies[0].address}:5001") as channel:
        calls = reflection_pb2_grpc.ServerReflectionStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            list(calls.ServerReflectionInfo(iter(
                [reflection_pb2.ServerReflectionRequest(list_services="")])))
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
    # Load balancers have names that nobody knows beforehand.
    assert requests.get(
        first + "/version", timeout=30, headers={
            "Host": "a1b2.us-east-1.awsapprunner.com"},
        auth=tuple(USER.values())).text == "3.17.2"

    user({**USER, **minio.environment})
    ids = work.fill(first)
    work.read_back(second, ids)
    work.see(second, ids, tmp_path, USER)
    root = f"runner/{ids['experiment']}/{ids['runs']['basalt']}/artifacts/"
    assert root + "settings.json" in minio.keys(root)
    work.restart(copies)
    work.read_back(first, ids)
    for each in copies:
        assert each.stop() == 0


@pytest.mark.parametrize("dialect", ["postgresql", "sqlite"])
def test_other_dialects(container, postgres, dialect):
    variables = {"MLFLOW_DB_DIALECT": dialect,
                 "MLFLOW_DB_DATABASE": "/var/lib/millstream/mlflow.db", **USER}
    if dialect == "postgresql":
        postgres.make_owned("by_parts", "parts", "p")
        variables.update(
            MLFLOW_DB_DATABASE="by_parts", MLFLOW_DB_USERNAME="parts",
            MLFLOW_DB_PASSWORD="p", MLFLOW_DB_HOST="postgres",
            MLFLOW_DB_PORT="5432")
    each = container(environment=variables).start()
    answer = requests.post(
        each.url(80) + "/api/2.0/mlflow/experiments/create", timeout=30,
        json={"name": "one"}, auth=tuple(USER.values()))
    assert answer.json() == {"experiment_id": "1"}
    assert each.stop() == 0
