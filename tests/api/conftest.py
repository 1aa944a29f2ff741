"""Each scenario runs through both doors of one server."""

import itertools
import os

import pytest

import doors

_names = itertools.count()


@pytest.fixture(params=[doors.GrpcDoor, doors.RestDoor],
                ids=["grpc", "rest"])
def door(request, server):
    opened = request.param(server)
    yield opened
    opened.close()


@pytest.fixture
def both(server):
    """The two doors, to say something at one and hear it at the other."""
    pair = doors.GrpcDoor(server), doors.RestDoor(server)
    yield pair
    for each in pair:
        each.close()


@pytest.fixture
def name():
    """name("x") is a name that no other test uses."""
    return lambda text="name": f"{text}-{os.getpid()}-{next(_names)}"


@pytest.fixture
def experiment(door, name):
    return door.call("CreateExperiment", {"name": name("exp")})[
        "experiment_id"]


@pytest.fixture
def run(door, experiment):
    return door.call("CreateRun", {
        "experiment_id": experiment, "run_name": "a run",
        "start_time": 1000})["run"]["info"]["run_id"]
