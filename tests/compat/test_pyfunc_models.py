"""Models logged, registered and loaded again, without heavy frameworks."""

import mlflow
import pandas
import pytest


class Doubler(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input * 2


def log_doubler(**kwargs):
    return mlflow.pyfunc.log_model(
        artifact_path="model", python_model=Doubler(),
        pip_requirements=["mlflow"], **kwargs)


@pytest.fixture
def frame():
    return pandas.DataFrame({"x": [1, 2]})


def test_a_logged_model_predicts_after_loading(client, experiment, frame):
    signature = mlflow.models.infer_signature(frame, frame)
    with mlflow.start_run() as run:
        info = log_doubler(signature=signature, input_example=frame)
    for uri in (info.model_uri, f"runs:/{run.info.run_id}/model"):
        loaded = mlflow.pyfunc.load_model(uri)
        assert list(loaded.predict(frame)["x"]) == [2, 4]
    assert loaded.metadata.signature == signature


def test_a_registered_model_loads_by_version_alias_and_stage(
        client, experiment, unique, frame):
    name = unique()
    with mlflow.start_run():
        info = log_doubler(registered_model_name=name)
    version = client.get_model_version(name, "1")
    assert version.status == "READY"
    assert version.run_id == info.run_id
    client.set_registered_model_alias(name, "champion", "1")
    client.transition_model_version_stage(name, "1", "Production")
    for uri in (f"models:/{name}/1", f"models:/{name}@champion",
                f"models:/{name}/Production", f"models:/{name}/latest"):
        loaded = mlflow.pyfunc.load_model(uri)
        assert list(loaded.predict(frame)["x"]) == [2, 4]


def test_registering_afterwards(client, experiment, unique):
    with mlflow.start_run() as run:
        info = log_doubler()
    for number, uri in enumerate(
            [info.model_uri, f"runs:/{run.info.run_id}/model"], start=1):
        version = mlflow.register_model(uri, unique(), tags={"n": number})
        assert int(version.version) == number
        assert client.get_model_version_download_uri(unique(), str(number))


def test_a_version_is_promoted_to_another_model(client, experiment, unique):
    with mlflow.start_run():
        log_doubler(registered_model_name=unique("staging"))
    copy = client.copy_model_version(f"models:/{unique('staging')}/1",
                                     unique("production"))
    assert (copy.name, int(copy.version)) == (unique("production"), 1)
    assert mlflow.pyfunc.load_model(f"models:/{unique('production')}/1")
