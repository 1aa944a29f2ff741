"""MLflow 3's logged models."""

import mlflow
import pytest
from mlflow import entities
from mlflow.exceptions import MlflowException

pytestmark = pytest.mark.needs_3


def test_life_of_a_logged_model(client, experiment_id, run_id, tmp_path):
    model = client.create_logged_model(
        experiment_id, "net", source_run_id=run_id, model_type="Agent",
        tags={"a": "1"}, params={"depth": "3"})
    assert model.status == entities.LoggedModelStatus.PENDING
    assert model.artifact_location == (
        f"mlflow-artifacts:/{experiment_id}/models/{model.model_id}/artifacts")
    client.log_model_params(model.model_id, {"width": "64"})
    client.set_logged_model_tags(model.model_id, {"b": "2", "c": "3"})
    client.delete_logged_model_tag(model.model_id, "c")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "one.txt").write_text("1")
    client.log_model_artifact(model.model_id,
                              str(tmp_path / "files" / "one.txt"), "single")
    client.log_model_artifacts(model.model_id, str(tmp_path / "files"))
    client.finalize_logged_model(model.model_id, "READY")

    model = client.get_logged_model(model.model_id)
    assert (model.name, model.model_type) == ("net", "Agent")
    assert model.status == entities.LoggedModelStatus.READY
    assert model.source_run_id == run_id
    assert model.params == {"depth": "3", "width": "64"}
    assert model.tags.items() >= {"a": "1", "b": "2"}.items()
    assert "c" not in model.tags
    listed = client.list_logged_model_artifacts(model.model_id)
    assert {f.path for f in listed} == {"one.txt", "single"}
    inside = client.list_logged_model_artifacts(model.model_id, "single")
    assert [(f.path, f.file_size) for f in inside] == [("single/one.txt", 1)]

    client.delete_logged_model(model.model_id)
    with pytest.raises(MlflowException):
        client.get_logged_model(model.model_id)


def test_metrics_of_a_model_follow_its_run(client, experiment_id, run_id):
    model = client.create_logged_model(experiment_id, source_run_id=run_id)
    client.log_metric(run_id, "acc", 0.5, step=1, model_id=model.model_id)
    client.log_batch(run_id, metrics=[
        entities.Metric("acc", 0.75, 2000, 2, model_id=model.model_id,
                        dataset_name="d", dataset_digest="1")])
    found = {(m.key, m.value, m.step, m.dataset_name)
             for m in client.get_logged_model(model.model_id).metrics}
    assert found == {("acc", 0.5, 1, None), ("acc", 0.75, 2, "d")}


def test_search(client, experiment_id, run_id):
    ids = []
    for i in range(5):
        model = client.create_logged_model(
            experiment_id, f"m{i}", source_run_id=run_id,
            params={"i": str(i)}, tags={"even": str(i % 2 == 0)})
        client.log_metric(run_id, "score", i / 10, model_id=model.model_id)
        ids.append(model.model_id)
    client.finalize_logged_model(ids[4], entities.LoggedModelStatus.FAILED)

    def search(text, **kwargs):
        found = client.search_logged_models([experiment_id], text, **kwargs)
        return [m.name for m in found]

    up = [{"field_name": "creation_time", "ascending": True}]
    assert search("tags.even = 'True'", order_by=up) == ["m0", "m2", "m4"]
    assert search("params.i = '3'") == ["m3"]
    assert search("metrics.score > 0.15", order_by=up) == ["m2", "m3", "m4"]
    assert search("attributes.name = 'm4' AND tags.even = 'True'") == ["m4"]
    assert search(None, order_by=[
        {"field_name": "metrics.score", "ascending": False}],
        max_results=2) == ["m4", "m3"]
    page = client.search_logged_models([experiment_id], max_results=3)
    rest = client.search_logged_models([experiment_id], max_results=3,
                                       page_token=page.token)
    assert sorted(m.model_id for m in [*page, *rest]) == sorted(ids)


def test_fluent_models(experiment):
    model = mlflow.initialize_logged_model(name="fluent")
    mlflow.set_active_model(model_id=model.model_id)
    mlflow.log_model_params({"k": "v"}, model_id=model.model_id)
    mlflow.finalize_logged_model(model.model_id, "READY")
    assert mlflow.get_logged_model(model.model_id).params == {"k": "v"}
    found = mlflow.search_logged_models([experiment], output_format="list")
    assert [m.model_id for m in found] == [model.model_id]
