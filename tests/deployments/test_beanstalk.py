"""Elastic Beanstalk: the bundle on three instances behind a load balancer."""

import json
import shutil
import subprocess

import mlflow.cli
import pytest
import requests
from click.testing import CliRunner

import compose
import containers
import services
import work

# Each of whom has a hash of another kind.
USERS = {"alice": ("-nbB", "alice's: password"),
         "bob": ("-nbm", "bob's password"),
         "carol": ("-nbs", "carol's password")}
BALANCER = "http://tracking.example.com"


def as_user(name):
    return {"MLFLOW_TRACKING_USERNAME": name,
            "MLFLOW_TRACKING_PASSWORD": USERS[name][1]}


@pytest.fixture
def bundle(tmp_path, postgres, minio):
    """What is zipped and deployed, with what Beanstalk adds."""
    postgres.make_owned("ebdb", "ebroot", "pass/word:@%")
    folder = tmp_path / "bundle"
    shutil.copytree(containers.DEPLOY / "beanstalk", folder)
    variables = {"RDS_HOSTNAME": "postgres", "RDS_PORT": "5432",
                 "RDS_DB_NAME": "ebdb", "RDS_USERNAME": "ebroot",
                 "RDS_PASSWORD": "pass/word:@%", "BUCKET": minio.bucket,
                 **minio.environment}
    (folder / ".env").write_text(
        "".join(f"{k}={v}\n" for k, v in variables.items()))
    (folder / "htpasswd").write_text("".join(
        subprocess.run(["htpasswd", how, name, password], check=True,
                       capture_output=True, text=True).stdout.strip() + "\n"
        for name, (how, password) in USERS.items()))
    return folder


@pytest.fixture
def balancer(tmp_path):
    """balancer(copies, port) starts one."""
    started = []

    def start(copies, port):
        started.append(services.Nginx(
            tmp_path / "nginx", [f"{c.address}:{port}" for c in copies],
            f"listen {containers.BRIDGE}:80;", BALANCER))
        return started[-1]

    yield start
    for each in started:
        each.stop()


def test_beanstalk(container, user, minio, bundle, balancer, tmp_path):
    definition = compose.service(bundle / "docker-compose.yml", "millstream")
    port = compose.port(definition)
    copies = [container(environment=definition["environment"],
                        mounts=compose.mounts(definition)) for _ in range(3)]
    # All at once, on an empty database.
    for each in copies:
        each.start_only()
    for each in copies:
        each.wait_until_healthy()
        work.assert_closed(each.url(port))
    balancer(copies, port)
    work.assert_closed(BALANCER)

    user({**as_user("alice"), **minio.environment})
    ids = work.fill(BALANCER)
    root = f"{ids['experiment']}/{ids['runs']['basalt']}/artifacts/"
    assert root + "settings.json" in minio.keys(root)
    for name in "bob", "carol":
        user({**as_user(name), **minio.environment})
        work.read_back(BALANCER, ids)
    work.see(BALANCER, ids, tmp_path, as_user("carol"))
    runs_in_the_command(ids, user)
    users_come_and_go(bundle, copies)
    user({**as_user("carol"), **minio.environment})

    # One goes away, and another: nobody notices.
    for each in copies:
        assert each.stop() == 0
        work.read_back(BALANCER, ids)
        each.start()
    log = (tmp_path / "nginx" / "access.log").read_text()
    assert '" 50' not in log, log


def runs_in_the_command(ids, user):
    printed = work.program(
        "-m", "mlflow", "runs", "describe", "--run-id", ids["runs"]["amber"],
        environment={"MLFLOW_TRACKING_URI": BALANCER, **as_user("bob")})
    assert json.loads(printed)["data"]["params"]["optimizer"] == "adam"
    # The same without the seconds that its start takes.
    user(as_user("bob"))
    runs = CliRunner().invoke(mlflow.cli.cli, [
        "runs", "list", "--experiment-id", ids["experiment"]])
    assert "basalt" in runs.output
    user({**as_user("bob"), "MLFLOW_TRACKING_PASSWORD": "other"})
    refused = CliRunner().invoke(mlflow.cli.cli, ["experiments", "search"])
    assert "UNAUTHENTICATED" in str(refused.exception)


def users_come_and_go(bundle, copies):
    """Who is taken out of the file is out, at every copy."""
    file = bundle / "htpasswd"
    text = file.read_text()

    def statuses():
        return {requests.get(each.url(5000) + "/version", timeout=30, auth=(
            "bob", USERS["bob"][1])).status_code for each in copies}

    assert statuses() == {200}
    file.write_text("".join(line for line in text.splitlines(True)
                            if not line.startswith("bob:")))
    work.until(lambda: statuses() == {401})
    file.write_text(text)
    work.until(lambda: statuses() == {200})
