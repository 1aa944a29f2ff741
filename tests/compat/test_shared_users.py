"""Users, roles and permissions in one database: first mlflow's server and then
ours, and the other way round. The users' passwords, what they may do and who
they are is the same under both."""

import base64
import importlib.util
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid

import pytest

import harness
import postgres

pytestmark = [
    pytest.mark.needs_3,
    pytest.mark.skipif(importlib.util.find_spec("flask_wtf") is None,
                       reason="needs mlflow[auth]")]

MLFLOW = pathlib.Path(sys.executable).parent / "mlflow"
PASSWORD = "a long password"


@pytest.fixture(autouse=True)
def tracking_server():
    """Not the shared one: each test has servers of its own."""


@pytest.fixture(scope="module")
def postgres_server():
    with postgres.PostgresServer(fsync=False) as server:
        yield server


@pytest.fixture(scope="module")
def mariadb_socket():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="millstream-maria.",
                                           dir="/tmp"))
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", f"--datadir={folder}/data",
         "--auth-root-authentication-method=normal", "--skip-test-db",
         "--skip-name-resolve", "--user=root", "--innodb-use-native-aio=0"],
        check=True, capture_output=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", "mariadbd", "--no-defaults",
             f"--datadir={folder}/data", f"--socket={folder}/socket",
             f"--pid-file={folder}/pid", "--skip-networking", "--user=root",
             "--innodb-use-native-aio=0", "--innodb-buffer-pool-size=64M"],
            stdout=log, stderr=log)
    deadline = time.monotonic() + 60
    while subprocess.run(
            ["mariadb", "--no-defaults", "-u", "root",
             f"--socket={folder}/socket", "-e", "SELECT 1"],
            capture_output=True, check=False).returncode != 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield folder / "socket"
    process.send_signal(signal.SIGKILL)
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def uri(request, tmp_path):
    """Of an empty database."""
    name = f"users_{uuid.uuid4().hex}"
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/users.db"
    if request.param == "postgresql":
        if not postgres.PROGRAMS.exists():
            pytest.skip("needs PostgreSQL")
        server = request.getfixturevalue("postgres_server")
        server.make_database(name)
        return server.uri(name, "postgresql+psycopg2")
    if shutil.which("mariadb-install-db") is None:
        pytest.skip("needs MariaDB")
    socket = request.getfixturevalue("mariadb_socket")
    subprocess.run(
        ["mariadb", "--no-defaults", "-u", "root", f"--socket={socket}", "-e",
         f"CREATE DATABASE {name}"], check=True)
    return f"mysql+pymysql://root@localhost/{name}?unix_socket={socket}"


@pytest.fixture
def serve(tmp_path, uri):
    """serve(reference) starts the one or the other with these users. Runs and
    models are in a SQLite file that both use."""
    config = tmp_path / "basic_auth.ini"
    config.write_text(
        "[mlflow]\ndefault_permission = NO_PERMISSIONS\n"
        f"database_uri = {uri.replace('%', '%%')}\nadmin_username = admin\n"
        "authorization_function = "
        "mlflow.server.auth:authenticate_request_basic_auth\n")
    started = []

    def start(reference):
        folder = tmp_path / f"server{len(started)}"
        folder.mkdir()
        started.append(harness.Server(
            folder, "--app-name", "basic-auth",
            backend=f"sqlite:///{tmp_path}/mlflow.db",
            reference=MLFLOW if reference else None, environment={
                "MLFLOW_AUTH_CONFIG_PATH": config,
                "MLFLOW_FLASK_SERVER_SECRET_KEY": "x",
                "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD}))
        return started[-1].start()

    yield start
    for each in started:
        if each.is_running():
            each.kill()


def send(server, user, method, path, body=None, password=PASSWORD):
    """The answer; the status of a refusal."""
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    request = urllib.request.Request(
        server.url + path, None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Basic {credentials}",
         "Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            return json.loads(response.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code


def fill(server, prefix):
    """A user who made something, one whom it was given to, one with a role."""
    for name in ("maker", "reader", "member"):
        made = send(server, "admin", "POST", "/api/2.0/mlflow/users/create", {
            "username": prefix + name, "password": PASSWORD})
        assert made["user"]["is_admin"] is False
    experiment = send(server, prefix + "maker", "POST",
                      "/api/2.0/mlflow/experiments/create",
                      {"name": prefix + "experiment"})["experiment_id"]
    send(server, prefix + "maker", "POST",
         "/api/2.0/mlflow/registered-models/create", {"name": prefix + "model"})
    assert send(server, prefix + "maker", "POST",
                "/api/3.0/mlflow/users/permissions/grant",
                {"username": prefix + "reader", "resource_type": "experiment",
                 "resource_id": experiment, "permission": "READ"}) == {}
    role = send(server, "admin", "POST", "/api/3.0/mlflow/roles/create", {
        "name": prefix + "role", "workspace": "default",
        "description": "those"})["role"]["id"]
    for grant in (("experiment", "*", "EDIT"),
                  ("registered_model", prefix + "model", "DENY")):
        send(server, "admin", "POST", "/api/3.0/mlflow/roles/permissions/add", {
            "role_id": role, **dict(zip(
                ("resource_type", "resource_pattern", "permission"), grant))})
    send(server, "admin", "POST", "/api/3.0/mlflow/roles/assign",
         {"username": prefix + "member", "role_id": role})
    return prefix, experiment, role


def without_nulls(answer):
    """What is not there, mlflow says in either way; lists of users have no
    order."""
    if isinstance(answer, dict):
        return {key: without_nulls(value) for key, value in answer.items()
                if value is not None}
    if isinstance(answer, list):
        return sorted(map(without_nulls, answer),
                      key=lambda item: json.dumps(item, sort_keys=True))
    return answer


def said(server, filled):
    """What everybody is told, and may do."""
    answers = {}

    def ask(user, path, **options):
        answers[user, path] = send(server, user, "GET", path, **options)

    for prefix, experiment, role in filled:
        for user in [prefix + name for name in ("maker", "reader", "member")]:
            ask(user, "/api/3.0/mlflow/users/current/permissions")
            ask(user, f"/api/2.0/mlflow/experiments/get?"
                f"experiment_id={experiment}")
            ask(user, f"/api/2.0/mlflow/registered-models/get?"
                f"name={prefix}model")
            answers[user, "change"] = send(
                server, user, "POST",
                "/api/2.0/mlflow/experiments/set-experiment-tag",
                {"experiment_id": experiment, "key": "k", "value": "v"})
        ask("admin", f"/api/3.0/mlflow/users/roles/list?"
            f"username={prefix}member")
        ask("admin", f"/api/3.0/mlflow/roles/get?role_id={role}")
        ask("admin", f"/api/3.0/mlflow/roles/users/list?role_id={role}")
    ask("admin", "/api/2.0/mlflow/users/list")
    answers["admin", "wrong"] = send(server, "admin", "GET",
                                     "/api/2.0/mlflow/users/current",
                                     password="another password")
    # Of experiments only who may see which is asked here.
    for (user, path), answer in list(answers.items()):
        answer = answers[user, path] = without_nulls(answer)
        if "experiments/get" in path and isinstance(answer, dict):
            answers[user, path] = answer["experiment"]["name"]
        elif "search" in path and isinstance(answer, dict):
            answers[user, path] = sorted(
                row["name"] for rows in answer.values()
                if isinstance(rows, list) for row in rows)
    return answers


def test_mlflow_takes_over_and_hands_over(serve):
    """Tables that we made, of whichever product's database."""
    ours = serve(False)
    filled = [fill(ours, "one")]
    before = said(ours, filled)
    ours.stop()
    mlflow = serve(True)
    assert_same(said(mlflow, filled), before)
    # What mlflow adds and changes, we understand.
    filled.append(fill(mlflow, "two"))
    assert send(mlflow, "onereader", "PATCH",
                "/api/2.0/mlflow/users/update-password",
                {"username": "onereader", "password": PASSWORD + "x",
                 "current_password": PASSWORD}) == {}
    assert send(mlflow, "admin", "DELETE", "/api/2.0/mlflow/users/delete",
                {"username": "twomember"}) == {}
    mlflow.stop()
    ours = serve(False)
    assert send(ours, "onereader", "GET",
                "/api/2.0/mlflow/users/current") == 401
    assert send(ours, "admin", "PATCH",
                "/api/2.0/mlflow/users/update-password",
                {"username": "onereader", "password": PASSWORD}) == {}
    now = said(ours, filled)
    assert_same({key: now[key] for key in before if key[0].startswith("one")},
                before)
    assert now["twomember", "change"] == 401
    assert now["twomaker", "change"] == {}


@pytest.mark.parametrize("uri", ["sqlite"], indirect=True)
def test_tables_that_mlflow_made_are_used(serve):
    """Those of PostgreSQL are compared in auth/sql_user_store_test.cc."""
    mlflow = serve(True)
    filled = [fill(mlflow, "one")]
    before = said(mlflow, filled)
    mlflow.stop()
    ours = serve(False)
    assert_same(said(ours, filled), before)
    fill(ours, "two")


def assert_same(ours, theirs):
    different = {key: (ours[key], theirs.get(key)) for key in ours
                 if ours[key] != theirs.get(key)}
    assert not different


def test_two_servers_share_their_users(serve):
    """What one has made, the other knows at once: they stand behind one load
    balancer."""
    one, two = serve(False), serve(False)
    for here, there in ((one, two), (two, one)):
        name = f"user{uuid.uuid4().hex}"
        send(here, "admin", "POST", "/api/2.0/mlflow/users/create",
             {"username": name, "password": PASSWORD})
        made = send(there, name, "POST", "/api/2.0/mlflow/experiments/create",
                    {"name": name})
        run = send(here, name, "POST", "/api/2.0/mlflow/runs/create", made)
        assert send(there, name, "GET", "/api/2.0/mlflow/runs/get?run_id="
                    + run["run"]["info"]["run_id"])["run"]
        send(there, "admin", "PATCH", "/api/2.0/mlflow/users/update-password",
             {"username": name, "password": "another password"})
        assert send(here, name, "GET", "/api/2.0/mlflow/users/current",
                    password="another password")["user"]["username"] == name
    # What is taken away goes within a second.
    send(one, "admin", "DELETE", "/api/2.0/mlflow/users/delete",
         {"username": name})
    deadline = time.monotonic() + 20
    while send(two, name, "GET", "/api/2.0/mlflow/users/current",
               password="another password") != 401:
        assert time.monotonic() < deadline
        time.sleep(0.05)
