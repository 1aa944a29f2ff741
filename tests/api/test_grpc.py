"""What only the gRPC door has: reflection, health, deadlines."""

import os
import resource
import socket

import grpc
import pytest
from doors import GrpcDoor
from grpc_health.v1 import health_pb2, health_pb2_grpc


@pytest.fixture
def grpc_door(server):
    door = GrpcDoor(server)
    yield door
    door.close()


def test_reflection_lists_the_services(grpc_door):
    assert {"millstream.v1.TrackingService",
            "millstream.v1.ModelRegistryService",
            "millstream.v1.ArtifactService",
            "grpc.health.v1.Health"} <= set(grpc_door.services)


def test_health_says_serving(server):
    with grpc.insecure_channel(server.grpc_address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_unknown_methods_are_unimplemented(server):
    with grpc.insecure_channel(server.grpc_address) as channel:
        call = channel.unary_unary("/millstream.v1.TrackingService/Nothing")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"")
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_deadline_that_has_passed_ends_the_call(server):
    with grpc.insecure_channel(server.grpc_address) as channel:
        call = channel.unary_unary(
            "/millstream.v1.TrackingService/SearchExperiments")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", timeout=-1)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_the_door_outlives_a_want_of_descriptors(start_server):
    server = start_server()
    soft, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    used = len(os.listdir(f"/proc/{server.pid}/fd"))
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (used + 10, hard))
    host, _, port = server.grpc_address.rpartition(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(100)]
    for connection in idle:
        connection.close()
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (soft, hard))
    with grpc.insecure_channel(server.grpc_address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=60, wait_for_ready=True)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
