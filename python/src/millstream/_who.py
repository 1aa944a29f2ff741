"""Who calls, and whom they trust: the variables, and the file, of mlflow's own
client."""

from __future__ import annotations

import base64
import configparser
import ipaddress
import os
import urllib.parse
from typing import Mapping

from ._config import is_tls

ROOTS = "MLFLOW_TRACKING_SERVER_CERT_PATH"
OWN = "MLFLOW_TRACKING_CLIENT_CERT_PATH"
INSECURE = "MLFLOW_TRACKING_INSECURE_TLS"
VARIABLES = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


def metadata(env: Mapping[str, str]) -> list[tuple[str, str]]:
    """What tells the server who calls; nothing if nobody is named."""
    user, password = _user(env)
    token = env.get("MLFLOW_TRACKING_TOKEN")
    if user and password:
        pair = f"{user}:{password}".encode()
        return [("authorization", "Basic " + base64.b64encode(pair).decode())]
    return [("authorization", f"Bearer {token}")] if token else []


def secrets_in_clear(target: str, env: Mapping[str, str]) -> bool:
    """Whether a password or token goes over a network that all may read."""
    if is_tls(target) or not metadata(env):
        return False
    host = urllib.parse.urlsplit(f"//{target}").hostname or ""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost" and not host.endswith(".localhost")


def check_files(target: str, env: Mapping[str, str]) -> None:
    """ValueError if what the variables for TLS name cannot be used: the sender,
    which needs it, has nobody to tell."""
    if not is_tls(target):
        return
    for name in (ROOTS, OWN):
        path = env.get(name)
        if path and not os.access(path, os.R_OK):
            raise ValueError(f"{name}={path} cannot be read")
    if env.get(ROOTS) and is_insecure(env):
        raise ValueError(f"{ROOTS} is set and {INSECURE} too: choose one")


def is_insecure(env: Mapping[str, str]) -> bool:
    return env.get(INSECURE, "").lower() in ("true", "1")


def _user(env: Mapping[str, str]) -> tuple[str | None, str | None]:
    user, password = (env.get(name) for name in VARIABLES)
    if user and password:
        return user, password
    path = os.path.join(env.get("HOME") or os.path.expanduser("~"),
                        ".mlflow", "credentials")
    config = configparser.ConfigParser(interpolation=None)
    try:
        config.read(path)
        file = config["mlflow"]
    except (OSError, KeyError, UnicodeDecodeError, configparser.Error):
        return user, password
    return (user or file.get(VARIABLES[0].lower()),
            password or file.get(VARIABLES[1].lower()))
