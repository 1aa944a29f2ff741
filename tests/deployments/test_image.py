"""The image itself: what is in it, and how it starts and ends."""

import pathlib
import re
import subprocess

import pytest
import requests

import containers
import harness

# Of Debian's own, without which no image is.
ALWAYS_THERE = {"libc6", "libgcc-s1"}
NO_LIBRARIES = {"ca-certificates", "media-types"}


@pytest.fixture(scope="module")
def packages():
    listed = (containers.DEPLOY / "runtime-packages.txt").read_text()
    return set(re.findall(r"^([a-z]\S*) ", listed, re.MULTILINE))


def test_the_packages_are_those_that_the_program_is_linked_to(
        image, packages):
    dynamic = subprocess.run(
        ["readelf", "-d", harness.BINARY], check=True, capture_output=True,
        text=True).stdout
    names = re.findall(r"NEEDED.*\[(.+)\]", dynamic)
    owners = {}
    for file in (image.base / "var/lib/dpkg/info").glob("*.list"):
        package = file.name.removesuffix(".list").partition(":")[0]
        for line in file.read_text().splitlines():
            owners[pathlib.PurePath(line).name] = package
    assert not [n for n in names if n not in owners], "not in the image"
    needed = {owners[name] for name in names} - ALWAYS_THERE
    assert needed == packages - NO_LIBRARIES


def test_it_starts_by_itself_as_nobody_in_particular(container, image):
    each = container().start()
    http, grpc = image.ports
    assert requests.get(each.url(http) + "/version", timeout=30).text == (
        "3.17.2")
    assert "<title>MLflow</title>" in requests.get(
        each.url(http), timeout=30).text
    assert each.execute("cat", "/run/millstream/ports").stdout == (
        f"{http} {grpc}\n")
    status = each.execute("cat", "/proc/1/status").stdout
    assert "Name:\tmillstream\n" in status
    uid, _, gid = image.user.partition(":")
    assert f"Uid:\t{uid}\t" in status and f"Gid:\t{gid}\t" in status
    assert re.search(r"CapEff:\t0+\n", status)
    for folder in "/", "/usr/local/bin", "/etc", "/usr/local/share/millstream":
        assert each.execute("touch", f"{folder}/x").returncode != 0
    assert each.stop() == 0


def test_the_health_check_sees_a_server_that_hangs(container):
    each = container().start()
    assert each.is_healthy()
    each.freeze(True)
    assert not each.is_healthy()
    each.freeze(False)
    assert each.is_healthy()


def test_any_user_will_do(container):
    """Of OpenShift, or of `docker run --user`."""
    each = container(user="123456").start()
    answer = requests.post(
        each.url(5000) + "/api/2.0/mlflow/experiments/create",
        json={"name": "mine"}, timeout=30)
    assert answer.json() == {"experiment_id": "1"}
    assert each.stop() == 0


@pytest.mark.parametrize("command", [
    ["mlflow", "server", "--host", "0.0.0.0", "--port", "7000"],
    ["mlflow", "ui", "-h", "0.0.0.0", "-p", "7000"],
    ["server", "--host=0.0.0.0", "--port=7000", "--workers=4"],
    ["bash", "-c", "mlflow server --host 0.0.0.0 --port $PORT"],
    ["--port", "7000"],
], ids=" ".join)
def test_commands_that_start_it(container, command):
    each = container(*command, environment={"PORT": "7000"}).start()
    assert requests.get(each.url(7000) + "/health", timeout=30).text == "OK"


def test_what_else_mlflow_can_do(container):
    each = container().start()
    version = each.execute("mlflow", "--version")
    assert version.stdout.startswith("mlflow, version 3.17.2")
    upgrade = each.execute("mlflow", "db", "upgrade", "postgresql://x/y")
    assert upgrade.returncode != 0 and "pip install mlflow" in upgrade.stderr
    runs = each.execute("mlflow", "runs", "list")
    assert runs.returncode != 0 and "pip install mlflow" in runs.stderr


def test_settings_that_make_no_sense_end_it(container):
    each = container(environment={"DATABASE": "d", "USERNAME": "u"})
    with pytest.raises(RuntimeError, match="PASSWORD is not set"):
        each.start()


def test_a_given_database_leaves_the_other_variables_in_force(container):
    each = container(environment={
        "MLFLOW_BACKEND_STORE_URI":
            "sqlite:////var/lib/millstream/mlflow.db",
        "MLFLOW_ARTIFACT_URI": "s3://bucket/path", "PORT": "8080"}).start()
    answer = requests.get(
        each.url(8080) + "/api/2.0/mlflow/experiments/get",
        params={"experiment_id": "0"}, timeout=30).json()
    assert answer["experiment"]["artifact_location"] == "s3://bucket/path/0"


@pytest.mark.parametrize("command", [[], ["mlflow", "server"]],
                         ids=["container", "server"])
@pytest.mark.parametrize("database", [
    {}, {"MLFLOW_BACKEND_STORE_URI": "sqlite:////tmp/mlflow.db"}],
    ids=["", "database"])
def test_an_empty_password_ends_it(container, command, database):
    """Such as compose makes of a variable that is not set."""
    each = container(*command, environment={
        "MLFLOW_TRACKING_USERNAME": "", "MLFLOW_TRACKING_PASSWORD": "",
        **database})
    with pytest.raises(RuntimeError, match="is set and empty"):
        each.start()
