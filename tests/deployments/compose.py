"""Services of a compose file, as docker-compose itself understands it."""

import pathlib
import subprocess

import yaml


def service(file, name):
    """The definition of one service: its variables, command and so on."""
    config = subprocess.run(
        ["docker-compose", "-f", str(file), "config"],
        cwd=pathlib.Path(file).parent, check=True, capture_output=True,
        text=True).stdout
    return yaml.safe_load(config)["services"][name]


def mounts(definition):
    """{path inside: path here} of the volumes that are not Docker's own."""
    found = {}
    for volume in definition.get("volumes", []):
        if isinstance(volume, str):
            here, inside = volume.split(":")[:2]
            if here.startswith("/"):
                found[inside] = here
        elif volume["type"] == "bind":
            found[volume["target"]] = volume["source"]
    return found


def port(definition):
    """The port inside of the first that is published."""
    first = definition["ports"][0]
    if isinstance(first, str):
        return int(first.rpartition(":")[2].partition("/")[0])
    return int(first["target"])
