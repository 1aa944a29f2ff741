"""Calls that make something, and whose answer is lost: it is there once."""

import json

import millstream
import pytest
from millstream import _api

OWN_SERVER = True
HISTORY = "mlflow.log-model.history"


class Caller:
    """Makes rpcs as the plugin does."""

    def __init__(self, client):
        self._session = client._session

    def __call__(self, name, /, **fields):
        return self._session.call(
            name, _api.message(f"{name}Request")(**fields), None)


@pytest.fixture
def call(proxy, connect):
    client = connect(proxy)
    yield Caller(client)
    client.close()


@pytest.fixture(params=["cut off", "killed"])
def lose_answer(request, proxy, server):
    """lose_answer(name): that of the next such call does not come, because its
    connection, or the server, has ended."""
    def restart():
        server.kill()
        server.start()

    return lambda name: proxy.lose_answer(
        name, *([restart] if request.param == "killed" else []))


def refusal(act):
    with pytest.raises(millstream.Error) as error:
        act()
    return error.value


def test_an_experiment_is_made_once(call, lose_answer, proxy):
    lose_answer("CreateExperiment")
    tags = [{"key": "team", "value": "vision"}]
    made = call("CreateExperiment", name="digits", tags=tags).experiment_id
    found = call("GetExperimentByName", experiment_name="digits").experiment
    assert found.experiment_id == made
    assert [(t.key, t.value) for t in found.tags] == [("team", "vision")]
    # Somebody else's remains somebody else's.
    proxy.lose_call("CreateExperiment")
    assert refusal(lambda: call("CreateExperiment", name="digits")).code == (
        "RESOURCE_ALREADY_EXISTS")


def test_a_registered_model_is_made_once(call, lose_answer, proxy):
    lose_answer("CreateRegisteredModel")
    made = call("CreateRegisteredModel", name="a 'model'",
                description="d").registered_model
    assert (made.name, made.description) == ("a 'model'", "d")
    proxy.lose_call("CreateRegisteredModel")
    assert refusal(
        lambda: call("CreateRegisteredModel", name="a 'model'")).code == (
            "RESOURCE_ALREADY_EXISTS")


def test_a_version_is_made_once(call, lose_answer):
    call("CreateRegisteredModel", name="m")
    wanted = {"name": "m", "source": "s3://bucket/m", "description": "d",
              "tags": [{"key": "k", "value": "v"}]}
    # One that is the same is not taken for what was made.
    for number in "123":
        if number != "1":
            lose_answer("CreateModelVersion")
        made = call("CreateModelVersion", **wanted).model_version
        assert made.version == number
        assert (made.source, made.description) == ("s3://bucket/m", "d")
    (latest,) = call("GetLatestVersions", name="m").model_versions
    assert latest.version == "3"


@pytest.mark.parametrize("of_run", [False, True])
def test_a_logged_model_is_made_once(call, lose_answer, proxy, of_run):
    wanted = {"experiment_id": "0", "model_type": "tree",
              "params": [{"key": "depth", "value": "3"}]}
    if of_run:
        wanted["source_run_id"] = call(
            "CreateRun", experiment_id="0").run.info.run_id
    ids = set()
    for number in range(3):
        if number:
            lose_answer("CreateLoggedModel")
        made = call("CreateLoggedModel", **wanted).model
        assert made.info.model_type == "tree"
        ids.add(made.info.model_id)
    found = call("SearchLoggedModels", experiment_ids=["0"]).models
    assert {each.info.model_id for each in found} == ids
    assert len(found) == 3
    assert proxy.calls.count("CreateLoggedModel") == 3


def test_what_never_arrived_is_sent_again_if_that_is_safe(call, proxy):
    proxy.lose_call("CreateExperiment")
    made = call("CreateExperiment", name="e").experiment_id
    assert call("GetExperiment", experiment_id=made).experiment.name == "e"
    proxy.lose_call("CreateRegisteredModel")
    assert call("CreateRegisteredModel",
                name="m").registered_model.name == "m"
    # A version would be there twice if it came late.
    proxy.lose_call("CreateModelVersion")
    error = refusal(lambda: call("CreateModelVersion", name="m", source="s"))
    assert error.code == "TEMPORARILY_UNAVAILABLE"
    assert "may have been done or not" in error.message
    assert not call("GetLatestVersions", name="m").model_versions


def test_the_servers_own_refusals_are_handed_on(call):
    for code, name, fields in [
            ("RESOURCE_DOES_NOT_EXIST", "CreateModelVersion",
             {"name": "none", "source": "s3://bucket/m"}),
            ("INVALID_PARAMETER_VALUE", "CreateRegisteredModel", {"name": ""}),
            ("INVALID_PARAMETER_VALUE", "CreateExperiment", {"name": ""}),
            ("RESOURCE_DOES_NOT_EXIST", "CreateLoggedModel",
             {"experiment_id": "12345"})]:
        assert refusal(lambda: call(name, **fields)).code == code, name


def test_a_server_that_is_away_is_waited_for(server, connect):
    client = connect(server, timeout=0.5)
    server.kill()
    error = refusal(lambda: Caller(client)("CreateModelVersion", name="m",
                                           source="s"))
    assert error.code == "TEMPORARILY_UNAVAILABLE"
    # It was never sent.
    assert "may have been" not in error.message


# --- What waits in the spool when its answer was lost


def test_what_was_done_and_is_sent_again_is_no_refusal(
        connect, proxy, spool, lose_answer, caplog):
    client = connect(proxy)
    run = client.create_run()
    run.set_tags({"gone": "1", "stays": "1"})
    model = json.dumps({
        "run_id": run.id, "artifact_path": "model", "model_uuid": "1",
        "utc_time_created": "2026-01-01 00:00:00", "flavors": {"f": {}}})
    for name, fields in [("DeleteTag", {"key": "gone"}),
                         ("LogModel", {"model_json": model})]:
        lose_answer(name)
        client._session.write(run.id, name, _api.message(f"{name}Request")(
            run_id=run.id, **fields))
    assert client.flush(30)
    # Another is another.
    client._session.write(run.id, "LogModel", _api.message("LogModelRequest")(
        run_id=run.id, model_json=model.replace('"1"', '"2"')))
    assert client.flush(30)
    tags = {t.key: t.value for t in client._session.call(
        "GetRun", _api.message("GetRunRequest")(run_id=run.id)).run.data.tags}
    assert "gone" not in tags and tags["stays"] == "1"
    assert [each["model_uuid"] for each in json.loads(tags[HISTORY])] == [
        "1", "2"]
    assert not (spool / "refused.jsonl").exists()
    assert "refused" not in caplog.text
    client.close()
