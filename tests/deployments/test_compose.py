"""docker compose: PostgreSQL, MinIO behind the server's proxy, no passwords."""

import os
import shlex

import requests

import compose
import containers
import work

# As it stands in the file that people have, whose image starts mlflow.
PUBLISHED = ("server --backend-store-uri "
             "postgresql://user:password@postgres/mlflowdb "
             "--artifacts-destination s3://mlflow-artifacts/ "
             "--serve-artifacts --host 0.0.0.0 --port 8000")


def test_docker_compose(container, user, postgres, minio, tmp_path):
    postgres.make_owned("mlflowdb", "user", "password")
    definition = compose.service(containers.DEPLOY / "compose.team.yaml",
                                 "mlflow")
    ours = definition["command"]
    if isinstance(ours, str):
        ours = shlex.split(ours)
    # Ours is the same, and names what is started.
    assert ours == ["mlflow", *shlex.split(PUBLISHED)]
    # Those without a value are passed on from the shell, if it has them.
    variables = {name: value for name, value
                 in definition["environment"].items() if value is not None}
    assert variables["MLFLOW_S3_ENDPOINT_URL"] == minio.url
    keys = {**variables, **minio.environment}
    copies = [container(*shlex.split(PUBLISHED), environment=keys),
              container(*ours, environment=keys),
              container("sh", "-c", "exec mlflow " + PUBLISHED,
                        environment=keys)]
    for each in copies:
        each.start_only()
    for each in copies:
        each.wait_until_healthy()
    urls = [each.url(compose.port(definition)) for each in copies]

    # A notebook knows the server's address, and no keys of the bucket.
    user({})
    assert "AWS_ACCESS_KEY_ID" not in os.environ
    work.program(work.SCRIPTS / "team.py", "from a notebook", environment={
        "MLFLOW_TRACKING_URI": urls[0]})
    ids = work.fill(urls[0])
    for url in urls:
        work.read_back(url, ids)
    work.see(urls[1], ids, tmp_path)
    root = f"{ids['experiment']}/{ids['runs']['basalt']}/artifacts/"
    assert root + "settings.json" in minio.keys(root)
    work.restart(copies)
    work.read_back(urls[2], ids)
    for each in copies:
        assert each.stop() == 0


def test_compose_for_one_machine(container):
    definition = compose.service(containers.DEPLOY / "compose.yaml",
                                 "millstream")
    each = container(*shlex.split(definition["command"])).start()
    url = each.url(compose.port(definition))
    answer = requests.post(url + "/api/2.0/mlflow/experiments/create",
                           json={"name": "kept"}, timeout=30)
    assert answer.json() == {"experiment_id": "1"}
    work.restart([each])
    answer = requests.get(url + "/api/2.0/mlflow/experiments/get",
                          params={"experiment_id": "1"}, timeout=30)
    assert answer.json()["experiment"]["name"] == "kept"
    assert each.stop() == 0
