"""Experiments through MlflowClient."""

import mlflow
import pytest
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException


def test_created_experiment_is_found_by_id_and_name(client, unique):
    name = unique()
    tags = {"team": "vision", "empty": ""}
    experiment_id = client.create_experiment(name, tags=tags)
    for found in (client.get_experiment(experiment_id),
                  client.get_experiment_by_name(name)):
        assert found.experiment_id == experiment_id
        assert found.name == name
        assert found.tags == tags
        assert found.lifecycle_stage == "active"
        assert found.creation_time == found.last_update_time > 0
        assert found.artifact_location == f"mlflow-artifacts:/{experiment_id}"


def test_a_name_is_taken_once(client, unique):
    name = unique()
    client.create_experiment(name)
    with pytest.raises(MlflowException) as error:
        client.create_experiment(name)
    assert error.value.error_code == "RESOURCE_ALREADY_EXISTS"


def test_unknown_experiment_is_none_by_name_and_an_error_by_id(client, unique):
    assert client.get_experiment_by_name(unique()) is None
    with pytest.raises(MlflowException) as error:
        client.get_experiment("123456789")
    assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_renaming_keeps_everything_else(client, experiment_id, unique):
    before = client.get_experiment(experiment_id)
    client.rename_experiment(experiment_id, unique("new"))
    after = client.get_experiment(experiment_id)
    assert after.name == unique("new")
    assert after.artifact_location == before.artifact_location
    assert after.last_update_time >= before.last_update_time
    assert client.get_experiment_by_name(before.name) is None


def test_deleted_experiment_comes_back_with_its_runs(client, experiment_id):
    run_id = client.create_run(experiment_id).info.run_id
    client.delete_experiment(experiment_id)
    assert client.get_experiment(experiment_id).lifecycle_stage == "deleted"
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    with pytest.raises(MlflowException):
        client.create_run(experiment_id)
    client.restore_experiment(experiment_id)
    assert client.get_experiment(experiment_id).lifecycle_stage == "active"
    assert client.get_run(run_id).info.lifecycle_stage == "active"


def test_experiment_tags_are_set_and_overwritten(client, experiment_id):
    client.set_experiment_tag(experiment_id, "stage", "draft")
    client.set_experiment_tag(experiment_id, "stage", "final")
    client.set_experiment_tag(experiment_id, "mlflow.note.content", "# Hello")
    assert client.get_experiment(experiment_id).tags == {
        "stage": "final", "mlflow.note.content": "# Hello"}


@pytest.mark.needs_3
def test_experiment_tags_are_deleted(client, experiment_id):
    client.set_experiment_tag(experiment_id, "a", "1")
    client.set_experiment_tag(experiment_id, "b", "2")
    client.delete_experiment_tag(experiment_id, "a")
    assert client.get_experiment(experiment_id).tags == {"b": "2"}


def test_search_pages_through_all_in_order(client, unique):
    names = [unique(f"n{i}") for i in range(7)]
    for name in names:
        client.create_experiment(name, tags={"batch": unique()})
    found, token = [], None
    while True:
        page = client.search_experiments(
            filter_string=f"tags.batch = '{unique()}'", max_results=3,
            order_by=["name DESC"], page_token=token)
        found += [e.name for e in page]
        token = page.token
        if not token:
            break
        assert len(page) == 3
    assert found == sorted(names, reverse=True)


def test_search_by_name_and_view_type(client, unique):
    kept = client.create_experiment(unique("Kept"))
    gone = client.create_experiment(unique("Gone"))
    client.delete_experiment(gone)

    def search(view_type):
        found = client.search_experiments(
            view_type=view_type,
            filter_string=f"name ILIKE '%{unique('').split('-')[-1]}'")
        return {e.experiment_id for e in found}

    assert search(ViewType.ACTIVE_ONLY) == {kept}
    assert search(ViewType.DELETED_ONLY) == {gone}
    assert search(ViewType.ALL) == {kept, gone}


def test_fluent_set_experiment_creates_once(unique):
    first = mlflow.set_experiment(unique())
    again = mlflow.set_experiment(unique())
    assert first.experiment_id == again.experiment_id


def test_the_default_experiment_exists(client):
    assert client.get_experiment("0").name == "Default"


def test_names_of_any_script_survive(client, unique):
    name = unique("Größe 模型 🚀 'quoted' \"double\" back\\slash")
    experiment_id = client.create_experiment(name)
    assert client.get_experiment(experiment_id).name == name
    assert client.get_experiment_by_name(name).experiment_id == experiment_id
