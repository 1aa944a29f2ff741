"""Fixtures of the tests of the Python package, as installed from its wheel.

They run with mlflow 3.17.2 and 2.20.2, as the virtual environment has it.
"""

import os
import pathlib
import subprocess
import sys
import time

# Before the first import of mlflow, which reads them.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
os.environ["GIT_PYTHON_REFRESH"] = "quiet"

import millstream  # noqa: E402
import pytest  # noqa: E402
from millstream import _session  # noqa: E402

from proxy import Proxy  # noqa: E402

WAIT_SECONDS = 30


@pytest.fixture
def server(request, server):
    """The one that all share; in a module that says OWN_SERVER, for it takes
    servers away, one for each test."""
    if getattr(request.module, "OWN_SERVER", False):
        return request.getfixturevalue("start_server")()
    return server


@pytest.fixture
def proxy(server):
    """Stands before the test's server, and can take it away."""
    between = Proxy(server)
    yield between
    between.close()


@pytest.fixture
def until():
    """until(condition) waits for it to be true and returns what it gave."""

    def wait(condition, what="the condition"):
        deadline = time.monotonic() + WAIT_SECONDS
        while not (found := condition()):
            assert time.monotonic() < deadline, f"never came: {what}"
            time.sleep(0.01)
        return found

    return wait


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def uri_of(spool):
    """The URI of a server, with short waits and parameters as told."""

    def uri(server, **parameters):
        given = {"spool_dir": spool, "timeout": 10, "away_wait": 0.2,
                 "start_wait": 0.5,
                 "linger": 0, **parameters}
        return (f"millstream://{server.grpc_address}?"
                + "&".join(f"{k}={v}" for k, v in given.items()))

    return uri


@pytest.fixture
def end_sessions(until):
    """Ends what logs in this process, and sees its senders end."""

    def end():
        sessions = list(_session._sessions)
        links = [s._link for s in sessions if s._link is not None]
        processes = [link._process for link in links if link._process]
        for session in sessions:
            session.close()
        for process in processes:
            if process.poll() is None or process.returncode == 0:
                until(lambda: has_ended(process.pid), "the end of a sender")

    return end


def has_ended(pid):
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:  # somebody else saw it
        return True


@pytest.fixture
def connect(uri_of, end_sessions):
    """connect(server) makes a client whose spool is this test's alone."""

    def make(server, **parameters):
        return millstream.Client(uri_of(server, **parameters))

    yield make
    end_sessions()


@pytest.fixture
def run_python(tmp_path):
    """Starts a Python program as a user would; its input and output are pipes
    of text."""
    started = []

    def start(program, *arguments, **environment):
        path = tmp_path / f"program{len(started)}.py"
        path.write_text(program)
        process = subprocess.Popen(
            [sys.executable, path, *map(str, arguments)], cwd=tmp_path,
            env={**os.environ, **environment}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def command(spool):
    """Runs the command millstream, which pip put beside python."""

    def run(*arguments):
        program = pathlib.Path(sys.executable).parent / "millstream"
        return subprocess.run(
            [program, *arguments, "--spool-dir", spool], text=True,
            capture_output=True, timeout=WAIT_SECONDS * 2)

    return run
