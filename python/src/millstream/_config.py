"""Where the server is and how the spool behaves: the URI and the environment.

A URI is millstream://HOST[:PORT][?NAME=VALUE&...], or millstreams:// for a
server that speaks TLS. Each parameter can be given
there or, for every URI, as an environment variable; the URI wins.
"""

from __future__ import annotations

import os
import pathlib
import urllib.parse
from dataclasses import dataclass, fields
from typing import Any, Mapping

SCHEME = "millstream"
TLS_SCHEME = "millstreams"
DEFAULT_PORT = 5001
ENVIRONMENT = "MILLSTREAM_"


@dataclass(frozen=True)
class Config:
    """One server, and how this process talks to it.

    The comments say what the parameter NAME (MILLSTREAM_NAME in the
    environment) means; times are seconds.
    """

    # The server's gRPC door: host:port, or millstreams://host:port by TLS.
    target: str
    # Folder of all spools. It must be on a local disk.
    spool_dir: pathlib.Path
    # Bytes that the spool of one process may take.
    spool_bytes: int = 1 << 30
    # Seconds between two fsyncs of the spool. 0: none, the kernel decides; then
    # a crash of the machine (not of the process) loses what was logged in the
    # last half minute or so and not sent yet.
    fsync: float = 0.0
    # How long a call that needs an answer waits for a server that is away.
    timeout: float = 60.0
    # How long the start of a run waits for a server that is away, before it is
    # started without it.
    start_wait: float = 5.0
    # How long a write that needs none waits for its turn behind metrics that
    # are still under way before it is put in the spool behind them.
    write_wait: float = 5.0
    # How long a full spool is waited for, once per time that it is full.
    full_wait: float = 5.0
    # How long the end of a run or of the process waits while points still
    # arrive at the server, and how long while the server is away.
    flush_wait: float = 600.0
    away_wait: float = 5.0
    # How long the sender goes on trying after its process was killed while the
    # server is away. `millstream sync` does the rest.
    linger: float = 60.0
    # Where people see runs: the server's HTTP address.
    ui: str = ""


def is_ours(uri: str) -> bool:
    scheme, separator, _ = uri.partition("://")
    return bool(separator) and scheme.lower() in (SCHEME, TLS_SCHEME)


def is_tls(target: str) -> bool:
    return target.startswith(TLS_SCHEME + "://")


def parse(uri: str | None = None,
          environment: Mapping[str, str] | None = None) -> Config:
    """The configuration for a URI ("host:port" will do).

    Without one: MILLSTREAM_URI, else MLFLOW_TRACKING_URI if that is one of
    ours. ValueError says what is wrong with it.
    """
    env = os.environ if environment is None else environment
    if uri is None:
        uri = env.get(ENVIRONMENT + "URI") or env.get("MLFLOW_TRACKING_URI", "")
        if not uri:
            raise ValueError("no server is named: give a URI such as "
                             "millstream://host:5001, or set MILLSTREAM_URI")
    if "://" not in uri:
        scheme, separator, rest = uri.partition(":")
        if scheme.lower() in (SCHEME, TLS_SCHEME) and separator and not (
                rest.partition("?")[0].rstrip("/").isdigit()):
            # No host of that name and its port.
            raise ValueError(f"{uri!r} lacks the slashes: say "
                             f"{scheme.lower()}://{rest.lstrip('/')}")
        uri = f"{SCHEME}://{uri}"
    try:
        parts = urllib.parse.urlsplit(uri)
        port = parts.port or DEFAULT_PORT
    except ValueError as error:
        raise ValueError(f"{uri!r}: {error}") from None
    if not is_ours(uri) or not parts.hostname:
        raise ValueError(
            f"{uri!r} is not a URI such as {SCHEME}://host:{DEFAULT_PORT}")
    if parts.path not in ("", "/") or parts.username or parts.fragment:
        raise ValueError(f"{uri!r} has more than a host, a port and parameters")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    given = dict(urllib.parse.parse_qsl(
        parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    tls = parts.scheme == TLS_SCHEME
    values: dict[str, Any] = {
        "target": f"{TLS_SCHEME}://{host}:{port}" if tls else f"{host}:{port}"}
    for field in fields(Config):
        if field.name == "target":
            continue
        variable = ENVIRONMENT + field.name.upper()
        text = given.pop(field.name, None)
        told = field.name if text is not None else variable
        text = env.get(variable) if text is None else text
        if text:
            values[field.name] = _value(field.name, text, told)
    if given:
        raise ValueError(f"{uri!r} has unknown parameters: {sorted(given)}")
    values.setdefault("spool_dir", _default_spool_dir(env))
    values.setdefault(
        "ui", f"http{'s' if tls else ''}://{host}:{port - 1}")
    return Config(**values)


def _value(name: str, text: str, told: str) -> Any:
    if name == "ui":
        return text.rstrip("/")
    if name == "spool_dir":
        return pathlib.Path(text).expanduser().absolute()
    try:
        value = size(text) if name == "spool_bytes" else float(text)
    except ValueError:
        value = -1
    # Not so for NaN either.
    if not 0 <= value <= 1 << 50:
        raise ValueError(f"{told}={text!r} is not a number that makes sense")
    return value


def size(text: str) -> int:
    """Bytes in "64M", "1GiB" or "1000"."""
    number = text.strip().lower().removesuffix("b").removesuffix("i")
    power = {"k": 1, "m": 2, "g": 3, "t": 4}.get(number[-1:], 0)
    return int(float(number[:-1] if power else number) * 1024**power)


def _default_spool_dir(env: Mapping[str, str]) -> pathlib.Path:
    state = env.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return pathlib.Path(state) / "millstream" / "spool"
