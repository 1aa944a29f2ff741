"""The model registry through MlflowClient."""

import pytest
from mlflow.exceptions import MlflowException

SOURCE = "s3://bucket/some/model"


@pytest.fixture
def model(client, unique):
    return client.create_registered_model(
        unique("model"), tags={"a": "1"}, description="what it does").name


def add_version(client, name, **kwargs):
    return client.create_model_version(name, SOURCE, **kwargs).version


def test_life_of_a_registered_model(client, model, unique):
    found = client.get_registered_model(model)
    assert (found.description, found.tags) == ("what it does", {"a": "1"})
    assert found.creation_timestamp == found.last_updated_timestamp > 0
    client.update_registered_model(model, "better words")
    assert client.get_registered_model(model).description == "better words"
    client.rename_registered_model(model, unique("renamed"))
    assert client.get_registered_model(unique("renamed")).tags == {"a": "1"}
    with pytest.raises(MlflowException) as error:
        client.get_registered_model(model)
    assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    client.delete_registered_model(unique("renamed"))
    with pytest.raises(MlflowException):
        client.get_registered_model(unique("renamed"))


def test_a_name_is_taken_once(client, model):
    with pytest.raises(MlflowException) as error:
        client.create_registered_model(model)
    assert error.value.error_code == "RESOURCE_ALREADY_EXISTS"


def test_model_tags(client, model):
    client.set_registered_model_tag(model, "b", "2")
    client.set_registered_model_tag(model, "b", "3")
    client.delete_registered_model_tag(model, "a")
    assert client.get_registered_model(model).tags == {"b": "3"}


def test_versions_count_up_and_never_reuse_a_number(client, model, run_id):
    first = client.create_model_version(
        model, SOURCE, run_id, tags={"t": "v"}, description="first")
    assert int(first.version) == 1
    found = client.get_model_version(model, "1")
    assert (found.source, found.run_id, found.description, found.tags) == (
        SOURCE, run_id, "first", {"t": "v"})
    assert (found.status, found.current_stage) == ("READY", "None")
    client.update_model_version(model, "1", "changed")
    assert client.get_model_version(model, "1").description == "changed"
    assert client.get_model_version_download_uri(model, "1") == SOURCE
    assert int(add_version(client, model)) == 2
    client.delete_model_version(model, "1")
    with pytest.raises(MlflowException):
        client.get_model_version(model, "1")
    assert int(add_version(client, model)) == 3


def test_version_tags(client, model):
    add_version(client, model)
    client.set_model_version_tag(model, "1", "k", "v")
    client.set_model_version_tag(model, "1", "gone", "v")
    client.delete_model_version_tag(model, "1", "gone")
    assert client.get_model_version(model, "1").tags == {"k": "v"}


def test_aliases_point_at_one_version(client, model):
    for _ in range(2):
        add_version(client, model)
    client.set_registered_model_alias(model, "champion", "1")
    client.set_registered_model_alias(model, "champion", "2")
    client.set_registered_model_alias(model, "challenger", "1")
    assert {a: int(v) for a, v in
            client.get_registered_model(model).aliases.items()} == {
        "champion": 2, "challenger": 1}
    by_alias = client.get_model_version_by_alias(model, "champion")
    assert int(by_alias.version) == 2
    assert by_alias.aliases == ["champion"]
    client.delete_registered_model_alias(model, "champion")
    with pytest.raises(MlflowException):
        client.get_model_version_by_alias(model, "champion")


def test_stages(client, model):
    for _ in range(3):
        add_version(client, model)
    assert client.get_model_version_stages(model, "1") == [
        "None", "Staging", "Production", "Archived"]
    client.transition_model_version_stage(model, "1", "Production")
    client.transition_model_version_stage(model, "2", "Staging")
    latest = client.get_latest_versions(model)
    assert {v.current_stage: int(v.version) for v in latest} == {
        "Production": 1, "Staging": 2, "None": 3}
    client.transition_model_version_stage(model, "3", "Production",
                                          archive_existing_versions=True)
    assert client.get_model_version(model, "1").current_stage == "Archived"
    only, = client.get_latest_versions(model, ["Production"])
    assert int(only.version) == 3


def test_search_models(client, unique):
    names = [unique(f"m{i}") for i in range(5)]
    for i, name in enumerate(names):
        client.create_registered_model(name, tags={unique("k"): str(i % 2)})
        add_version(client, name)
    like = f"name LIKE '{unique('%')}'".replace(
        unique("%").rsplit("-", 2)[0], "%")
    found, token = [], None
    while True:
        page = client.search_registered_models(
            like, max_results=2, order_by=["name DESC"], page_token=token)
        found += [m.name for m in page]
        token = page.token
        if not token:
            break
    assert found == names[::-1]
    tagged = client.search_registered_models(
        f"tags.`{unique('k')}` = '1'", order_by=["name ASC"])
    assert [m.name for m in tagged] == [names[1], names[3]]
    assert [int(v.version) for v in tagged[0].latest_versions] == [1]


def test_search_versions(client, model, run_id):
    add_version(client, model)
    client.create_model_version(model, SOURCE, run_id, tags={"q": "yes"})
    add_version(client, model)

    def search(text, **kwargs):
        return [int(v.version)
                for v in client.search_model_versions(text, **kwargs)]

    assert search(f"name = '{model}'",
                  order_by=["version_number ASC"]) == [1, 2, 3]
    assert search(f"run_id = '{run_id}'") == [2]
    assert search(f"name = '{model}' AND tags.q = 'yes'") == [2]
    assert search(f"name = '{model}'", max_results=1,
                  order_by=["version_number DESC"]) == [3]


def test_a_version_must_belong_to_a_model(client, unique):
    with pytest.raises(MlflowException) as error:
        add_version(client, unique("none"))
    assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"
