"""runs/search through MlflowClient: filters, orders, pages."""

import math

import mlflow
import pytest
from mlflow.exceptions import MlflowException

RUNS = [
    # name, lr, accuracy, stage, status
    ("alpha", "0.1", 0.70, "dev", "FINISHED"),
    ("beta", "0.01", 0.80, "dev", "FAILED"),
    ("gamma", "0.001", 0.90, "prod", "FINISHED"),
    ("Delta", "0.1", math.nan, "prod", "FINISHED"),
    ("epsilon", None, None, None, "RUNNING"),
]


@pytest.fixture
def names(client, experiment_id):
    """names(filter, ...) searches the runs above; their names, in order."""
    for i, (name, lr, accuracy, stage, status) in enumerate(RUNS):
        run_id = client.create_run(experiment_id, run_name=name,
                                   start_time=1000 + i).info.run_id
        if lr is not None:
            client.log_param(run_id, "lr", lr)
            client.log_metric(run_id, "accuracy", accuracy)
            client.log_metric(run_id, "val/loss top-5", i)
            client.set_tag(run_id, "stage", stage)
        if status != "RUNNING":
            client.set_terminated(run_id, status, end_time=2000 + i)

    def search(text, order_by=("start_time ASC",), **kwargs):
        found = client.search_runs([experiment_id], text,
                                   order_by=list(order_by), **kwargs)
        return [run.info.run_name for run in found]

    return search


FILTERS = {
    "": ["alpha", "beta", "gamma", "Delta", "epsilon"],
    "metrics.accuracy > 0.75": ["beta", "gamma"],
    "metrics.accuracy <= 0.8": ["alpha", "beta"],
    "metrics.accuracy != 0.8": ["alpha", "gamma", "Delta"],
    "metrics.`val/loss top-5` >= 2": ["gamma", "Delta"],
    "params.lr = '0.1'": ["alpha", "Delta"],
    "params.lr != '0.1'": ["beta", "gamma"],
    "params.lr LIKE '0.0%'": ["beta", "gamma"],
    "params.lr = '0.1' AND tags.stage = 'prod'": ["Delta"],
    "tags.stage ILIKE 'PROD'": ["gamma", "Delta"],
    "attributes.status = 'FAILED'": ["beta"],
    "status != 'FINISHED'": ["beta", "epsilon"],
    "attributes.run_name = 'Delta'": ["Delta"],
    "run_name ILIKE 'd%'": ["Delta"],
    "run_name LIKE 'd%'": [],
    "attributes.start_time > 1002": ["Delta", "epsilon"],
    "attributes.end_time <= 2001": ["alpha", "beta"],
}


def test_filters(names):
    assert {text: names(text) for text in FILTERS} == FILTERS


def test_orders(names):
    every = [name for name, *_ in RUNS]
    assert names("", ["start_time DESC"]) == every[::-1]
    assert names("", ["metrics.accuracy DESC", "start_time ASC"]) == [
        "gamma", "beta", "alpha", "Delta", "epsilon"]
    assert names("", ["metrics.accuracy ASC", "start_time ASC"]) == [
        "alpha", "beta", "gamma", "Delta", "epsilon"]
    assert names("", ["params.lr", "start_time DESC"]) == [
        "gamma", "beta", "Delta", "alpha", "epsilon"]


def test_pages_hold_every_run_once(client, experiment_id):
    for i in range(25):
        client.create_run(experiment_id, run_name=f"r{i:02}",
                          start_time=i // 5)
    seen, token, pages = [], None, 0
    while True:
        page = client.search_runs([experiment_id], max_results=4,
                                  page_token=token)
        seen += [run.info.run_name for run in page]
        pages, token = pages + 1, page.token
        if not token:
            break
    assert sorted(seen) == [f"r{i:02}" for i in range(25)]
    assert pages == 7


def test_filter_by_run_ids(client, experiment_id):
    ids = [client.create_run(experiment_id).info.run_id for _ in range(4)]
    found = client.search_runs(
        [experiment_id], f"attributes.run_id IN ('{ids[1]}', '{ids[3]}')")
    assert {run.info.run_id for run in found} == {ids[1], ids[3]}


def test_several_experiments_at_once(client, unique):
    experiments = [client.create_experiment(unique(str(i))) for i in range(3)]
    for each in experiments:
        client.create_run(each)
    found = client.search_runs(experiments[:2])
    assert {r.info.experiment_id for r in found} == set(experiments[:2])


def test_wrong_filters_are_refused_with_a_reason(client, experiment_id):
    for text in ["metrics.acc", "params.x > 'a' OR", "nonsense = 1",
                 "metrics.a = 'text'", "params.p = 1", "status LIKE",
                 "run_name IN ('a', 'b')"]:
        with pytest.raises(MlflowException) as error:
            client.search_runs([experiment_id], text)
        assert error.value.error_code == "INVALID_PARAMETER_VALUE", text


def test_fluent_search_as_a_table(experiment, names):
    table = mlflow.search_runs([experiment], "metrics.accuracy > 0.75",
                               order_by=["metrics.accuracy DESC"])
    assert list(table["tags.mlflow.runName"]) == ["gamma", "beta"]
    assert list(table["params.lr"]) == ["0.001", "0.01"]
    assert list(table["metrics.accuracy"]) == [0.9, 0.8]
