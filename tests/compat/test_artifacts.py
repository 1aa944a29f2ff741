"""Artifacts through the tracking server (mlflow-artifacts:/)."""

import io
import json
import pathlib

import mlflow
import pytest
from mlflow.exceptions import MlflowException

BINARY = bytes(range(256)) * 4096  # 1 MiB


def paths(client, run_id, folder=None):
    return {f.path: (f.is_dir, f.file_size)
            for f in client.list_artifacts(run_id, folder)}


def fetched(client, run_id, path, folder):
    return pathlib.Path(client.download_artifacts(run_id, path, str(folder)))


def test_a_file_comes_back_as_it_went(client, run_id, tmp_path):
    source = tmp_path / "weights.bin"
    source.write_bytes(BINARY)
    client.log_artifact(run_id, str(source))
    client.log_artifact(run_id, str(source), "deep/er")
    assert paths(client, run_id) == {
        "deep": (True, None), "weights.bin": (False, len(BINARY))}
    assert paths(client, run_id, "deep/er") == {
        "deep/er/weights.bin": (False, len(BINARY))}
    back = tmp_path / "back"
    back.mkdir()
    for path in "weights.bin", "deep/er/weights.bin":
        assert fetched(client, run_id, path, back).read_bytes() == BINARY


def test_a_folder_comes_back_whole(client, run_id, tmp_path):
    source = tmp_path / "source"
    files = {"a.txt": b"a", "empty": b"", "sub/b.json": b"{}",
             "sub/sub/c.bin": BINARY[:5000]}
    for name, content in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    client.log_artifacts(run_id, str(source), "all")
    target = tmp_path / "target"
    target.mkdir()
    folder = fetched(client, run_id, "all", target)
    assert {str(p.relative_to(folder)): p.read_bytes()
            for p in folder.rglob("*") if p.is_file()} == files


def test_names_that_need_escaping(client, run_id, tmp_path):
    names = ["with blank.txt", "a+b.txt", "a&b=c.txt", "100%.txt",
             "größe-模型-🚀.txt", "semi;colon,comma.txt", "(a) [b] {c}.txt"]
    source = tmp_path / "source"
    source.mkdir()
    for name in names:
        (source / name).write_text(name)
    client.log_artifacts(run_id, str(source), "odd names")
    assert paths(client, run_id, "odd names") == {
        f"odd names/{name}": (False, len(name.encode())) for name in names}


def test_an_artifact_is_overwritten(client, run_id, tmp_path):
    for text in "first", "2nd":
        client.log_text(run_id, text, "note.txt")
    assert paths(client, run_id) == {"note.txt": (False, 3)}
    back = fetched(client, run_id, "note.txt", tmp_path)
    assert back.read_text() == "2nd"


def test_an_absent_artifact_is_an_error(client, run_id, tmp_path):
    assert paths(client, run_id) == {}
    assert paths(client, run_id, "no/such") == {}
    with pytest.raises((MlflowException, OSError)):
        fetched(client, run_id, "no/such.txt", tmp_path)


def test_helpers_that_write_files(client, run_id, tmp_path):
    import matplotlib
    import numpy
    import pandas
    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    axes.plot([1, 2, 3])
    client.log_figure(run_id, figure, "plots/line.png")
    client.log_dict(run_id, {"k": [1, 2]}, "d.json")
    client.log_dict(run_id, {"k": [1, 2]}, "d.yaml")
    client.log_image(run_id, numpy.zeros((8, 8, 3), numpy.uint8), "black.png")
    client.log_image(run_id, numpy.zeros((8, 8, 3), numpy.uint8),
                     key="dark", step=3)
    client.log_table(run_id, pandas.DataFrame({"q": ["a"], "r": ["b"]}),
                     "eval.json")
    client.log_table(run_id, {"q": ["c"], "r": ["d"]}, "eval.json")
    assert set(paths(client, run_id)) == {
        "plots", "d.json", "d.yaml", "black.png", "images", "eval.json"}
    assert len(paths(client, run_id, "images")) == 2  # and its thumbnail
    run = client.get_run(run_id)
    table = client.load_table(run.info.experiment_id, "eval.json", [run_id])
    assert list(table["q"]) == ["a", "c"]
    assert json.loads(run.data.tags["mlflow.loggedArtifacts"]) == [
        {"path": "eval.json", "type": "table"}]
    back = json.loads(fetched(client, run_id, "d.json", tmp_path).read_text())
    assert back == {"k": [1, 2]}


@pytest.mark.needs_3
def test_a_stream_becomes_an_artifact(client, run_id, tmp_path):
    client.log_stream(run_id, io.BytesIO(BINARY), "streamed/data.bin")
    back = fetched(client, run_id, "streamed/data.bin", tmp_path)
    assert back.read_bytes() == BINARY


def test_fluent_artifacts(client, experiment, tmp_path):
    (tmp_path / "x.txt").write_text("x")
    with mlflow.start_run() as run:
        mlflow.log_artifact(str(tmp_path / "x.txt"))
        mlflow.log_text("body", "page.html")
        mlflow.log_dict({"a": 1}, "a.json")
        uri = mlflow.get_artifact_uri("page.html")
    assert mlflow.artifacts.load_text(uri) == "body"
    assert mlflow.artifacts.load_dict(
        f"runs:/{run.info.run_id}/a.json") == {"a": 1}
    listed = mlflow.artifacts.list_artifacts(run_id=run.info.run_id)
    assert {f.path for f in listed} == {"x.txt", "page.html", "a.json"}
