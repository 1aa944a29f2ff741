"""--app-name basic-auth: what each permission lets a user do, at both doors."""

import base64
import itertools
import json
import os
import subprocess
import urllib.error
import urllib.request

import grpc
import pytest
from google.protobuf import json_format
from streams import Writer
from test_auth import basic, rpcs_of_the_protos

import doors
import harness

PASSWORD = "a long password"
DENIED = "PERMISSION_DENIED"
_names = itertools.count()

# Which right each rpc wants on what it names: READ, EDIT (to change it) or
# MANAGE (to delete it, mostly). `-`: every user may call it, and sees what he
# may read. What is about users is below.
RIGHTS = {
    "-": """SearchExperiments SearchRuns SearchLoggedModels GetServerInfo
        SearchRegisteredModels SearchModelVersions CreateExperiment
        CreateRegisteredModel""",
    "READ": """GetExperiment GetExperimentByName SearchDatasets GetRun
        GetMetricHistory GetMetricHistoryBulk GetMetricHistoryBulkInterval
        GetLoggedModel GetRegisteredModel GetLatestVersions GetModelVersion
        GetModelVersionDownloadUri GetModelVersionByAlias ListArtifacts
        ListLoggedModelArtifacts GetRunArtifact GetModelVersionArtifact
        GetLoggedModelArtifact CreatePresignedDownloadUrl DownloadArtifact
        ListProxiedArtifacts GetPresignedDownloadUrl TailMetrics WatchRuns""",
    "EDIT": """UpdateExperiment SetExperimentTag DeleteExperimentTag CreateRun
        UpdateRun LogMetric LogParam LogBatch SetTag DeleteTag LogModel
        LogInputs LogOutputs CreateLoggedModel FinalizeLoggedModel
        SetLoggedModelTags LogLoggedModelParams RenameRegisteredModel
        UpdateRegisteredModel CreateModelVersion UpdateModelVersion
        TransitionModelVersionStage SetRegisteredModelTag SetModelVersionTag
        DeleteRegisteredModelTag SetRegisteredModelAlias UploadRunArtifact
        CreatePresignedUploadUrl UploadArtifact CreateMultipartUpload
        UploadArtifactPart CompleteMultipartUpload AbortMultipartUpload
        LogMetrics""",
    "MANAGE": """DeleteExperiment RestoreExperiment DeleteRun RestoreRun
        DeleteLoggedModel DeleteLoggedModelTag DeleteRegisteredModel
        DeleteModelVersion DeleteModelVersionTag DeleteRegisteredModelAlias
        DeleteArtifact""",
}
LEVELS = ["READ", "EDIT", "MANAGE"]
# Rpcs whose bodies over HTTP are files, and those that leave nothing.
FILES = """DownloadArtifact UploadArtifact GetRunArtifact
    GetModelVersionArtifact GetLoggedModelArtifact UploadRunArtifact
    UploadArtifactPart""".split()
LAST = ("DeleteRegisteredModel", "DeleteExperiment")
USERS = set("""CreateUser GetUser GetCurrentUser ListUsers UpdateUserPassword
    UpdateUserAdmin DeleteUser ListCurrentUserPermissions ListUserPermissions
    GrantUserPermission RevokeUserPermission GetUserPermission CreateRole
    GetRole ListRoles UpdateRole DeleteRole AddRolePermission
    RemoveRolePermission ListRolePermissions UpdateRolePermission AssignRole
    UnassignRole ListUserRoles ListRoleUsers""".split())


def right_of():
    return {rpc: right for right, rpcs in RIGHTS.items()
            for rpc in rpcs.split()}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("permissions")
    (folder / "basic_auth.ini").write_text(
        "[mlflow]\ndefault_permission = NO_PERMISSIONS\n"
        f"database_uri = sqlite:///{folder}/users.db\nadmin_username = admin\n")
    started = harness.Server(
        folder, "--app-name", "basic-auth", environment={
            "MLFLOW_AUTH_CONFIG_PATH": folder / "basic_auth.ini",
            "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD}).start()
    yield started
    started.kill()


@pytest.fixture(scope="module")
def ask(server):
    """ask(user, method, path, body) is the answer, or an ApiError."""

    def send(user, method, path, body=None, password=PASSWORD):
        request = urllib.request.Request(
            server.url + path, None if body is None else json.dumps(
                body).encode(), {"Authorization": basic(user, password),
                                 "Content-Type": "application/json"},
            method=method)
        try:
            with urllib.request.urlopen(request) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            answer = json.loads(error.read())
            raise doors.ApiError(answer["error_code"],
                                 answer["message"]) from None
        return json.loads(text) if text[:1] in (b"{", b"[") else text

    return send


@pytest.fixture
def user(ask):
    """user() makes one more user."""

    def make():
        name = f"user{next(_names)}"
        ask("admin", "POST", "/api/2.0/mlflow/users/create",
            {"username": name, "password": PASSWORD})
        return name

    return make


def refusal(call):
    """The code of the error; nothing without one."""
    try:
        call()
    except doors.ApiError as error:
        return error.code
    return None


def grant(ask, user, kind, thing, permission):
    ask("admin", "POST", "/api/3.0/mlflow/users/permissions/grant",
        {"username": user, "resource_type": kind, "resource_id": thing,
         "permission": permission})


class Things:
    """An experiment and a model of one user, with something in them."""

    def __init__(self, server, owner):
        self.door = doors.RestDoor(server, basic(owner, PASSWORD))
        call = self.door.call
        self.name = f"of-{owner}-{next(_names)}"
        self.experiment = call("CreateExperiment",
                               {"name": self.name})["experiment_id"]
        self.run = call("CreateRun", {
            "experiment_id": self.experiment})["run"]["info"]["run_id"]
        call("LogMetric", {"run_id": self.run, "key": "m", "value": 1,
                           "timestamp": 1})
        self.path = f"{self.experiment}/{self.run}/artifacts/f"
        self.door.upload("UploadArtifact", {"artifact_path": self.path}, b"x")
        self.model = call("CreateLoggedModel", {
            "experiment_id": self.experiment, "name": "m"})[
                "model"]["info"]["model_id"]
        call("CreateRegisteredModel", {"name": self.name})
        call("CreateModelVersion", {
            "name": self.name, "run_id": self.run, "source":
            f"mlflow-artifacts:/{self.experiment}/{self.run}/artifacts"})
        call("SetRegisteredModelAlias", {"name": self.name, "alias": "a",
                                         "version": "1"})

    def request(self, rpc):
        """One that names everything the rpc knows, and is complete enough to
        pass the checks of required fields."""
        run, model, name = self.run, self.model, self.name
        experiment = self.experiment
        special = {
            "SearchDatasets": {"experiment_ids": [experiment]},
            "GetExperimentByName": {"experiment_name": name},
            "GetMetricHistoryBulk": {"run_id": [run], "metric_key": "m"},
            "GetMetricHistoryBulkInterval": {"run_ids": [run],
                                             "metric_key": "m"},
            "UploadRunArtifact": {"run_uuid": run, "path": "f"},
            "CreatePresignedUploadUrl": {"run_id": run, "path": "f"},
            "CreatePresignedDownloadUrl": {"run_id": run, "path": "f"},
            "ListProxiedArtifacts": {"path": experiment},
            "LogMetrics": {"open": {"run_id": run, "writer_id": "w"}},
            "TailMetrics": {"run_id": run},
            "WatchRuns": {"experiment_id": experiment},
            "CreateRun": {"experiment_id": experiment},
            "LogBatch": {"run_id": run},
            "LogMetric": {"run_id": run, "key": "k", "value": 1,
                          "timestamp": 1},
            "LogInputs": {"run_id": run},
            "LogOutputs": {"run_id": run, "models": []},
            "CreateLoggedModel": {"experiment_id": experiment},
            "CreateModelVersion": {"name": name, "source": "x"},
            "LogModel": {"run_id": run, "model_json": "{}"},
            "RenameRegisteredModel": {"name": name, "new_name": name},
        }
        if rpc in special:
            return special[rpc]
        if "Experiment" in rpc:
            return {"experiment_id": experiment, "key": "k", "value": "v"}
        if "LoggedModel" in rpc:
            return {"model_id": model, "tag_key": "k", "path": "f",
                    "status": "LOGGED_MODEL_READY"}
        if "Model" in rpc or "Version" in rpc:
            return {"name": name, "version": "1", "key": "k", "alias": "b",
                    "stage": "Staging", "value": "v"}
        if "Multipart" in rpc or rpc == "UploadArtifactPart":
            return {"artifact_path": self.path.rpartition("/")[0],
                    "path": "g", "num_parts": 1, "upload_id": "u",
                    "part_number": 1,
                    "parts": [{"part_number": 1, "etag": "e"}]}
        if rpc in ("DownloadArtifact", "UploadArtifact", "DeleteArtifact",
                   "GetPresignedDownloadUrl"):
            return {"artifact_path": self.path}
        return {"run_id": run, "key": "k", "value": "1", "timestamp": 1,
                "metric_key": "m", "path": "f"}


class AnyShape:
    """Calls rpcs of any shape over gRPC with one message."""

    def __init__(self, server, user):
        self.door = doors.GrpcDoor(server, basic(user, PASSWORD))
        self.methods = {m.name: m for m in self.door.methods()}

    def code(self, rpc, request):
        method = self.methods[rpc]
        message = self.door.new(rpc)
        json_format.ParseDict(request, message, ignore_unknown_fields=True)
        call = self.door.channel.stream_stream(
            f"/{method.containing_service.full_name}/{rpc}")
        try:
            answers = call(iter([message.SerializeToString()]), timeout=30)
            next(answers, None)
            answers.cancel()
        except grpc.RpcError as error:
            return error.code().name
        return None

    def close(self):
        self.door.close()


def test_every_rpc_is_in_the_table():
    assert set(right_of()) | USERS == set(rpcs_of_the_protos())


@pytest.mark.parametrize("level", [None, *LEVELS])
def test_each_level_allows_what_it_says(server, ask, user, level):
    owner, other = user(), user()
    things = Things(server, owner)
    if level:
        grant(ask, other, "experiment", things.experiment, level)
        grant(ask, other, "registered_model", things.name, level)
    grpc_door = AnyShape(server, other)
    rest_door = doors.RestDoor(server, basic(other, PASSWORD))
    wrong = []
    ordered = sorted(right_of().items(), key=lambda item: (
        [*"-", *LEVELS].index(item[1]), item[0] in LAST))
    for rpc, right in ordered:
        allowed = right == "-" or (
            level is not None and LEVELS.index(right) <= LEVELS.index(level))
        request = things.request(rpc)
        code = grpc_door.code(rpc, request)
        if (code != DENIED) != allowed:
            wrong.append(("gRPC", rpc, code))
        # Once a model is gone, so are the permissions on it.
        if rpc in rest_door._routes and rpc not in FILES and not (
                rpc in LAST and allowed):
            try:
                code = refusal(lambda: rest_door.call(rpc, request))
            except KeyError:
                continue  # the path wants what the request does not have
            if (code == DENIED) == allowed:
                wrong.append(("REST", rpc, code))
    grpc_door.close()
    assert not wrong


def test_the_owner_manages_what_he_made(server, ask, user):
    owner = user()
    things = Things(server, owner)
    for kind, thing in (("experiment", things.experiment),
                        ("registered_model", things.name)):
        answer = ask(owner, "GET", "/api/3.0/mlflow/users/permissions/get?"
                     f"username={owner}&resource_type={kind}"
                     f"&resource_id={thing}")
        assert answer == {"allowed": True, "permission": "MANAGE"}
        # And may let others in.
        other = user()
        ask(owner, "POST", "/api/3.0/mlflow/users/permissions/grant",
            {"username": other, "resource_type": kind, "resource_id": thing,
             "permission": "READ"})
        assert refusal(lambda: ask(
            other, "POST", "/api/3.0/mlflow/users/permissions/grant",
            {"username": owner, "resource_type": kind, "resource_id": thing,
             "permission": "READ"})) == DENIED
    # A new name keeps the permissions; a deleted model leaves none behind.
    things.door.call("RenameRegisteredModel", {
        "name": things.name, "new_name": things.name + "x"})
    things.door.call("UpdateRegisteredModel", {
        "name": things.name + "x", "description": "d"})
    things.door.call("DeleteRegisteredModel", {"name": things.name + "x"})
    thief = user()
    doors.RestDoor(server, basic(thief, PASSWORD)).call(
        "CreateRegisteredModel", {"name": things.name + "x"})
    assert refusal(lambda: things.door.call(
        "GetRegisteredModel", {"name": things.name + "x"})) == DENIED


def test_searches_show_what_may_be_read(server, ask, user):
    owner, other = user(), user()
    mine = [Things(server, other) for _ in range(2)]
    theirs = [Things(server, owner) for _ in range(3)]
    for door in (doors.RestDoor(server, basic(other, PASSWORD)),
                 doors.GrpcDoor(server, basic(other, PASSWORD))):
        def ids(rpc, request, field, key):
            return [key(row) for row in door.call(rpc, request).get(field, [])]

        experiments = {t.experiment for t in mine}
        assert set(ids("SearchExperiments", {"max_results": 100},
                       "experiments",
                       lambda e: e["experiment_id"])) == experiments
        # Pages are full though most rows are not shown.
        # And where they end tells nothing of those that are not.
        request = {"max_results": 1, "order_by": ["name"]}
        page = door.call("SearchExperiments", request)
        found = [e["experiment_id"] for e in page.get("experiments", [])]
        while token := page.get("next_page_token"):
            told = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            assert not any(t.name.encode() in told for t in mine + theirs)
            page = door.call("SearchExperiments",
                             {**request, "page_token": token})
            found += [e["experiment_id"] for e in page.get("experiments", [])]
        assert sorted(found) == sorted(experiments)
        everything = [t.experiment for t in mine + theirs]
        assert set(ids("SearchRuns", {"experiment_ids": everything}, "runs",
                       lambda r: r["info"]["run_id"])) == {
                           t.run for t in mine}
        assert ids("SearchRuns", {"experiment_ids": [theirs[0].experiment]},
                   "runs", lambda r: r) == []
        assert set(ids("SearchLoggedModels", {"experiment_ids": everything},
                       "models", lambda m: m["info"]["model_id"])) == {
                           t.model for t in mine}
        names = {t.name for t in mine}
        assert set(ids("SearchRegisteredModels", {}, "registered_models",
                       lambda m: m["name"])) == names
        assert set(ids("SearchModelVersions", {}, "model_versions",
                       lambda v: v["name"])) == names


def test_graphql_shows_what_may_be_read(server, ask, user):
    owner, other = user(), user()
    things = Things(server, owner)
    query = {"query": "query Q($data: MlflowGetRunInput!) { mlflowGetRun("
             "input: $data) { run { info { runId } } } }",
             "operationName": "Q",
             "variables": {"data": {"runId": things.run}}}
    assert things.run in json.dumps(ask(owner, "POST", "/graphql", query))
    assert '"runId": "' not in json.dumps(ask(other, "POST", "/graphql",
                                              query))


def test_what_does_not_exist_looks_like_what_may_not_be_seen(server, ask,
                                                             user):
    other = user()
    things = Things(server, user())
    door = doors.RestDoor(server, basic(other, PASSWORD))
    for run in (things.run, "0" * 32):
        assert refusal(lambda: door.call("GetRun", {"run_id": run})) == DENIED


def test_artifacts_of_others_are_not_reached_by_detours(server, ask, user):
    owner, other = user(), user()
    things = Things(server, owner)
    door = doors.RestDoor(server, basic(other, PASSWORD))
    for path in (things.path, f"0/../{things.path}", f"./{things.path}",
                 things.path.replace("/", "%2F"), f"/{things.path}",
                 f"{things.experiment}%2f{things.run}/artifacts/f"):
        code = refusal(lambda: door.download("DownloadArtifact",
                                             {"artifact_path": path}))
        assert code is not None, path
    where = f"mlflow-artifacts:/{things.experiment}/{things.run}/artifacts"
    assert refusal(lambda: door.call("CreateExperiment", {
        "name": "a detour", "artifact_location": where})) == DENIED
    for location in ("/tmp", "file:///tmp", "relative", "./x"):
        assert refusal(lambda: door.call("CreateExperiment", {
            "name": "a detour", "artifact_location": location})) == DENIED
    door.call("CreateRegisteredModel", {"name": "detour"})
    name = things.name
    for source in (where, f"runs:/{things.run}/f", f"models:/{things.model}",
                   f"models:/{name}/1", f"models:/{name}@a",
                   f"models:/{name}/latest", f" models:/{name}/1",
                   f"\x01models:/{name}/1", f"models:/{name[:3]}\t{name[3:]}/1",
                   f"MODELS:/{name}/1", f"models:////{name}/1",
                   f" runs:/{things.run}/f",
                    f"\tMlflow-artifacts:/{where[18:]}"):
        assert refusal(lambda: door.call("CreateModelVersion", {
            "name": "detour", "source": source})) == DENIED, source


def test_an_id_is_the_same_however_it_is_written(server, ask, user):
    """Where a grant is below what all others may."""
    owner, other = user(), user()
    things = Things(server, owner)
    grant(ask, other, "experiment", "*", "READ")
    door = doors.RestDoor(server, basic(other, PASSWORD))
    role = ask("admin", "POST", "/api/3.0/mlflow/roles/create",
               {"name": f"r{next(_names)}", "workspace": "default"})["role"]
    ask("admin", "POST", "/api/3.0/mlflow/roles/permissions/add",
        {"role_id": role["id"], "resource_type": "experiment",
         "resource_pattern": things.experiment, "permission": "DENY"})
    door.call("GetExperiment", {"experiment_id": things.experiment})
    ask("admin", "POST", "/api/3.0/mlflow/roles/assign",
        {"username": other, "role_id": role["id"]})
    streams = AnyShape(server, other)
    for written in (things.experiment, f"0{things.experiment}",
                    f"+{things.experiment}", f" {things.experiment} "):
        for rpc, request in (
                ("GetExperiment", {"experiment_id": written}),
                ("SearchDatasets", {"experiment_ids": [written]}),
                ("CreateRun", {"experiment_id": written}),
                ("CreateLoggedModel", {"experiment_id": written}),
                ("DeleteExperiment", {"experiment_id": written})):
            assert refusal(lambda: door.call(rpc, request)) == DENIED, (
                rpc, written)
        for rpc in "WatchRuns", "TailMetrics":
            assert streams.code(rpc, {"experiment_id": written}) == DENIED
        assert door.call("SearchRuns", {
            "experiment_ids": [written]}).get("runs", []) == []
    streams.close()


def test_a_denial_beats_what_is_granted(server, ask, user):
    owner = user()
    things = Things(server, owner)
    role = ask("admin", "POST", "/api/3.0/mlflow/roles/create",
               {"name": f"r{next(_names)}", "workspace": "default"})["role"]
    ask("admin", "POST", "/api/3.0/mlflow/roles/permissions/add",
        {"role_id": role["id"], "resource_type": "run",
         "resource_pattern": "*", "permission": "DENY"})
    things.door.call("GetRun", {"run_id": things.run})
    ask("admin", "POST", "/api/3.0/mlflow/roles/assign",
        {"username": owner, "role_id": role["id"]})
    assert refusal(lambda: things.door.call(
        "GetRun", {"run_id": things.run})) == DENIED
    things.door.call("GetExperiment", {"experiment_id": things.experiment})
    # Nor are runs seen from their experiment.
    streams = AnyShape(server, owner)
    for rpc in "WatchRuns", "TailMetrics":
        assert streams.code(rpc, {"experiment_id": things.experiment}) == DENIED
    streams.close()
    assert refusal(lambda: things.door.call("SearchDatasets", {
        "experiment_ids": [things.experiment]})) == DENIED


def test_a_stream_ends_when_its_user_may_no_longer(server, ask, user):
    owner, other = user(), user()
    things = Things(server, owner)
    grant(ask, other, "experiment", things.experiment, "EDIT")
    door = doors.GrpcDoor(server, basic(other, PASSWORD))
    writer = Writer(door, things.run)
    writer.send(1, {0: [(1, 1, 1.0)]}, new_keys=["m"])
    writer.wait_for(1)
    watcher = door.stream("TailMetrics", iter([{"run_id": things.run}]))
    while not next(watcher).live:
        pass
    ask("admin", "POST", "/api/3.0/mlflow/users/permissions/revoke",
        {"username": other, "resource_type": "experiment",
         "resource_id": things.experiment})
    writer.send(2, {0: [(2, 2, 2.0)]})
    assert writer.failure()[1] == DENIED
    # Of what comes now, one answer at most.
    things.door.call("LogMetric", {"run_id": things.run, "key": "m",
                                   "value": 3, "timestamp": 3, "step": 3})
    with pytest.raises(grpc.RpcError) as raised:
        list(watcher)
    assert raised.value.code() == grpc.StatusCode.PERMISSION_DENIED
    door.close()


def test_users_look_after_themselves(server, ask, user):
    one, two = user(), user()
    ask(one, "GET", f"/api/2.0/mlflow/users/get?username={one}")
    for method, path, body in (
            ("GET", f"2.0/mlflow/users/get?username={two}", None),
            ("POST", "2.0/mlflow/users/create",
             {"username": "x", "password": PASSWORD}),
            ("PATCH", "2.0/mlflow/users/update-password",
             {"username": two, "password": PASSWORD + "x"}),
            ("PATCH", "2.0/mlflow/users/update-admin",
             {"username": one, "is_admin": True}),
            ("DELETE", "2.0/mlflow/users/delete", {"username": two}),
            ("GET", f"3.0/mlflow/users/roles/list?username={two}", None),
            ("GET", "3.0/mlflow/roles/list", None),
            ("POST", "3.0/mlflow/roles/create",
             {"name": "x", "workspace": "default"}),
            ("POST", "3.0/mlflow/roles/assign",
             {"username": one, "role_id": 1}),
            ("GET", f"3.0/mlflow/users/permissions/list?username={two}",
             None)):
        assert refusal(lambda: ask(one, method, "/api/" + path,
                                   body)) == DENIED, path
    change = {"username": one, "password": "another password"}
    for wrong in ({}, {"current_password": "not this one"}):
        assert refusal(lambda: ask(
            one, "PATCH", "/api/2.0/mlflow/users/update-password",
            {**change, **wrong})) == "INVALID_PARAMETER_VALUE"
    ask(one, "PATCH", "/api/2.0/mlflow/users/update-password",
        {**change, "current_password": PASSWORD})
    assert refusal(lambda: ask(
        one, "GET", "/api/2.0/mlflow/users/current")) == "UNAUTHENTICATED"
    current = ask(one, "GET", "/api/2.0/mlflow/users/current",
                  password="another password")
    assert current["user"]["username"] == one
    assert current["is_basic_auth"] is True
    ask("admin", "DELETE", "/api/2.0/mlflow/users/delete", {"username": one})
    assert refusal(lambda: ask(
        one, "GET", "/api/2.0/mlflow/users/current",
        password="another password")) == "UNAUTHENTICATED"


def test_there_is_a_page_to_sign_up_with(ask):
    assert b"users/create" in ask("admin", "GET", "/signup")


def test_users_see_of_each_other_what_mlflow_shows(server, ask, user):
    """docs/access.md and docs/security.md say so: who sees whom."""
    owner, other, idle = user(), user(), user()
    things = Things(server, owner)
    ask(other, "POST", "/api/2.0/mlflow/experiments/create",
        {"name": f"of-{other}"})
    listed = {u["username"]: u for u in
              ask(other, "GET", "/api/2.0/mlflow/users/list")["users"]}
    assert {"admin", owner, idle} <= set(listed)
    assert listed["admin"]["is_admin"] and not listed[owner]["roles"]
    roles = ask(other, "GET",
                "/api/3.0/mlflow/roles/list?workspace=default")["roles"]
    role, = [r["id"] for r in roles
             if r["name"] == f"__user_{listed[owner]['id']}__"]
    shown = (ask(other, "GET", f"/api/3.0/mlflow/roles/get?role_id={role}")
             ["role"]["permissions"])
    assert {things.experiment, things.name} <= {
        each["resource_pattern"] for each in shown}
    path = f"/api/3.0/mlflow/roles/permissions/list?role_id={role}"
    assert ask(other, "GET", path)["role_permissions"] == shown
    # Not what is behind those names, nor by whoever has no role.
    assert refusal(lambda: ask(
        other, "GET", "/api/2.0/mlflow/experiments/get?experiment_id="
        + things.experiment)) == DENIED
    assert refusal(lambda: ask(idle, "GET", path)) == DENIED
    assert refusal(lambda: ask(
        other, "GET", f"/api/3.0/mlflow/roles/users/list?role_id={role}")
    ) == DENIED


def test_hashes_of_passwords_are_their_owners_to_read(start_server):
    server = start_server("--app-name", "basic-auth", environment={
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD})
    found = list(server.folder.rglob("basic_auth.db*"))
    assert found
    for path in found + [found[0].parent]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_administrators_are_never_made_with_a_known_password(tmp_path):
    for password in ("", "password1234", "short"):
        ended = subprocess.run(
            [harness.BINARY, "server", "--port", "0", "--grpc-port", "0",
             "--data-dir", tmp_path / "data", "--app-name", "basic-auth"],
            env={"PATH": os.environ["PATH"],
                 "MLFLOW_AUTH_ADMIN_PASSWORD": password}, cwd=tmp_path,
            capture_output=True, text=True, timeout=60)
        assert ended.returncode != 0
        assert "MLFLOW_AUTH_ADMIN_PASSWORD" in ended.stderr
