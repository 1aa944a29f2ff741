"""Frames of HTTP/2 that are no honest call, at the gRPC door: what one
connection can make the server hold."""

import contextlib
import socket
import struct
import threading

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from test_auth import PASSWORD, USER
from test_weaknesses import peak_mb

# What one connection sends, unless it is cut before: of what the server has
# much to do with, and of what it just holds.
FLOOD_BYTES = 16 << 20
HELD_BYTES = 256 << 20
# A connection whose bytes the server does not take for so long is as good as
# cut.
STUCK_SECONDS = 3
# What it may cost. Without bounds it was 1,000 to 3,000.
MEMORY_MB_MAX = 350
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, CONTINUATION = 0, 1, 3, 4, 6, 9
END_STREAM, END_HEADERS = 1, 4
CANCEL = struct.pack(">I", 8)
KNOWN = b"/millstream.v1.TrackingService/SearchExperiments"
OPEN = b"/grpc.health.v1.Health/Check"
UNKNOWN = b"/no.such.Service/Rpc"


def frame(kind, flags, stream, payload=b""):
    return (struct.pack(">I", len(payload))[1:] + bytes([kind, flags])
            + struct.pack(">I", stream) + payload)


def literal(name, value):
    """A header field that no table remembers (RFC 7541, 6.2.2)."""
    return (b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value)


def head(rpc):
    return (b"\x83\x86"  # POST, http
            + literal(b":path", rpc) + literal(b":authority", b"localhost")
            + literal(b"te", b"trailers")
            + literal(b"content-type", b"application/grpc"))


def resets(rpc):
    for stream in range(1, 1 << 30, 2):
        yield (frame(HEADERS, END_STREAM | END_HEADERS, stream, head(rpc))
               + frame(RESET, 0, stream, CANCEL))


def calls_without_end(rpc):
    for stream in range(1, 1 << 30, 2):
        yield frame(HEADERS, END_HEADERS, stream, head(rpc))


def head_without_end(rpc):
    yield frame(HEADERS, END_STREAM, 1, head(rpc))
    fields = literal(b"x-more", b"y" * 100) * 140
    while True:
        yield frame(CONTINUATION, 0, 1, fields)


def messages_of_nothing(rpc):
    yield frame(HEADERS, END_HEADERS, 1, head(rpc))
    while True:
        yield frame(DATA, 0, 1)


def pings(_):
    while True:
        yield frame(PING, 0, 0, b"12345678")


def settings(_):
    while True:
        yield frame(SETTINGS, 0, 0, struct.pack(">HI", 3, 100))


def send(port, frames, most):
    """Whether the server took all. What it answers is read, and forgotten."""
    with socket.create_connection(("127.0.0.1", port),
                                  timeout=STUCK_SECONDS) as caller:
        reader = threading.Thread(target=drain, args=[caller], daemon=True)
        reader.start()
        sent = 0
        block = PREFACE + frame(SETTINGS, 0, 0)
        try:
            while sent < most:
                while len(block) < 64 * 1024:
                    block += next(frames)
                caller.sendall(block)
                sent += len(block)
                block = b""
            caller.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        finally:
            reader.join(1)
    return True


def drain(caller):
    with contextlib.suppress(OSError):
        while caller.recv(1 << 20):
            pass


# Of whom nobody asks who they are, and of whom the server does.
ENVIRONMENTS = {
    "everybody": {},
    "users": {"MLFLOW_TRACKING_USERNAME": USER,
              "MLFLOW_TRACKING_PASSWORD": PASSWORD}}


@pytest.mark.parametrize("who", ENVIRONMENTS)
@pytest.mark.parametrize(("flood", "rpc", "is_cut"), [
    (resets, KNOWN, None), (resets, OPEN, None), (resets, UNKNOWN, None),
    (calls_without_end, KNOWN, None), (calls_without_end, OPEN, True),
    (calls_without_end, UNKNOWN, None), (head_without_end, KNOWN, True),
    (messages_of_nothing, OPEN, None), (pings, b"", None),
    (settings, b"", None)])
def test_a_flood_finds_little_memory(start_server, who, flood, rpc, is_cut):
    server = start_server(environment=ENVIRONMENTS[who])
    port = int(server.grpc_address.rpartition(":")[2])
    ask(server)
    before = peak_mb(server.pid)
    taken = send(port, flood(rpc),
                 HELD_BYTES if flood is head_without_end else FLOOD_BYTES)
    if is_cut is not None:
        assert taken != is_cut
    # Whatever else is going on, another caller is served.
    ask(server)
    assert peak_mb(server.pid) - before < MEMORY_MB_MAX


def ask(server):
    with grpc.insecure_channel(server.grpc_address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=60, wait_for_ready=True)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
