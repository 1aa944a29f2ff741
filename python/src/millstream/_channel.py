"""How the sender reaches the server: in plain text, or by TLS.

The variables are those of mlflow's own client: the certificates of
MLFLOW_TRACKING_SERVER_CERT_PATH (a file, or a folder of files) are trusted
instead of the machine's; MLFLOW_TRACKING_CLIENT_CERT_PATH is a file with our
own certificate and its key; MLFLOW_TRACKING_INSECURE_TLS trusts anybody.
"""

from __future__ import annotations

import asyncio
import os
import pathlib
import socket
import ssl
import urllib.parse
from typing import Any, Mapping

import grpc
import grpc.aio

from . import _tasks, _who
from ._config import is_tls

COPY_BYTES = 256 * 1024
# Of a connection that asks for the server's certificate.
CONNECT_SECONDS = 10.0

OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A server whose machine has gone says nothing.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # gRPC adds jitter.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 10_000),
    ("grpc.enable_http_proxy", 0),
]


class Channel:
    """A gRPC channel to a target as _config has it. Belongs to one event
    loop. ValueError: the files of TLS cannot be used."""

    def __init__(self, target: str, env: Mapping[str, str]) -> None:
        self._tunnel: _Tunnel | None = None
        try:
            self.grpc = self._open(target, env)
        except OSError as error:
            raise ValueError(f"a file for TLS cannot be read: {error}"
                             ) from None

    async def close(self) -> None:
        await self.grpc.close()
        if self._tunnel is not None:
            await self._tunnel.close()

    def _open(self, target: str, env: Mapping[str, str]) -> Any:
        if not is_tls(target):
            return grpc.aio.insecure_channel(target, options=OPTIONS)
        address = urllib.parse.urlsplit(target).netloc
        _who.check_files(target, env)
        trusted, own = env.get(_who.ROOTS), env.get(_who.OWN)
        if _who.is_insecure(env):
            self._tunnel = _Tunnel(address, own)
            return grpc.aio.insecure_channel(
                self._tunnel.target,
                options=[*OPTIONS, ("grpc.default_authority", address)])
        mine = pathlib.Path(own).read_bytes() if own else None
        return grpc.aio.secure_channel(
            address, grpc.ssl_channel_credentials(
                _roots(trusted), private_key=mine, certificate_chain=mine),
            options=OPTIONS)


def _roots(trusted: str | None) -> bytes | None:
    """Certificates to trust; None: those that gRPC brings along."""
    path = pathlib.Path(trusted) if trusted else None
    if path is None:
        found = ssl.get_default_verify_paths().cafile
        return pathlib.Path(found).read_bytes() if found else None
    if path.is_dir():
        return b"\n".join(file.read_bytes() for file in sorted(path.iterdir())
                          if file.is_file())
    return path.read_bytes()


class _Tunnel:
    """Takes plain connections of this process and speaks TLS to a server
    whose certificate nobody looks at, which gRPC itself cannot."""

    def __init__(self, address: str, own: str | None) -> None:
        parts = urllib.parse.urlsplit(f"//{address}")
        self._host, self._port = parts.hostname, parts.port
        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self._context.set_alpn_protocols(["h2"])
        if own:
            self._context.load_cert_chain(own)
        # An address without a file, which ends with us.
        name = f"millstream-{os.getpid()}-{os.urandom(16).hex()}"
        self.target = f"unix-abstract:{name}"
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(b"\0" + name.encode())
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server = asyncio.ensure_future(
            asyncio.start_unix_server(self._carry, sock=listening))

    async def close(self) -> None:
        server = await self._server
        server.close()
        await _tasks.end(list(self._tasks))

    async def _carry(self, reader: asyncio.StreamReader,
                     writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            their_reader, their_writer = await asyncio.wait_for(
                asyncio.open_connection(self._host, self._port,
                                        ssl=self._context), CONNECT_SECONDS)
            ways = [asyncio.ensure_future(_copy(reader, their_writer)),
                    asyncio.ensure_future(_copy(their_reader, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                their_writer.close()
                await _tasks.end(ways)
        except (OSError, asyncio.TimeoutError):
            pass  # gRPC sees that the connection ends
        finally:
            writer.close()
            self._tasks.discard(task)


async def _copy(reader: asyncio.StreamReader,
                writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(COPY_BYTES):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
