"""LogMetrics through a real connection. The rules frame by frame are tested in
server/metric_frames_test.cc, the life of a stream in
server/metric_stream_test.cc."""

import threading

import grpc
import pytest
import harness
from doors import GrpcDoor, RestDoor
from streams import Writer


@pytest.fixture
def grpc_door(server):
    door = GrpcDoor(server)
    yield door
    door.close()


@pytest.fixture
def stream_run(grpc_door, name):
    experiment = grpc_door.call("CreateExperiment", {"name": name("exp")})[
        "experiment_id"]
    return grpc_door.call("CreateRun", {
        "experiment_id": experiment, "run_name": "a run",
        "start_time": 1000})["run"]["info"]["run_id"]


def history(door, run_id, key):
    answer = door.call("GetMetricHistory", {"run_id": run_id,
                                            "metric_key": key})
    return [(m["timestamp"], m.get("step", 0), m["value"])
            for m in answer.get("metrics", [])]


def test_reflection_lists_the_service(grpc_door):
    assert "millstream.v1.StreamService" in grpc_door.services


def test_points_are_there_when_they_are_acknowledged(server, grpc_door,
                                                     stream_run):
    writer = Writer(grpc_door, stream_run)
    assert writer.durable() == 0
    writer.send(1, {0: [(1000, 1, 0.5), (1010, 2, 0.25)], 1: [(5, 5, -1.0)]},
                new_keys=["loss", "eval/acc"])
    assert writer.durable() == 1
    rest = RestDoor(server)
    assert history(rest, stream_run, "loss") == [(1000, 1, 0.5),
                                                 (1010, 2, 0.25)]
    latest = grpc_door.call("GetRun", {"run_id": stream_run})
    assert {m["key"]: m["value"] for m in latest["run"]["data"]["metrics"]} == {
        "loss": 0.25, "eval/acc": -1.0}
    writer.send(2, {1: [(6, 6, "NaN")]})
    assert writer.end() == [2]
    assert len(history(rest, stream_run, "eval/acc")) == 2


def test_a_writer_resumes(grpc_door, stream_run):
    first = Writer(grpc_door, stream_run)
    for number in (1, 2, 3):
        first.send(number, {0: [(number, number, 1.0)]},
                   ["m"] if number == 1 else [])
    first.wait_for(3)
    first.cancel()
    second = Writer(grpc_door, stream_run)
    assert second.durable() == 3
    for number in (1, 2, 3, 4):
        second.send(number, {0: [(number, number, 1.0)]},
                    ["m"] if number == 1 else [])
    assert second.end()[-1] == 4
    assert [p[1] for p in history(grpc_door, stream_run, "m")] == [1, 2, 3, 4]


def test_writers_of_one_run_do_not_meet(grpc_door, stream_run):
    writers = [Writer(grpc_door, stream_run, f"rank {i}") for i in range(20)]
    for i, writer in enumerate(writers):
        writer.send(1, {0: [(i, i, float(i))]}, ["m"])
    for writer in writers:
        assert writer.end()[-1] == 1
    assert len(history(grpc_door, stream_run, "m")) == 20


def test_a_second_stream_of_a_writer_ends_the_first(grpc_door, stream_run):
    first = Writer(grpc_door, stream_run)
    assert first.durable() == 0
    second = Writer(grpc_door, stream_run)
    assert second.durable() == 0
    code, error_code, _ = first.failure()
    assert (code, error_code) == (grpc.StatusCode.ABORTED, "ABORTED")
    assert second.end() == []


def test_what_a_run_refuses(grpc_door, stream_run):
    assert Writer(grpc_door, "0" * 32).failure()[1] == (
        "RESOURCE_DOES_NOT_EXIST")
    writer = Writer(grpc_door, stream_run)
    assert writer.durable() == 0
    grpc_door.call("DeleteRun", {"run_id": stream_run})
    writer.send(1, {0: [(1, 1, 1.0)]}, ["m"])
    assert writer.failure()[1] == "INVALID_PARAMETER_VALUE"
    assert Writer(grpc_door, stream_run).failure()[1] == (
        "INVALID_PARAMETER_VALUE")


def test_frames_before_a_refused_one_are_kept(grpc_door, stream_run):
    writer = Writer(grpc_door, stream_run)
    writer.send(1, {0: [(1, 1, 1.0)]}, ["m"])
    writer.send(3, {0: [(3, 3, 3.0)]})
    code, _, text = writer.failure()
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "the next is 2" in text
    assert Writer(grpc_door, stream_run).durable() == 1


def test_a_deadline_ends_the_stream(grpc_door, stream_run):
    writer = Writer(grpc_door, stream_run, timeout=0.3)
    assert writer.durable() == 0
    assert writer.failure()[0] == grpc.StatusCode.DEADLINE_EXCEEDED
    # The server knows: the next stream meets nobody.
    assert Writer(grpc_door, stream_run).end() == [0]


def test_large_frames_in_a_hurry(grpc_door, stream_run):
    """More than a stream holds: the server stops reading now and then."""
    writer = Writer(grpc_door, stream_run)
    # A database server takes as much with fewer, and its time.
    points = 20_000
    frames = 10 if harness.BACKEND in harness.DATABASE_SERVERS else 40
    for number in range(1, frames + 1):
        request = grpc_door.new("LogMetrics")
        frame = request.frame
        frame.number = number
        if number == 1:
            frame.new_keys.append("m")
        column = frame.columns.add()
        column.step_deltas.extend([number * points] + [1] * (points - 1))
        column.timestamp_deltas.extend([number * points] + [1] * (points - 1))
        column.values.extend(float(i) for i in range(points))
        writer.send_message(request)
    assert writer.end()[-1] == frames
    answer = grpc_door.call("GetMetricHistoryBulkInterval", {
        "run_ids": [stream_run], "metric_key": "m", "max_results": 2})
    assert answer["metrics"][-1]["step"] == (frames + 1) * points - 1


def test_many_idle_streams_cost_nobody(grpc_door, stream_run):
    idle = [Writer(grpc_door, stream_run, f"idle {i}") for i in range(80)]
    for writer in idle:
        assert writer.durable() == 0
    busy = Writer(grpc_door, stream_run)
    busy.send(1, {0: [(1, 1, 1.0)]}, ["m"])
    assert busy.end()[-1] == 1
    for writer in idle:
        writer.cancel()


def test_a_stop_acknowledges_what_was_taken(start_server):
    server = start_server()
    door = GrpcDoor(server)
    run_id = door.call("CreateRun", {"experiment_id": "0"})["run"]["info"][
        "run_id"]
    writer = Writer(door, run_id)
    writer.send(1, {0: [(1, 1, 1.0)]}, ["m"])
    assert writer.wait_for(1) == 1
    ends = []
    waiting = threading.Thread(target=lambda: ends.append(writer.failure()))
    waiting.start()
    assert server.stop() == 0
    waiting.join()
    assert ends[0][0] == grpc.StatusCode.UNAVAILABLE
    assert ends[0][1] == "TEMPORARILY_UNAVAILABLE"
    door.close()
    server.start()
    door = GrpcDoor(server)
    assert history(door, run_id, "m") == [(1, 1, 1.0)]
    assert Writer(door, run_id).end() == [1]
    door.close()
