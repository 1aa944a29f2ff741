"""What a start tells, and what it leaves on the disk."""

import os
import subprocess

import harness
import pytest

pytestmark = pytest.mark.skipif(harness.REFERENCE or harness.BACKEND,
                                reason="our own start and files")


def test_a_first_start_tells_of_no_fault(start_server):
    server = start_server()
    assert " WARN " not in server.log() and " ERROR " not in server.log()
    # Nor a second.
    assert server.stop() == 0
    server.start()
    assert " WARN " not in server.log() and " ERROR " not in server.log()


def test_databases_are_their_owners_to_read(start_server):
    server = start_server()
    found = list((server.folder / "data").glob("millstream.db*"))
    assert {path.name for path in found} >= {"millstream.db",
                                             "millstream.db-wal"}
    for path in [*found, server.folder / "data"]:
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("query", ["sslmode=bogus", "connect_timeout=soon"])
def test_a_start_does_not_wait_for_what_cannot_be(tmp_path, query):
    uri = f"postgresql://me:secret@127.0.0.1:1/d?{query}"
    ended = subprocess.run(
        [harness.BINARY, "server", "--host", "0.0.0.0", "--port", "0",
         "--grpc-port", "0", "--data-dir", tmp_path / "data",
         "--backend-store-uri", uri], env={"PATH": os.environ["PATH"]},
        cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    *log, said = ended.stderr.splitlines()
    assert "--backend-store-uri" in said
    assert f"'{query.partition('=')[0]}'" in said
    assert "secret" not in ended.stderr
    # It would have listened to all, and asked nobody for a password.
    assert len(log) == 1 and " WARN " in log[0] and "--htpasswd-file" in log[0]
