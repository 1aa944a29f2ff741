"""The gRPC side of the sender: calls, and whether the server is there."""

from __future__ import annotations

import asyncio
import os
import random
import time
from typing import Any, AsyncIterator, Awaitable, Callable

import grpc
import grpc.aio

from . import _api, _making, _tasks, _who
from ._channel import Channel
from ._errors import AWAY, BUSY, ELSEWHERE, FINAL, INVALID, Error
from ._listener import why_not_ours

PROBE_SECONDS = 10.0
# For so long it is believed that something else listens at the address.
NOT_OURS_SECONDS = 10.0
# A server that has never answered is spoken of after so long.
SILENT_SECONDS = 1.5
BACKOFF_SECONDS_MIN = 0.1
BACKOFF_SECONDS_MAX = 10.0
CHUNK_BYTES = 256 * 1024
# A transfer that does not move for so long has failed; nor does the server take
# longer to keep a file that has arrived.
TRANSFER_STALL_SECONDS = 60.0
TRANSFER_KEEP_SECONDS = 300.0
# What every gRPC server takes unless it was told otherwise. Ours takes more;
# what is before it may not.
MESSAGE_BYTES = 4 * 1024 * 1024

# For codes that the server did not name: gRPC's own, when the connection or
# the deadline failed before the server answered, or what gRPC makes of the
# HTTP status of something that is no gRPC server.
CODES = {
    grpc.StatusCode.UNIMPLEMENTED: "ENDPOINT_NOT_FOUND",
    grpc.StatusCode.UNAUTHENTICATED: "UNAUTHENTICATED",
    grpc.StatusCode.PERMISSION_DENIED: "PERMISSION_DENIED",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "RESOURCE_EXHAUSTED",
}


def _error(status: grpc.StatusCode, details: str | None, metadata: Any,
           request_bytes: int) -> Error:
    """The failure with the server's own code, or AWAY."""
    text = details or status.name
    named = dict(metadata or ()).get("millstream-error-code")
    if named is not None:
        return Error(named.decode() if isinstance(named, bytes) else named,
                     text, named=True)
    if status == grpc.StatusCode.RESOURCE_EXHAUSTED and (
            "larger than max" in text or request_bytes > MESSAGE_BYTES):
        # As final as if the server had said it.
        return Error(INVALID, "what was sent is larger than what the server, "
                     f"or what is before it, takes: {text}", named=True)
    return Error(CODES.get(status, AWAY), text)


def error_of(failure: grpc.aio.AioRpcError, request_bytes: int = 0) -> Error:
    """What a failed call of so many bytes means."""
    return _error(failure.code(), failure.details(),
                  failure.trailing_metadata(), request_bytes)


async def why(call: Any) -> Error:
    """The same for a stream that has ended."""
    code = await call.code()
    if code == grpc.StatusCode.OK:
        return Error(AWAY, "the server ended the stream")
    return _error(code, await call.details(), await call.trailing_metadata(),
                  0)


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
    """The server at one address. Belongs to one event loop.

    ValueError: the files of TLS cannot be used.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self._connection = Channel(target, os.environ)
        self._channel = self._connection.grpc
        self._metadata = _who.metadata(os.environ)
        self._calls: dict[str, Any] = {}
        self._there = asyncio.Event()
        self._there.set()
        self._probe: asyncio.Task[None] | None = None
        # Whether a millstream server has ever answered; if not, what listens
        # there instead, and until when to believe that.
        self._answered = False
        self._first_asked = 0.0
        self._not_ours: tuple[Error, float] | None = None
        self._away_because = ""

    @property
    def is_away(self) -> bool:
        return not self._there.is_set()

    @property
    def trouble(self) -> str:
        """Why it does not answer, as far as is known; empty if it does."""
        if self.is_away:
            return self._away_because
        silent = self._first_asked and not self._answered and (
            time.monotonic() - self._first_asked > SILENT_SECONDS)
        return "no answer yet" if silent else ""

    async def close(self) -> None:
        if self._probe is not None:
            await _tasks.end([self._probe])
        await self._connection.close()

    def failed(self, error: Error) -> Error:
        """Says that a call failed; if so because the server is away, it is
        looked for until it is back. Returns what to tell of it."""
        self._answered |= error.named
        if error.code == "UNAUTHENTICATED":
            # The file with the password may have been written since.
            self._metadata = _who.metadata(os.environ)
        if error.code == AWAY and self._not_ours is not None:
            if time.monotonic() < self._not_ours[1]:
                return self._not_ours[0]
            self._not_ours = None
        if error.code in FINAL or error.code in BUSY or self.is_away:
            return error
        self._away_because = error.message.rpartition("last error: ")[2]
        self._there.clear()
        self._probe = asyncio.create_task(self._look_for())
        return error

    async def wait(self, seconds: float) -> bool:
        """Waits until the server is there; False if it is not by then."""
        try:
            await asyncio.wait_for(self._there.wait(), max(seconds, 0.0))
        except asyncio.TimeoutError:
            return False
        return True

    async def call(self, path: str, request: bytes, timeout: float) -> bytes:
        """One rpc; Error if it failed."""
        self._first_asked = self._first_asked or time.monotonic()
        call = self._calls.get(path)
        if call is None:
            call = self._calls[path] = self._channel.unary_unary(path)
        try:
            answer: bytes = await call(request, timeout=timeout,
                                       metadata=self._metadata)
        except grpc.aio.AioRpcError as failure:
            raise self.failed(error_of(failure, len(request))) from None
        self._answered = True
        return answer

    async def patient_call(self, path: str, request: bytes,
                           patience: float) -> bytes:
        """The same, tried again while the server is away or busy."""
        deadline = time.monotonic() + patience

        async def attempt() -> bytes:
            return await self.call(path, request,
                                   max(deadline - time.monotonic(), 1.0))

        if _making.is_once(path):
            return await self._once(path, attempt, deadline)
        answer: bytes = await self._patiently(attempt, patience, deadline)
        return answer

    async def _once(self, path: str, attempt: Callable[[], Awaitable[bytes]],
                    deadline: float) -> bytes:
        """Tries again only if nothing can have come of it."""
        backoff = Backoff()
        while True:
            await self._reach(deadline)
            try:
                return await attempt()
            except Error as error:
                if error.code in FINAL:
                    raise
                if error.code not in BUSY:
                    raise Error(
                        error.code, f"{path.rpartition('/')[2]} may have been "
                        f"done or not: {error.message}") from None
                if time.monotonic() > deadline:
                    raise
                await backoff.sleep()

    async def _reach(self, deadline: float) -> None:
        """Waits until there is a connection; Error if there is none in time.
        """
        try:
            if await self.wait(deadline - time.monotonic()):
                await asyncio.wait_for(
                    self._channel.channel_ready(),
                    max(deadline - time.monotonic(), 1.0))
                return
        except asyncio.TimeoutError:
            pass
        raise Error(AWAY, f"{self.target} does not answer")

    async def _patiently(self, attempt: Callable[[], Awaitable[Any]],
                         patience: float, deadline: float = 0.0) -> Any:
        """Tries again while the server is away or busy: until the deadline, or
        that long from the first failure on."""
        backoff = Backoff()
        while True:
            try:
                return await attempt()
            except Error as error:
                deadline = deadline or time.monotonic() + patience
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

    async def upload(self, artifact_path: str, source: str,
                     patience: float) -> None:
        """Sends a local file to the artifact proxy; begins anew when the
        server comes back."""
        await self._patiently(lambda: self._upload(artifact_path, source),
                              patience)

    async def download(self, artifact_path: str, to: str,
                       patience: float) -> None:
        """Fetches a file of the artifact proxy into a local file; begins anew
        when the server comes back."""
        await self._patiently(lambda: self._download(artifact_path, to),
                              patience)

    async def _upload(self, artifact_path: str, source: str) -> None:
        method = _api.method("UploadArtifact")
        assert method is not None
        with open(source, "rb") as file:
            call = self._channel.stream_unary(
                method.path, request_serializer=lambda m: m.SerializeToString()
            )(metadata=self._metadata)

            async def send() -> None:
                await self._step(call, call.write(
                    method.request(artifact_path=artifact_path)))
                while data := file.read(CHUNK_BYTES):
                    await self._step(call, call.write(
                        method.request(data=data)))
                await self._step(call, call.done_writing())
                await self._step(call, call, TRANSFER_KEEP_SECONDS)

            await self._transfer(call, send())

    async def _download(self, artifact_path: str, to: str) -> None:
        method = _api.method("DownloadArtifact")
        assert method is not None
        call = self._channel.unary_stream(
            method.path, request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=method.response.FromString)(
                method.request(artifact_path=artifact_path),
                metadata=self._metadata)

        async def receive() -> None:
            # Opened when the first chunk is there: a file that does not exist
            # on the server leaves none here.
            chunk = await self._step(call, call.read())
            with open(to, "wb") as file:
                while chunk is not grpc.aio.EOF:
                    file.write(chunk.data)
                    chunk = await self._step(call, call.read())
            if await call.code() != grpc.StatusCode.OK:
                raise await why(call)

        await self._transfer(call, receive())

    async def _transfer(self, call: Any, work: Awaitable[None]) -> None:
        try:
            await work
        except Error as error:
            raise self.failed(error) from None
        finally:
            call.cancel()

    async def _step(self, call: Any, step: Awaitable[Any],
                    seconds: float = 0.0) -> Any:
        """Waits for it as long as a transfer may stand still."""
        try:
            return await asyncio.wait_for(
                step, seconds or TRANSFER_STALL_SECONDS)
        except asyncio.TimeoutError:
            raise Error(AWAY, "the transfer does not move") from None
        except grpc.aio.AioRpcError as failure:
            raise error_of(failure) from None
        except (asyncio.InvalidStateError, grpc.aio.UsageError):
            raise await why(call) from None

    async def _look_for(self) -> None:
        method = _api.method("GetServerInfo")
        assert method is not None
        backoff = Backoff()
        while not await self._is_not_ours():
            await backoff.sleep()
            try:
                await self._channel.unary_unary(method.path)(
                    b"", timeout=PROBE_SECONDS, wait_for_ready=True,
                    metadata=self._metadata)
                self._answered = True
                break
            except grpc.aio.AioRpcError as failure:
                error = error_of(failure)
                self._answered |= error.named
                if error.code != AWAY:
                    break
        self._there.set()

    async def _is_not_ours(self) -> bool:
        if self._answered:
            return False
        why = await why_not_ours(self.target)
        if why is None:
            return False
        self._not_ours = (Error(ELSEWHERE, why),
                          time.monotonic() + NOT_OURS_SECONDS)
        return True
