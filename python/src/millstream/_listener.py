"""Finds out what listens at an address where gRPC gets no answer."""

from __future__ import annotations

import asyncio
import ssl
import urllib.parse

from ._config import SCHEME, TLS_SCHEME, is_tls

SECONDS = 2.0
# How a client of HTTP/2 begins: a sentence, and a frame of settings. Who speaks
# HTTP/1 alone answers in that.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0,
                                                       0))
ALERT_OF_TLS = b"\x15\x03"


async def why_not_ours(target: str) -> str | None:
    """Why what listens there never answers gRPC, and what to change; None if
    nobody does, or that cannot be told."""
    parts = urllib.parse.urlsplit(target if is_tls(target) else f"//{target}")
    assert parts.hostname is not None and parts.port is not None
    ask = _ask_by_tls if is_tls(target) else _ask
    try:
        return await asyncio.wait_for(
            ask(parts.hostname, parts.port, parts.netloc), SECONDS)
    except (OSError, asyncio.TimeoutError):
        return None


async def _ask(host: str, port: int, address: str) -> str | None:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(PREFACE)
        answer = await reader.read(len(PREFACE))
    finally:
        writer.close()
    if answer.startswith(b"HTTP/1"):
        return _http(SCHEME, address)
    if (not answer or answer.startswith(ALERT_OF_TLS)) and (
            await _speaks_tls(host, port)):
        return (f"{address} speaks TLS. Say {TLS_SCHEME}://{address} if that "
                "is the gRPC port of a server")
    return None


async def _ask_by_tls(host: str, port: int, address: str) -> str | None:
    try:
        chosen = await _protocol(host, port)
    except ssl.SSLError as error:
        if error.reason == "WRONG_VERSION_NUMBER":
            return (f"{address} does not speak TLS. Say {SCHEME}://{address} "
                    "if that is the gRPC port of a server")
        raise
    return None if chosen == "h2" else _http(TLS_SCHEME, address)


async def _speaks_tls(host: str, port: int) -> bool:
    try:
        await _protocol(host, port)
    except ssl.SSLError as error:
        # It wants a certificate of us, for example.
        return "ALERT" in (error.reason or "")
    return True


async def _protocol(host: str, port: int) -> str | None:
    """What is chosen to be spoken by TLS. Nothing is sent to whoever that
    is."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        chosen: str | None = writer.get_extra_info(
            "ssl_object").selected_alpn_protocol()
    finally:
        writer.close()
    return chosen


def _http(scheme: str, address: str) -> str:
    host, _, port = address.rpartition(":")
    return (f"{address} answers in HTTP/1: that is the HTTP port of a server. "
            f"{scheme}:// needs its gRPC port, which is usually the next: "
            f"{scheme}://{host}:{int(port) + 1}")
