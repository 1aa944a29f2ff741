"""What people see while they wait, and how URIs are read."""

import io
import pathlib
import re

import pytest
from millstream import _config
from millstream._progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_on_a_terminal():
    out = Terminal()
    progress = Progress("sending", out, silent=0.0)
    progress.update(4096, away=False)
    progress._drawn = 0.0
    progress.update(1024, away=False)
    progress._drawn = 0.0
    progress.update(1024, away=True)
    progress.finish(done=True)
    drawn = out.getvalue().split("\r\x1b[K")
    assert drawn[1] == f"millstream: sending [{'.' * 24}] 0 bytes of 4.0 KiB, "\
        "..."
    assert re.fullmatch(
        rf"millstream: sending \[{'#' * 18}{'.' * 6}\] 3.0 KiB of 4.0 KiB, "
        r"\d+ s to go", drawn[2])
    assert drawn[3].endswith("the server is away")
    assert drawn[4] == "millstream: sending, done in 0 s\n"


def test_lines_elsewhere():
    out = io.StringIO()
    progress = Progress("sending", out, silent=0.0)
    for pending in (4096, 2048, 0):
        progress.update(pending, away=False)
    progress.finish(done=True)
    assert out.getvalue() == ("millstream: sending, 4.0 KiB to send\n"
                              "millstream: sending, done in 0 s\n")


def test_nothing_when_it_is_quick():
    out = Terminal()
    progress = Progress("sending", out)
    progress.update(4096, away=False)
    progress.finish(done=True)
    assert out.getvalue() == ""


def test_a_uri_wins_over_the_environment():
    env = {"MILLSTREAM_FSYNC": "2", "MILLSTREAM_TIMEOUT": "7",
           "MILLSTREAM_SPOOL_BYTES": "64MiB", "XDG_STATE_HOME": "/state"}
    config = _config.parse("millstream://host:99?timeout=8", env)
    assert (config.target, config.timeout, config.fsync) == ("host:99", 8, 2)
    assert config.spool_bytes == 64 << 20
    assert config.spool_dir == pathlib.Path("/state/millstream/spool")
    assert config.ui == "http://host:98"


@pytest.mark.parametrize("uri, target", [
    ("host", "host:5001"), ("millstream://[::1]:7", "[::1]:7"),
    ("127.0.0.1:80", "127.0.0.1:80")])
def test_addresses(uri, target):
    assert _config.parse(uri, {}).target == target


@pytest.mark.parametrize("uri", [
    "http://host", "millstream://", "millstream://host/path",
    "millstream://host?no=1", "millstream://host?timeout=x",
    "millstream://host?timeout=nan", "millstream://host?fsync=-1",
    "millstream://host:99999", "millstream://u@host"])
def test_bad_uris_are_refused(uri):
    with pytest.raises(ValueError):
        _config.parse(uri, {})


def test_the_server_is_found_in_the_environment():
    assert _config.parse(None, {"MLFLOW_TRACKING_URI": "millstream://a:1"}
                         ).target == "a:1"
    assert _config.parse(None, {"MILLSTREAM_URI": "b", "MLFLOW_TRACKING_URI":
                                "http://c"}).target == "b:5001"
    with pytest.raises(ValueError, match="MILLSTREAM_URI"):
        _config.parse(None, {})
