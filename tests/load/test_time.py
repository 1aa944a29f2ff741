"""Who does not go on is ended after the time that base/limits.h says, and keeps
the server from stopping no longer."""

import contextlib
import os
import time

import pytest

import clients
import doors
import harness

SOAK_SECONDS = int(os.environ.get("MILLSTREAM_SOAK_SECONDS", "24"))
# Between the end of a limit and the look that finds it.
LATE_SECONDS = 5
COUNT = 20
BODY = clients.request("POST", "/api/2.0/mlflow/runs/log-metric", b" " * 5000)
LARGE = "/api/2.0/mlflow-artifacts/artifacts/0/large"


@pytest.fixture(scope="session", autouse=True)
def waiting(tmp_path_factory, descriptors):
    """Connections that wait while the other tests of this folder run: {what
    they are: (seconds, connections)}, and when they began."""
    server = harness.Server(tmp_path_factory.mktemp("waiting")).start()
    doors.RestDoor(server).upload("UploadArtifact",
                                  {"artifact_path": "0/large"},
                                  bytes(20_000_000))
    begun = time.monotonic()
    open_ = {
        "kGrpcHandshakeMsMax": (
            10, clients.begun(server.grpc_address, COUNT, b"")
            + clients.begun(server.grpc_address, COUNT,
                            clients.HTTP2_START[:20])),
        "kHttpHeadMsMax": (
            30, clients.begun(server.url, COUNT, b"GET / HTTP/1.1\r\nHo")),
        "kHttpBodyMsMax": (
            60, clients.begun(server.url, COUNT, BODY[:-4000])
            + clients.begun(server.url, COUNT, clients.request(
                "PUT", LARGE + "2", b"x" * 5000)[:-4000])),
        "kHttpIdleMsMax": (75, clients.idle_http(server.url, COUNT)),
        "kHttpWriteMsMax": (
            60, clients.deaf(server.url, COUNT,
                             clients.request("GET", LARGE)))}
    yield open_, begun
    for _, sockets in open_.values():
        clients.close(sockets)
    server.kill()


@pytest.mark.parametrize("limit", [
    "kGrpcHandshakeMsMax", "kHttpHeadMsMax", "kHttpBodyMsMax",
    "kHttpIdleMsMax", "kHttpWriteMsMax"])
def test_who_does_not_go_on_is_ended(waiting, limit):
    """Those above half a minute in the long test alone."""
    open_, begun = waiting
    seconds, sockets = open_[limit]
    if seconds > 30 and SOAK_SECONDS < 120:
        pytest.skip("a long test")
    # Who reads is not stuck any more.
    time.sleep(max(begun + seconds - time.monotonic(), 0))
    for each in sockets:
        each.settimeout(
            max(begun + seconds + LATE_SECONDS - time.monotonic(), 0.1))
        with contextlib.suppress(ConnectionError):
            while each.recv(1 << 16):
                pass


def test_a_stop_does_not_wait_for_the_stuck(tmp_path):
    """limits::kStopMsMax is eight seconds."""
    server = harness.Server(tmp_path).start()
    doors.RestDoor(server).upload("UploadArtifact",
                                  {"artifact_path": "0/large"},
                                  bytes(20_000_000))
    stuck = clients.begun(server.url, COUNT, BODY[:-4000])
    stuck += clients.deaf(server.url, COUNT, clients.request("GET", LARGE))
    door = doors.GrpcDoor(server)
    tail = door.stream("WatchRuns", [{"experiment_id": "0"}])
    next(tail)
    begun = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begun < 8 + LATE_SECONDS
    door.close()
    clients.close(stuck)
