"""The model registry, alike through both doors."""

import pytest
from doors import ApiError


@pytest.fixture
def model(door, name):
    made = name("model")
    door.call("CreateRegisteredModel", {
        "name": made, "description": "first",
        "tags": [{"key": "k", "value": "v"}]})
    return made


def version(door, model, **fields):
    return door.call("CreateModelVersion", {
        "name": model, "source": "s3://bucket/model", **fields})[
            "model_version"]


def test_registered_model_life(door, model, name):
    got = door.call("GetRegisteredModel", {"name": model})[
        "registered_model"]
    assert got["description"] == "first"
    assert got["tags"] == [{"key": "k", "value": "v"}]
    door.call("UpdateRegisteredModel", {"name": model,
                                        "description": "second"})
    door.call("SetRegisteredModelTag", {"name": model, "key": "a",
                                        "value": "b"})
    door.call("DeleteRegisteredModelTag", {"name": model, "key": "k"})
    renamed = name("renamed")
    door.call("RenameRegisteredModel", {"name": model, "new_name": renamed})
    found = door.call("SearchRegisteredModels", {
        "filter": f"name = '{renamed}'"})["registered_models"]
    assert [m["description"] for m in found] == ["second"]
    assert found[0]["tags"] == [{"key": "a", "value": "b"}]
    door.call("DeleteRegisteredModel", {"name": renamed})
    with pytest.raises(ApiError, match="RESOURCE_DOES_NOT_EXIST"):
        door.call("GetRegisteredModel", {"name": renamed})


def test_versions_stages_and_aliases(door, model):
    assert version(door, model)["version"] == "1"
    assert version(door, model, tags=[{"key": "t", "value": "1"}])[
        "version"] == "2"
    one = {"name": model, "version": "2"}
    door.call("TransitionModelVersionStage", {
        **one, "stage": "Production", "archive_existing_versions": False})
    latest = door.call("GetLatestVersions", {"name": model,
                                             "stages": ["Production"]})
    assert [v["version"] for v in latest["model_versions"]] == ["2"]
    door.call("SetRegisteredModelAlias", {**one, "alias": "champion"})
    got = door.call("GetModelVersionByAlias", {"name": model,
                                               "alias": "champion"})
    assert got["model_version"]["version"] == "2"
    assert got["model_version"]["aliases"] == ["champion"]
    door.call("DeleteRegisteredModelAlias", {"name": model,
                                             "alias": "champion"})
    door.call("SetModelVersionTag", {**one, "key": "t", "value": "2"})
    door.call("UpdateModelVersion", {**one, "description": "text"})
    got = door.call("GetModelVersion", one)["model_version"]
    assert got["tags"] == [{"key": "t", "value": "2"}]
    assert got["description"] == "text"
    assert door.call("GetModelVersionDownloadUri", one) == {
        "artifact_uri": "s3://bucket/model"}
    door.call("DeleteModelVersionTag", {**one, "key": "t"})
    door.call("DeleteModelVersion", one)
    found = door.call("SearchModelVersions", {"filter": f"name = '{model}'"})
    assert [v["version"] for v in found["model_versions"]] == ["1"]
