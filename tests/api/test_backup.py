"""millstream backup, restore and check, on the data folder of a real server."""

import os
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

import evidence
import harness
from backups import (PATIENCE_SECONDS, Writer, compare, done, faults, refused,
                     run, server_on)
from doors import GrpcDoor, RestDoor

pytestmark = pytest.mark.skipif(
    bool(harness.REFERENCE or harness.BACKEND),
    reason="only a data folder of our own has these commands")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

WRITERS = 4
ROUNDS = 3

def test_a_backup_while_writers_write(start_server, tmp_path):
    server = start_server()
    data = server.folder / "data"
    kinds = [GrpcDoor, RestDoor] * (WRITERS // 2)
    writers = [Writer(server, kind, f"writer{i}")
               for i, kind in enumerate(kinds)]
    for writer in writers:
        writer.start()
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
            door.close()
            assert restored.stop() == 0
        assert faults(copy / "data") == []
    for writer in writers:
        writer.end()
    server.stop()
    assert faults(data) == []
    assert not (data / ".backup").exists()


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
    """Edits the database. That makes it one of before pages had checksums:
    those that sqlite3 writes would be wrong."""
    path = data / "millstream.db"
    database = sqlite3.connect(path)
    statements = list(database.iterdump())
    for pragma in ("application_id", "user_version"):
        number, = database.execute(f"PRAGMA {pragma}").fetchone()
        statements.append(f"PRAGMA {pragma} = {number};")
    database.close()
    path.unlink()
    database = sqlite3.connect(path)
    database.executescript("\n".join(statements))
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


def change_value(data):
    database = data / "millstream.db"
    flip(database, database.read_bytes().rindex(b"mlflow-artifacts:/"))


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
    (change_value, "of the database millstream.db is damaged"),
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


def test_check_finds_each_damage_of_a_backup(data, tmp_path):
    backup = tmp_path / "backup"
    done("backup", "--data-dir", data, "--to", backup)
    assert faults(backup) == []
    for path in sorted(backup.rglob("*")):
        if not path.is_file() or path.stat().st_size == 0 or path.name in (
                "LOCK", "millstream.db-shm"):
            continue
        flip(path, path.stat().st_size // 2)
        found = faults(backup)
        assert any("backup" in fault for fault in found), path
        flip(path, path.stat().st_size // 2)
        assert faults(backup) == [], path
    artifact = next((backup / "artifacts").rglob("files/0"))
    artifact.unlink()
    assert any("is not there" in fault and "files/0" in fault
               for fault in faults(backup))


def test_a_backup_that_a_server_works_in_is_none(data, tmp_path):
    backup = tmp_path / "data"
    done("backup", "--data-dir", data, "--to", backup)
    with server_on(tmp_path) as server:
        assert "is one no more" in server.log()
        RestDoor(server).call("CreateExperiment", {"name": "more"})
        assert server.stop() == 0
    assert "no backup" in refused("restore", "--from", backup,
                                  "--data-dir", tmp_path / "new")
    assert faults(backup) == []


def test_a_restore_adds_checksums_to_pages_without(data, tmp_path):
    without = "made before pages had checksums"
    assert without not in done("check", "--data-dir", data)
    sql(data, "")
    assert without in done("check", "--data-dir", data)
    done("backup", "--data-dir", data, "--to", tmp_path / "backup")
    assert without in done("check", "--data-dir", tmp_path / "backup")
    done("restore", "--from", tmp_path / "backup", "--data-dir",
         tmp_path / "data")
    assert [path.name for path in (tmp_path / "data").glob("mill*")] == [
        "millstream.db"]
    assert without not in done("check", "--data-dir", tmp_path / "data")
    with server_on(tmp_path) as restored:
        door = RestDoor(restored)
        run, = door.call("SearchRuns", {"experiment_ids": ["0"]})["runs"]
        compare(door, run["info"]["run_id"], 20)


def test_a_backup_has_no_damaged_page(data, tmp_path):
    change_value(data)
    why = refused("backup", "--data-dir", data, "--to", tmp_path / "backup")
    assert "damaged" in why
    assert not (tmp_path / "backup").exists()


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


@pytest.fixture
def volume(tmp_path):
    """volume(name, size): the root of a file system."""
    mounted = []

    def mount(name, size):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}",
                           "tmpfs", folder]).returncode:
            pytest.skip("may not mount")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


@needs_root
def test_a_full_disk_is_told_and_nothing_is_left(data, volume):
    small = volume("small", "256k")
    for target in (small / "backup", small):
        why = refused("backup", "--data-dir", data, "--to", target)
        assert "left" in why and "Make room" in why
        assert list(small.iterdir()) == []


@needs_root
def test_straight_into_volumes(start_server, volume, tmp_path):
    """As containers have them: /backup, and a new one for the data."""
    server = start_server()
    writer = Writer(server, GrpcDoor, "a run")
    for number in range(20):
        writer.log(number)
    backup, new = volume("backup", "500m"), volume("new/data", "500m")
    done("backup", "--data-dir", server.folder / "data", "--to", backup)
    assert faults(backup) == []
    done("restore", "--from", backup, "--data-dir", new)
    with server_on(new.parent) as restored:
        door = GrpcDoor(restored)
        compare(door, writer.run_id, 20)
        door.close()
        assert restored.stop() == 0
    assert faults(new) == []
    assert "is there already" in refused(
        "backup", "--data-dir", server.folder / "data", "--to", backup)
    writer.door.close()


def test_help_teaches():
    for command in ("check", "backup", "restore"):
        said = done(command, "--help")
        assert f"millstream {command} --" in said
        assert "--data-dir" in said
    assert "backup" in done("--help")
