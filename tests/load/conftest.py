"""A server, and runs in it that load is put on."""

import itertools

import pytest

import clients
import doors
import evidence
import harness

_names = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def descriptors():
    clients.raise_descriptor_limit()


@pytest.fixture
def server(tmp_path):
    """One for each test: what it holds is told apart."""
    started = harness.Server(tmp_path, "--expose-prometheus", "yes").start()
    yield started
    crashed = not started.is_running()
    started.kill()
    assert not crashed


@pytest.fixture
def both(server):
    pair = doors.RestDoor(server), doors.GrpcDoor(server)
    yield pair
    for door in pair:
        door.close()


@pytest.fixture
def new_run(both):
    def make():
        return both[0].call("CreateRun", {"experiment_id": "0"})["run"][
            "info"]["run_id"]

    return make


@pytest.fixture
def history(both):
    """history(run, key): the steps that are kept."""

    def read(run, key):
        ask = {"run_id": run, "metric_key": key, "max_results": 25_000}
        steps = []
        while True:
            answer = both[0].call("GetMetricHistory", ask)
            steps += [metric["step"] for metric in answer.get("metrics", [])]
            if not answer.get("next_page_token"):
                return steps
            ask["page_token"] = answer["next_page_token"]

    return read


def points(steps_of):
    return {(key, step) for key, steps in steps_of.items() for step in steps}


@pytest.fixture
def kept(history):
    """kept(run, {key: steps}): asserts that what was acknowledged is there,
    once, and tells how much that is."""

    def check(run, acknowledged):
        found = {key: history(run, key) for key in acknowledged}
        written = points(acknowledged)
        lost = evidence.missing("load", written, points(found))
        evidence.add("load", {evidence.WRITES: len(written)})
        assert not lost, f"{len(lost)} of {len(written)} points are lost"
        for key, steps in found.items():
            assert len(steps) == len(set(steps)), key

    return check
