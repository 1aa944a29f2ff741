"""millstream backup, restore and check, on the data folder of a real server."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

import evidence
import harness
from doors import GrpcDoor, RestDoor

pytestmark = pytest.mark.skipif(
    bool(harness.REFERENCE or harness.BACKEND),
    reason="only a data folder of our own has these commands")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

WRITERS = 4
ROUNDS = 3
# Each of so many batches of a writer comes with an artifact.
ARTIFACT_EVERY = 8
PATIENCE_SECONDS = 60


def run(command, *arguments, **options):
    """Ends as the command does, with its output in it."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("MLFLOW_", "MILLSTREAM_"))}
    environment.update(options.pop("environment", {}))
    return subprocess.run(
        [harness.BINARY, command, *arguments], env=environment,
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, **options)


def done(command, *arguments, **options):
    """What the command said; it must succeed."""
    result = run(command, *arguments, **options)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def refused(command, *arguments, **options):
    """Why the command failed; it must, by itself."""
    result = run(command, *arguments, **options)
    assert result.returncode in (1, 2), result.stdout + result.stderr
    return result.stderr


def faults(folder):
    """The faults that check finds."""
    result = run("check", "--data-dir", folder)
    assert not result.stderr, result.stderr
    found = [line for line in result.stdout.splitlines()
             if line.startswith("FAULT")]
    assert result.returncode == bool(found), result.stdout
    assert not found or "What to do:" in result.stdout
    evidence.add("backup", {evidence.FAULTS: 1 if found else 0})
    return found


class Writer(threading.Thread):
    """Logs numbered batches to a run of its own until it is told to stop; an
    even one has a param, and some come with an artifact first."""

    def __init__(self, server, kind, name):
        super().__init__()
        self.door = kind(server)
        self.run_id = self.door.call("CreateRun", {
            "experiment_id": "0", "run_name": name, "start_time": 1})["run"][
                "info"]["run_id"]
        self.acknowledged = 0
        self.stopping = False
        self.error = None

    def run(self):
        try:
            while not self.stopping:
                self.log(self.acknowledged)
                self.acknowledged += 1
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def log(self, number):
        if number % ARTIFACT_EVERY == 0:
            self.door.upload(
                "UploadRunArtifact",
                {"run_uuid": self.run_id, "path": f"files/{number}"},
                str(number).encode() * 1000)
        point = {"value": number / 2, "timestamp": 1000 + number,
                 "step": number}
        params = [{"key": f"p{number}", "value": str(number)}]
        self.door.call("LogBatch", {
            "run_id": self.run_id,
            "metrics": [{"key": "m", **point}, {"key": "n", **point}],
            **({"params": params} if number % 2 == 0 else {})})

    def end(self):
        self.stopping = True
        self.join()
        self.door.close()
        assert self.error is None, self.error


def steps_of(door, run_id, key):
    request = {"run_id": run_id, "metric_key": key, "max_results": 20_000}
    steps = []
    while True:
        answer = door.call("GetMetricHistory", request)
        steps += [m.get("step", 0) for m in answer.get("metrics", [])]
        if not answer.get("next_page_token"):
            return steps
        request["page_token"] = answer["next_page_token"]


def compare(door, run_id, acknowledged):
    """All batches that were acknowledged are there, and each whole."""
    steps = steps_of(door, run_id, "m")
    assert steps == list(range(len(steps)))
    assert steps_of(door, run_id, "n") == steps
    assert len(steps) >= acknowledged, "what was acknowledged is lost"
    data = door.call("GetRun", {"run_id": run_id})["run"]["data"]
    assert {(p["key"], p["value"]) for p in data.get("params", [])} == {
        (f"p{n}", str(n)) for n in range(0, len(steps), 2)}
    assert {m["key"]: m["step"] for m in data["metrics"]} == {
        "m": steps[-1], "n": steps[-1]}
    for number in range(0, acknowledged, ARTIFACT_EVERY):
        assert door.download("GetRunArtifact", {
            "run_id": run_id, "path": f"files/{number}"}) == (
                str(number).encode() * 1000)


@contextlib.contextmanager
def server_on(folder, **options):
    """A server of what was restored to folder/data."""
    server = harness.Server(folder, **options).start()
    try:
        yield server
    finally:
        server.kill()


def test_a_backup_while_writers_write(start_server, tmp_path):
    server = start_server()
    data = server.folder / "data"
    kinds = [GrpcDoor, RestDoor] * (WRITERS // 2)
    writers = [Writer(server, kind, f"writer{i}")
               for i, kind in enumerate(kinds)]
    for writer in writers:
        writer.start()
    written = 0
    for number in range(ROUNDS):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while min(w.acknowledged for w in writers) < 20 * (number + 1):
            assert time.monotonic() < deadline, "nothing is acknowledged"
            time.sleep(0.01)
        acknowledged = {w.run_id: w.acknowledged for w in writers}
        backup = tmp_path / f"backup{number}"
        said = done("backup", "--data-dir", data, "--to", backup)
        assert "went on serving" in said
        assert all(writer.is_alive() for writer in writers)
        assert faults(backup) == []
        copy = tmp_path / f"copy{number}"
        copy.mkdir()
        done("restore", "--from", backup, "--data-dir", copy / "data")
        with server_on(copy) as restored:
            door = GrpcDoor(restored)
            for run_id, count in acknowledged.items():
                compare(door, run_id, count)
                written += count
            door.close()
            assert restored.stop() == 0
        assert faults(copy / "data") == []
    for writer in writers:
        writer.end()
    server.stop()
    assert faults(data) == []
    assert not (data / ".backup").exists()
    evidence.add("backup", {evidence.WRITES: written, evidence.LOST: 0})


@pytest.fixture
def data(start_server):
    """The data folder of a server that has ended."""
    server = start_server()
    writer = Writer(server, RestDoor, "a run")
    for number in range(20):
        writer.log(number)
    assert server.stop() == 0
    return server.folder / "data"


def flip(path, offset):
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x55]))


def sql(data, script):
    database = sqlite3.connect(data / "millstream.db")
    database.executescript(script)
    database.close()


def damage_table(data):
    tables = sorted((data / "metrics").glob("*.sst"))
    flip(tables[0], 30)


def lose_table(data):
    for table in (data / "metrics").glob("*.sst"):
        table.unlink()


def damage_page(data):
    database = data / "millstream.db"
    for page in range(2, database.stat().st_size // 4096, 5):
        flip(database, 4096 * page + 3)


def lose_points(data):
    shutil.rmtree(data / "metrics")


def lose_run(data):
    sql(data, "DELETE FROM latest_metrics; DELETE FROM params; "
              "DELETE FROM tags; DELETE FROM runs;")


def add_latest(data):
    sql(data, "INSERT INTO latest_metrics SELECT run_uuid, 'other', value, "
              "timestamp, step, is_nan, experiment_id, start_time "
              "FROM latest_metrics WHERE key = 'm'")


def break_outbox(data):
    sql(data, "INSERT INTO metric_outbox (run_uuid, points) "
              "VALUES ('x', x'010203')")


def lead_out(data):
    sql(data, "UPDATE experiments SET "
              "artifact_location = 'mlflow-artifacts:/../../etc'")


@pytest.mark.parametrize("damage, words", [
    (damage_table, "is damaged"),
    (lose_table, "metric store cannot be read"),
    (damage_page, "millstream.db"),
    (lose_points, "metric store cannot be read"),
    (lose_run, "there is no such run"),
    (add_latest, "has a latest value and no points"),
    (break_outbox, "metric_outbox"),
    (lead_out, "not below the artifacts' root"),
], ids=lambda value: getattr(value, "__name__", ""))
def test_check_finds(data, damage, words):
    assert faults(data) == []
    damage(data)
    found = faults(data)
    assert any(words in fault for fault in found), found


def test_check_after_a_kill_finds_nothing_and_changes_nothing(start_server):
    server = start_server()
    writer = Writer(server, RestDoor, "a run")
    for number in range(20):
        writer.log(number)
    server.kill()
    data = server.folder / "data"
    before = {path: path.read_bytes() for path in data.rglob("*")
              if path.is_file() and path.suffix not in (".db-shm", "")}
    assert faults(data) == []
    assert {path: path.read_bytes() for path in before} == before
    # Backed up as it is, it starts as it would have.
    backup = server.folder / "backup"
    done("backup", "--data-dir", data, "--to", backup)
    copy = server.folder / "copy"
    copy.mkdir()
    done("restore", "--from", backup, "--data-dir", copy / "data")
    with server_on(copy) as restored:
        door = RestDoor(restored)
        compare(door, writer.run_id, 20)


def test_what_is_damaged_on_its_way_is_not_restored(data, tmp_path):
    backup = tmp_path / "backup"
    done("backup", "--data-dir", data, "--to", backup)
    damaged = tmp_path / "damaged"
    for path in sorted(backup.rglob("*")):
        if not path.is_file() or path.stat().st_size == 0:
            continue
        shutil.rmtree(damaged, ignore_errors=True)
        shutil.copytree(backup, damaged)
        flip(damaged / path.relative_to(backup), path.stat().st_size // 2)
        why = refused("restore", "--from", damaged, "--data-dir",
                      tmp_path / "new")
        assert "damaged" in why, path
        evidence.add("backup", {evidence.FAULTS: 1})
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "new.unfinished").exists()


def test_nothing_is_written_over(data, tmp_path):
    backup = tmp_path / "backup"
    done("backup", "--data-dir", data, "--to", backup)
    assert "is there already" in refused("backup", "--data-dir", data,
                                         "--to", backup)
    assert "is there already" in refused("restore", "--from", backup,
                                         "--data-dir", data)
    assert "--to is missing" in refused("backup", "--data-dir", data)
    assert "in the data folder" in refused("backup", "--data-dir", data,
                                           "--to", data / "backup")
    assert "no server has" in refused("check", "--data-dir", tmp_path)


def test_check_and_restore_leave_a_running_server_alone(server, tmp_path):
    data = server.folder / "data"
    why = refused("check", "--data-dir", data)
    assert f"process {server.pid}" in why and "millstream backup" in why
    backup = tmp_path / "backup"
    done("backup", "--data-dir", data, "--to", backup)
    assert "is there already" in refused("restore", "--from", backup,
                                         "--data-dir", data)
    assert server.is_running()


def test_databases_are_for_their_own_tools(data, tmp_path):
    for command in [("check",), ("backup", "--to", tmp_path / "backup")]:
        why = refused(*command, "--data-dir", data, environment={
            "MLFLOW_BACKEND_STORE_URI": "postgresql://u:secret@h/d"})
        assert "pg_dump" in why and "secret" not in why


def test_users_are_in_the_copy(start_server, tmp_path):
    server = start_server("--app-name", "basic-auth", environment={
        "MLFLOW_AUTH_ADMIN_PASSWORD": "a long password"})
    backup = tmp_path / "backup"
    done("backup", "--data-dir", server.folder / "data", "--to", backup)
    assert (backup / "basic_auth.db").stat().st_mode & 0o077 == 0
    users = sqlite3.connect(backup / "basic_auth.db").execute(
        "SELECT username FROM users").fetchall()
    assert users == [("admin",)]


def test_artifacts_elsewhere_are_named(start_server, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    server = start_server("--artifacts-destination", str(elsewhere))
    said = done("backup", "--data-dir", server.folder / "data",
                "--to", tmp_path / "backup")
    assert str(elsewhere) in said


def test_a_backup_that_is_killed_leaves_nothing_in_the_way(start_server,
                                                           tmp_path):
    server = start_server()
    data = server.folder / "data"
    backup = tmp_path / "backup"
    command = [harness.BINARY, "backup", "--data-dir", data, "--to", backup]
    for number in range(5):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(0.004 * number)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not backup.exists() or (backup / "manifest").exists()
        shutil.rmtree(backup, ignore_errors=True)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (data / ".backup").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    done(*command[1:])
    assert faults(backup) == []
    assert sorted(path.name for path in tmp_path.glob("backup*")) == ["backup"]


@needs_root
def test_others_on_the_machine_get_no_backup(start_server, tmp_path):
    server = start_server()
    data = server.folder / "data"
    door = data / "backup.sock"
    assert door.stat().st_mode & 0o777 == 0o600
    for folder in [data, *data.parents[:-2]]:
        folder.chmod(folder.stat().st_mode | 0o555)
    script = ("import socket, sys; s = socket.socket(socket.AF_UNIX); "
              "s.connect(sys.argv[1])")
    result = subprocess.run(["python3", "-c", script, door.name], cwd=data,
                            user=65534, capture_output=True, text=True)
    assert "PermissionError" in result.stderr


@needs_root
def test_a_full_disk_is_told_and_nothing_is_left(data, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs",
                       small]).returncode:
        pytest.skip("may not mount")
    try:
        why = refused("backup", "--data-dir", data, "--to", small / "backup")
        assert "left" in why and "Make room" in why
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_help_teaches():
    for command in ("check", "backup", "restore"):
        said = done(command, "--help")
        assert f"millstream {command} --" in said
        assert "--data-dir" in said
    assert "backup" in done("--help")
