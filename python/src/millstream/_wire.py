"""Requests and answers between a process that logs and its sender.

A message is a JSON object and bytes: u32 length of either, then both.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

LENGTHS = struct.Struct("<II")


def pack(header: dict[str, Any], payload: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return LENGTHS.pack(len(text), len(payload)) + text + payload


def receive(sock: socket.socket) -> tuple[dict[str, Any], bytes]:
    """EOFError if the other side is gone."""
    lengths = LENGTHS.unpack(_exactly(sock, LENGTHS.size))
    data = _exactly(sock, sum(lengths))
    return json.loads(data[:lengths[0]]), data[lengths[0]:]


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = sock.recv(min(size - len(data), 1 << 20))
        if not part:
            raise EOFError
        data += part
    return bytes(data)
