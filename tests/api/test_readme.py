"""What README.md says to type does what it says."""

import os
import re
import shlex
import signal
import subprocess
import time

import pytest
import requests

import harness

pytestmark = pytest.mark.skipif(harness.REFERENCE is not None,
                                reason="our README")


@pytest.fixture
def team(tmp_path):
    """(url, what it printed first) of a server started as for a team, on a
    machine that has nothing yet."""
    block, = re.findall(r"## For a team.*?```sh\n(.*?)```",
                        (harness.ROOT / "README.md").read_text(), re.S)
    ports = tmp_path / "ports"
    command = " ".join(shlex.quote(str(word)) for word in [
        harness.BINARY, "server", "--port", "0", "--grpc-port", "0",
        "--port-file", ports])
    assert "tools/run " in block
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("MLFLOW_", "MILLSTREAM_"))}
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-euc", block.replace("tools/run ", f"exec {command} ")],
            cwd=tmp_path, env=environment, stdout=output, stderr=output,
            start_new_session=True)
    try:
        deadline = time.monotonic() + harness.START_SECONDS
        while not ports.exists():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield (f"http://127.0.0.1:{ports.read_text().split()[0]}",
               log.read_text().splitlines()[0])
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(harness.STOP_SECONDS)


def test_a_server_for_a_team_starts_and_asks(team):
    url, said = team
    user, password = re.fullmatch(r"user (\w+), password (\S+)",
                                  said).groups()
    path = "/api/2.0/mlflow/experiments/get?experiment_id=0"
    by_name = {"Host": os.uname().nodename}
    assert requests.get(url + path, timeout=30,
                        headers=by_name).status_code == 401
    assert requests.get(url + path, timeout=30, headers=by_name,
                        auth=(user, password)).status_code == 200
    assert requests.get(url + path, timeout=30, auth=(user, password),
                        headers={"Host": "evil.example"}).status_code == 403
    assert requests.get(url + path, timeout=30, auth=(user, password),
                        headers={"Host": "localhost:1"}).status_code == 200
