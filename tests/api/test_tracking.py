"""Experiments, runs and what they log, alike through both doors."""

import pytest
from doors import ApiError


def refusal(call, *args):
    with pytest.raises(ApiError) as caught:
        call(*args)
    return caught.value


def test_experiment_life(door, name):
    first, second = name("first"), name("second")
    made = door.call("CreateExperiment", {
        "name": first, "tags": [{"key": "team", "value": "blue"}]})
    one = {"experiment_id": made["experiment_id"]}
    experiment = door.call("GetExperiment", one)["experiment"]
    assert experiment["name"] == first
    assert experiment["lifecycle_stage"] == "active"
    assert experiment["tags"] == [{"key": "team", "value": "blue"}]
    door.call("UpdateExperiment", {**one, "new_name": second})
    door.call("SetExperimentTag", {**one, "key": "team", "value": "red"})
    found = door.call("GetExperimentByName", {"experiment_name": second})
    assert found["experiment"]["tags"] == [{"key": "team", "value": "red"}]
    door.call("DeleteExperimentTag", {**one, "key": "team"})
    door.call("DeleteExperiment", one)
    gone = door.call("GetExperiment", one)["experiment"]
    assert gone["lifecycle_stage"] == "deleted" and "tags" not in gone
    door.call("RestoreExperiment", one)
    back = door.call("GetExperiment", one)["experiment"]
    assert back["lifecycle_stage"] == "active"


def test_a_taken_name_is_refused(door, name):
    request = {"name": name()}
    door.call("CreateExperiment", request)
    assert (refusal(door.call, "CreateExperiment", request).code
            == "RESOURCE_ALREADY_EXISTS")


def test_missing_things_are_not_found(door):
    for rpc, request in [
            ("GetExperiment", {"experiment_id": "987654321"}),
            ("GetExperimentByName", {"experiment_name": "no such"}),
            ("GetRun", {"run_id": "e" * 32}),
            ("LogMetric", {"run_id": "e" * 32, "key": "k", "value": 1.0,
                           "timestamp": 1}),
            ("GetLoggedModel", {"model_id": "m-none"}),
            ("GetRegisteredModel", {"name": "no such model"})]:
        assert (refusal(door.call, rpc, request).code
                == "RESOURCE_DOES_NOT_EXIST"), rpc


def test_required_fields_are_named(door):
    for rpc, field in [("CreateExperiment", "name"),
                       ("GetExperiment", "experiment_id"),
                       ("GetMetricHistory", "metric_key"),
                       ("CreateRegisteredModel", "name")]:
        error = refusal(door.call, rpc, {})
        assert error.code == "INVALID_PARAMETER_VALUE", rpc
        assert field in error.message, rpc


def test_run_life(door, experiment):
    made = door.call("CreateRun", {
        "experiment_id": experiment, "run_name": "first", "start_time": 5,
        "user_id": "ada", "tags": [{"key": "a", "value": "1"}]})["run"]
    assert made["info"]["status"] == "RUNNING"
    assert made["info"]["start_time"] == 5
    one = {"run_id": made["info"]["run_id"]}
    info = door.call("UpdateRun", {**one, "status": "FINISHED",
                                   "end_time": 9, "run_name": "second"})
    assert info["run_info"]["status"] == "FINISHED"
    assert info["run_info"]["end_time"] == 9
    run = door.call("GetRun", one)["run"]
    tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
    assert tags == {"a": "1", "mlflow.runName": "second"}
    door.call("DeleteRun", one)
    assert (door.call("GetRun", one)["run"]["info"]["lifecycle_stage"]
            == "deleted")
    assert (refusal(door.call, "SetTag", {**one, "key": "k", "value": "v"})
            .code == "INVALID_PARAMETER_VALUE")
    door.call("RestoreRun", one)
    door.call("SetTag", {**one, "key": "k", "value": "v"})
    door.call("DeleteTag", {**one, "key": "k"})


def test_everything_logged_is_read_back(door, run):
    door.call("LogMetric", {"run_id": run, "key": "loss", "value": 0.5,
                            "timestamp": 10, "step": 1})
    door.call("LogParam", {"run_id": run, "key": "lr", "value": "0.1"})
    door.call("LogBatch", {
        "run_id": run,
        "metrics": [{"key": "loss", "value": 0.25, "timestamp": 20,
                     "step": 2},
                    {"key": "acc", "value": 0.9, "timestamp": 20}],
        "params": [{"key": "depth", "value": "3"}],
        "tags": [{"key": "t", "value": "v"}]})
    data = door.call("GetRun", {"run_id": run})["run"]["data"]
    assert sorted(data["params"], key=lambda p: p["key"]) == [
        {"key": "depth", "value": "3"}, {"key": "lr", "value": "0.1"}]
    latest = {m["key"]: (m["value"], m["timestamp"], m["step"])
              for m in data["metrics"]}
    assert latest == {"loss": (0.25, 20, 2), "acc": (0.9, 20, 0)}
    history = door.call("GetMetricHistory", {"run_id": run,
                                             "metric_key": "loss"})
    assert [(m["value"], m["step"]) for m in history["metrics"]] == [
        (0.5, 1), (0.25, 2)]


def test_values_that_are_no_numbers(door, run):
    for step, value in enumerate(["NaN", "Infinity", "-Infinity"]):
        door.call("LogMetric", {"run_id": run, "key": "odd", "value": value,
                                "timestamp": step, "step": step})
    history = door.call("GetMetricHistory", {"run_id": run,
                                             "metric_key": "odd"})
    assert [m["value"] for m in history["metrics"]] == [
        "NaN", 1.7976931348623157e308, -1.7976931348623157e308]


def test_a_param_is_written_once(door, run):
    request = {"run_id": run, "key": "p", "value": "1"}
    door.call("LogParam", request)
    door.call("LogParam", request)
    error = refusal(door.call, "LogParam", {**request, "value": "2"})
    assert error.code == "INVALID_PARAMETER_VALUE"


def test_a_refused_batch_leaves_nothing(door, run):
    door.call("LogParam", {"run_id": run, "key": "p", "value": "1"})
    refusal(door.call, "LogBatch", {
        "run_id": run,
        "metrics": [{"key": "m", "value": 1.0, "timestamp": 1}],
        "params": [{"key": "q", "value": "1"}, {"key": "p", "value": "2"}],
        "tags": [{"key": "t", "value": "v"}]})
    data = door.call("GetRun", {"run_id": run})["run"]["data"]
    assert data["params"] == [{"key": "p", "value": "1"}]
    assert "metrics" not in data
    assert "t" not in [tag["key"] for tag in data["tags"]]


def test_search_filters_orders_and_pages(door, experiment):
    for index in range(7):
        run = door.call("CreateRun", {
            "experiment_id": experiment, "start_time": index})["run"]
        door.call("LogBatch", {
            "run_id": run["info"]["run_id"],
            "metrics": [{"key": "m", "value": float(index),
                         "timestamp": 1}],
            "params": [{"key": "p", "value": str(index % 2)}]})
    request = {"experiment_ids": [experiment], "max_results": 2,
               "filter": "metrics.m >= 1 AND params.p = '1'",
               "order_by": ["metrics.m DESC"]}
    values = []
    while True:
        page = door.call("SearchRuns", request)
        for run in page.get("runs", []):
            values.append(run["data"]["metrics"][0]["value"])
        if "next_page_token" not in page:
            break
        request["page_token"] = page["next_page_token"]
    assert values == [5.0, 3.0, 1.0]
    error = refusal(door.call, "SearchRuns", {
        "experiment_ids": [experiment], "filter": "metrics.m >"})
    assert error.code == "INVALID_PARAMETER_VALUE"


def test_inputs_and_outputs(door, experiment, run):
    model = door.call("CreateLoggedModel", {
        "experiment_id": experiment, "name": "m",
        "source_run_id": run})["model"]["info"]["model_id"]
    door.call("LogInputs", {
        "run_id": run,
        "datasets": [{"tags": [{"key": "mlflow.data.context",
                                "value": "training"}],
                      "dataset": {"name": "d", "digest": "1",
                                  "source_type": "local", "source": "s"}}],
        "models": [{"model_id": model}]})
    door.call("LogOutputs", {"run_id": run, "models": [
        {"model_id": model, "step": 3}]})
    answer = door.call("GetRun", {"run_id": run})["run"]
    assert answer["inputs"]["dataset_inputs"][0]["dataset"]["name"] == "d"
    assert answer["inputs"]["model_inputs"] == [{"model_id": model}]
    assert answer["outputs"]["model_outputs"] == [
        {"model_id": model, "step": 3}]
    assert door.call("SearchDatasets", {"experiment_ids": [experiment]})[
        "dataset_summaries"] == [{
            "experiment_id": experiment, "name": "d", "digest": "1",
            "context": "training"}]


def test_charts_get_sampled_points(door, run):
    for start in range(0, 3000, 1000):
        door.call("LogBatch", {"run_id": run, "metrics": [
            {"key": "m", "value": float(step), "timestamp": step,
             "step": step} for step in range(start, start + 1000)]})
    points = door.call("GetMetricHistoryBulkInterval", {
        "run_ids": [run], "metric_key": "m", "max_results": 10})["metrics"]
    steps = [point["step"] for point in points]
    assert steps == sorted(steps)
    assert steps[0] == 0 and steps[-1] == 2999
    assert 10 <= len(steps) <= 11
    bulk = door.call("GetMetricHistoryBulk", {
        "run_id": [run], "metric_key": "m", "max_results": 5})["metrics"]
    assert len(bulk) == 5


def test_logged_model_life(door, experiment):
    model = door.call("CreateLoggedModel", {
        "experiment_id": experiment, "name": "net",
        "params": [{"key": "depth", "value": "3"}]})["model"]
    one = {"model_id": model["info"]["model_id"]}
    assert model["info"]["status"] == "LOGGED_MODEL_PENDING"
    door.call("FinalizeLoggedModel", {**one, "status": "LOGGED_MODEL_READY"})
    door.call("SetLoggedModelTags", {**one, "tags": [
        {"key": "a", "value": "b"}, {"key": "c", "value": "d"}]})
    door.call("DeleteLoggedModelTag", {**one, "tag_key": "c"})
    found = door.call("SearchLoggedModels", {
        "experiment_ids": [experiment],
        "filter": "params.depth = '3'"})["models"]
    assert [m["info"]["model_id"] for m in found] == [one["model_id"]]
    assert found[0]["info"]["status"] == "LOGGED_MODEL_READY"
    assert found[0]["info"]["tags"] == [{"key": "a", "value": "b"}]
    door.call("DeleteLoggedModel", one)
    assert (refusal(door.call, "GetLoggedModel", one).code
            == "RESOURCE_DOES_NOT_EXIST")


def test_said_at_one_door_heard_at_the_other(both, name):
    grpc_door, rest_door = both
    for writer, reader in [(grpc_door, rest_door), (rest_door, grpc_door)]:
        experiment = writer.call("CreateExperiment", {"name": name()})[
            "experiment_id"]
        run = writer.call("CreateRun", {"experiment_id": experiment,
                                        "start_time": 1})
        run_id = run["run"]["info"]["run_id"]
        writer.call("LogBatch", {
            "run_id": run_id,
            "metrics": [{"key": "m", "value": 0.1, "timestamp": 1,
                         "step": -5}],
            "params": [{"key": "p", "value": "ü ☃"}]})
        one = {"run_id": run_id}
        assert reader.call("GetRun", one) == writer.call("GetRun", one)
        search = {"experiment_ids": [experiment]}
        assert reader.call("SearchRuns", search) == writer.call(
            "SearchRuns", search)
