"""The stock client and command against a server that asks for passwords."""

import os
import subprocess
import sys

import mlflow
import pytest

import harness

DOOR = os.environ.get("MILLSTREAM_TEST_DOOR", "http")
USER, PASSWORD = "alice", "a pass:word"
VARIABLES = {"MLFLOW_TRACKING_USERNAME": USER,
             "MLFLOW_TRACKING_PASSWORD": PASSWORD}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    server = harness.Server(tmp_path_factory.mktemp("guarded"),
                            environment=VARIABLES).start()
    yield server
    server.kill()


@pytest.fixture
def run_as(guarded, scripts, tmp_path):
    """run_as({variables}, program...) as a user would; the ended process."""

    def run(variables, *command):
        uri = guarded.url
        if DOOR == "grpc":
            uri = (f"millstream://{guarded.grpc_address}?ui={guarded.url}"
                   f"&spool_dir={tmp_path / 'spool'}")
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("MLFLOW_TRACKING_")}
        return subprocess.run(
            [sys.executable, *map(str, command)], cwd=tmp_path,
            env={**environment, "MLFLOW_TRACKING_URI": uri, **variables},
            capture_output=True, text=True, timeout=180)

    return run


def test_the_client_logs_and_reads_with_its_password(run_as, scripts, unique):
    ended = run_as(VARIABLES, scripts / "team.py", unique())
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("variables", [
    {}, {**VARIABLES, "MLFLOW_TRACKING_PASSWORD": "other"}],
    ids=["none", "wrong"])
def test_the_client_is_told_what_is_missing(run_as, scripts, unique,
                                            variables):
    ended = run_as(variables, scripts / "team.py", unique())
    assert ended.returncode != 0
    # mlflow shows the code in answers to HTTP requests alone.
    if DOOR == "http":
        assert "UNAUTHENTICATED" in ended.stderr
    assert ("MLFLOW_TRACKING_USERNAME" if not variables
            else "password is wrong") in ended.stderr


def test_the_command_takes_the_variables(run_as):
    ended = run_as(VARIABLES, "-m", "mlflow", "experiments", "search")
    assert ended.returncode == 0, ended.stderr
    assert "Default" in ended.stdout
    assert run_as({}, "-m", "mlflow", "experiments",
                  "search").returncode != 0


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    """A server with users of its own."""
    folder = tmp_path_factory.mktemp("team")
    server = harness.Server(folder, "--app-name", "basic-auth", environment={
        "MLFLOW_AUTH_ADMIN_PASSWORD": "the admin's password"}).start()
    yield server
    server.kill()


@pytest.fixture
def admin(team, monkeypatch):
    """mlflow's own client of users and permissions, as the administrator."""
    # Its modules ask for what the app asks for.
    pytest.importorskip("flask_wtf")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "the admin's password")
    from mlflow.server import get_app_client
    return get_app_client("basic-auth", tracking_uri=team.url)


@pytest.mark.needs_3
def test_users_are_administered_by_mlflows_client(admin, unique):
    name = unique()
    user = admin.create_user(name, "a long password")
    assert (user.username, user.is_admin) == (name, False)
    assert admin.get_user(name).id == user.id
    with pytest.raises(mlflow.MlflowException, match="already exists"):
        admin.create_user(name, "a long password")
    with pytest.raises(mlflow.MlflowException, match="12 characters"):
        admin.create_user(name + "x", "short")
    admin.update_user_password(name, "another password")
    admin.update_user_admin(name, True)
    assert admin.get_user(name).is_admin
    admin.delete_user(name)
    with pytest.raises(mlflow.MlflowException, match="no user"):
        admin.get_user(name)


@pytest.mark.needs_3
def test_roles_and_permissions_are_given_by_mlflows_client(admin, unique):
    name = unique()
    user = admin.create_user(name, "a long password")
    role = admin.create_role("default", name, description="ours")
    assert (role.name, role.workspace, role.description) == (
        name, "default", "ours")
    grant = admin.add_role_permission(role.id, "experiment", "*", "READ")
    assert admin.update_role_permission(grant.id, "EDIT").permission == "EDIT"
    assert [p.permission for p in admin.list_role_permissions(role.id)] == [
        "EDIT"]
    assignment = admin.assign_role(name, role.id)
    assert (assignment.user_id, assignment.role_id) == (user.id, role.id)
    assert [a.user_id for a in admin.list_role_users(role.id)] == [user.id]
    assert [r.id for r in admin.list_user_roles(name)] == [role.id]
    assert role.id in [r.id for r in admin.list_roles("default")]
    assert role.id in [r.id for r in admin.list_all_roles()]
    assert admin.update_role(role.id, name=name + "x").name == name + "x"
    assert admin.get_role(role.id).permissions[0].resource_type == "experiment"
    found = admin.get_user_permission(name, "experiment", "7")
    assert (found.allowed, found.permission) == (True, "EDIT")
    admin.grant_user_permission(name, "registered_model", "m", "MANAGE")
    with pytest.raises(mlflow.MlflowException, match="already exists"):
        admin.grant_user_permission(name, "registered_model", "m", "READ")
    admin.revoke_user_permission(name, "registered_model", "m")
    found = admin.get_user_permission(name, "registered_model", "m")
    assert (found.allowed, found.permission) == (False, "READ")
    admin.remove_role_permission(grant.id)
    admin.unassign_role(name, role.id)
    admin.delete_role(role.id)
    assert role.id not in [r.id for r in admin.list_all_roles()]
    admin.delete_user(name)
