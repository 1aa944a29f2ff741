"""The gRPC side of the sender: calls, and whether the server is there."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import time
from typing import Any, AsyncIterator

import grpc
import grpc.aio

from . import _api, _tasks
from ._errors import AWAY, BUSY, FINAL, Error

PROBE_SECONDS = 10.0
BACKOFF_SECONDS_MIN = 0.1
BACKOFF_SECONDS_MAX = 10.0
CHUNK_BYTES = 256 * 1024
# A transfer that does not move for so long has failed.
TRANSFER_STALL_SECONDS = 60.0

OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # gRPC adds jitter.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", int(BACKOFF_SECONDS_MAX * 1000)),
    ("grpc.enable_http_proxy", 0),
]

# For codes that the server did not name: gRPC's own, when the connection or
# the deadline failed before the server answered.
CODES = {
    grpc.StatusCode.UNIMPLEMENTED: "ENDPOINT_NOT_FOUND",
    grpc.StatusCode.UNAUTHENTICATED: "UNAUTHENTICATED",
    grpc.StatusCode.PERMISSION_DENIED: "PERMISSION_DENIED",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "RESOURCE_EXHAUSTED",
}


def error_of(failure: grpc.aio.AioRpcError) -> Error:
    """The failure with the server's own code, or AWAY."""
    metadata = dict(failure.trailing_metadata() or ())
    code = metadata.get("millstream-error-code")
    if isinstance(code, bytes):
        code = code.decode()
    return Error(code or CODES.get(failure.code(), AWAY),
                 failure.details() or failure.code().name)


def credentials() -> list[tuple[str, str]]:
    """What says who calls, from the variables of mlflow's own client."""
    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    password = os.environ.get("MLFLOW_TRACKING_PASSWORD")
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if user and password:
        pair = f"{user}:{password}".encode()
        return [("authorization",
                 "Basic " + base64.b64encode(pair).decode())]
    return [("authorization", f"Bearer {token}")] if token else []


class Backoff:
    """Waiting times that grow, with jitter."""

    def __init__(self) -> None:
        self._next = BACKOFF_SECONDS_MIN

    def reset(self) -> None:
        self._next = BACKOFF_SECONDS_MIN

    async def sleep(self) -> None:
        delay = self._next * random.uniform(0.5, 1.5)
        self._next = min(self._next * 2, BACKOFF_SECONDS_MAX)
        await asyncio.sleep(delay)


class Server:
    """The server at one address. Belongs to one event loop."""

    def __init__(self, target: str) -> None:
        self.target = target
        self._channel = grpc.aio.insecure_channel(target, options=OPTIONS)
        self._metadata = credentials()
        self._calls: dict[str, Any] = {}
        self._there = asyncio.Event()
        self._there.set()
        self._probe: asyncio.Task[None] | None = None

    @property
    def is_away(self) -> bool:
        return not self._there.is_set()

    async def close(self) -> None:
        if self._probe is not None:
            await _tasks.end([self._probe])
        await self._channel.close()

    def failed(self, error: Error) -> None:
        """Says that a call failed; if so because the server is away, it is
        looked for until it is back."""
        if error.code in FINAL or error.code in BUSY or self.is_away:
            return
        self._there.clear()
        self._probe = asyncio.create_task(self._look_for())

    async def wait(self, seconds: float) -> bool:
        """Waits until the server is there; False if it is not by then."""
        try:
            await asyncio.wait_for(self._there.wait(), max(seconds, 0.0))
        except asyncio.TimeoutError:
            return False
        return True

    async def call(self, path: str, request: bytes, timeout: float) -> bytes:
        """One rpc; Error if it failed."""
        call = self._calls.get(path)
        if call is None:
            call = self._calls[path] = self._channel.unary_unary(path)
        try:
            answer: bytes = await call(request, timeout=timeout,
                                       metadata=self._metadata)
        except grpc.aio.AioRpcError as failure:
            error = error_of(failure)
            self.failed(error)
            raise error from None
        return answer

    async def patient_call(self, path: str, request: bytes,
                           patience: float) -> bytes:
        """The same, tried again while the server is away or busy."""
        deadline = time.monotonic() + patience
        backoff = Backoff()
        while True:
            left = deadline - time.monotonic()
            try:
                return await self.call(path, request, max(left, 1.0))
            except Error as error:
                left = deadline - time.monotonic()
                if error.code in FINAL or left <= 0:
                    raise
                if error.code in BUSY:
                    await backoff.sleep()
                elif not await self.wait(left):
                    raise

    def stream(self, path: str, response: Any) -> Any:
        """A bidirectional stream that sends messages."""
        return self._channel.stream_stream(
            path, request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=response.FromString)(
                metadata=self._metadata)

    async def upload(self, artifact_path: str, source: str) -> None:
        """Sends a local file to the artifact proxy."""
        method = _api.method("UploadArtifact")
        assert method is not None

        async def chunks() -> AsyncIterator[Any]:
            yield method.request(artifact_path=artifact_path)
            with open(source, "rb") as file:
                while data := file.read(CHUNK_BYTES):
                    yield method.request(data=data)

        call = self._channel.stream_unary(
            method.path, request_serializer=lambda m: m.SerializeToString())
        try:
            await call(chunks(), wait_for_ready=False,
                       metadata=self._metadata)
        except grpc.aio.AioRpcError as failure:
            error = error_of(failure)
            self.failed(error)
            raise error from None

    async def download(self, artifact_path: str, to: str) -> None:
        """Fetches a file of the artifact proxy into a local file."""
        method = _api.method("DownloadArtifact")
        assert method is not None
        call = self._channel.unary_stream(
            method.path, request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=method.response.FromString)(
                method.request(artifact_path=artifact_path),
                metadata=self._metadata)
        try:
            # Opened when the first chunk is there: a file that does not exist
            # on the server leaves none here.
            chunk = await self._chunk(call)
            with open(to, "wb") as file:
                while chunk is not grpc.aio.EOF:
                    file.write(chunk.data)
                    chunk = await self._chunk(call)
        except grpc.aio.AioRpcError as failure:
            error = error_of(failure)
            self.failed(error)
            raise error from None
        finally:
            call.cancel()

    async def _chunk(self, call: Any) -> Any:
        try:
            return await asyncio.wait_for(call.read(), TRANSFER_STALL_SECONDS)
        except asyncio.TimeoutError:
            raise Error(AWAY, "the download does not move") from None

    async def _look_for(self) -> None:
        method = _api.method("GetServerInfo")
        assert method is not None
        backoff = Backoff()
        while True:
            await backoff.sleep()
            try:
                await self._channel.unary_unary(method.path)(
                    b"", timeout=PROBE_SECONDS, wait_for_ready=True,
                    metadata=self._metadata)
                break
            except grpc.aio.AioRpcError as failure:
                if error_of(failure).code != AWAY:
                    break
        self._there.set()
