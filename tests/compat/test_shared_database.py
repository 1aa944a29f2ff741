"""One database, first mlflow's server and then ours, and the other way round:
either finds what the other has left, and both say the same of it."""

import pathlib
import sqlite3
import sys
import uuid

import pytest
import sqlalchemy

import harness
import mlflow_answers
from mariadb import MariadbServer
from postgres import PostgresServer

pytestmark = pytest.mark.needs_3

MLFLOW = pathlib.Path(sys.executable).parent / "mlflow"


class Sqlite:
    """A database in a file. Other products: the same methods."""

    def __init__(self, folder, name):
        self.path = folder / f"{name}.db"
        # As either server and SQLAlchemy are told of it, and as we show it.
        self.uri = self.shown = f"sqlite:///{self.path}"

    def execute(self, text):
        with sqlite3.connect(self.path) as connection:
            connection.execute(text)


class OnServer:
    """A database of a server that all tests share."""

    # By product; as a user makes a database: with the product's own collation.
    servers = {}
    options = {PostgresServer: {}, MariadbServer: {
        "collation": "utf8mb4_general_ci"}}

    def __init__(self, kind, name):
        server = self.servers[kind]
        name = f"{name}_{uuid.uuid4().hex}"
        self.shown = (f"{server.dialects[0]}://127.0.0.1:{server.port}/"
                      f"{name}")
        server.make_database(name, **self.options[kind])
        self.uri = server.uri(name, server.dialects[1])

    def execute(self, text):
        engine = sqlalchemy.create_engine(self.uri)
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text(text))
        engine.dispose()


@pytest.fixture(scope="module")
def database_servers():
    """database_servers(kind) starts one of a kind when it is first asked."""

    def start(kind):
        if kind not in OnServer.servers:
            OnServer.servers[kind] = kind(fsync=False)
            OnServer.servers[kind].start()

    yield start
    for server in OnServer.servers.values():
        server.close()
    OnServer.servers.clear()


@pytest.fixture(params=[Sqlite, PostgresServer, MariadbServer],
                ids=["sqlite", "postgresql", "mysql"])
def new_database(request, tmp_path, database_servers):
    """new_database(name): an empty one."""
    if request.param is Sqlite:
        return lambda name: Sqlite(tmp_path, name)
    database_servers(request.param)
    return lambda name: OnServer(request.param, name)


@pytest.fixture
def database(new_database):
    return new_database("mlflow")


@pytest.fixture(autouse=True)
def tracking_server():
    """Not the shared one: each test has servers of its own."""


@pytest.fixture
def serve(tmp_path, database):
    """serve(reference) starts the one or the other on a database."""
    started = []

    def start(reference, database=database):
        folder = tmp_path / f"server{len(started)}"
        folder.mkdir()
        started.append(harness.Server(
            folder, backend=database.uri,
            reference=MLFLOW if reference else None))
        return started[-1].start()

    yield start
    for each in started:
        if each.is_running():
            each.kill()


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    different = {request: (ours[request], theirs[request]) for request in ours
                 if ours[request] != theirs[request]}
    assert not different


def schema(uri):
    """All that SQLAlchemy finds out about the tables of a database, which
    take MLflow long to make: whoever has some compares."""
    engine = sqlalchemy.create_engine(uri)
    inspector = sqlalchemy.inspect(engine)
    tables = {}
    for table in inspector.get_table_names():
        tables[table] = {
            "columns": [{**c, "type": repr(c["type"])}
                        for c in inspector.get_columns(table)],
            "primary key": inspector.get_pk_constraint(table),
            **{kind: sorted(map(repr, found(table))) for kind, found in {
                "foreign keys": inspector.get_foreign_keys,
                "unique": inspector.get_unique_constraints,
                "checks": inspector.get_check_constraints,
                "indexes": inspector.get_indexes}.items()}}
        tables[table]["columns"].sort(key=lambda c: c["name"])
    engine.dispose()
    return tables


@pytest.mark.parametrize("first_is_mlflow", [True, False],
                         ids=["from_mlflow", "to_mlflow"])
def test_both_say_the_same(serve, database, new_database, first_is_mlflow):
    first = serve(first_is_mlflow)
    if first_is_mlflow:
        ours = new_database("ours")
        serve(False, ours).stop()
        assert_same(schema(ours.uri), schema(database.uri))
    mlflow_answers.fill(first.url, "one")
    said = mlflow_answers.ask(first.url)
    first.stop()
    second = serve(not first_is_mlflow)
    assert_same(mlflow_answers.ask(second.url), said)
    # What the second adds to it, the first understands.
    mlflow_answers.fill(second.url, "two")
    said = mlflow_answers.ask(second.url)
    second.stop()
    again = serve(first_is_mlflow)
    assert_same(mlflow_answers.ask(again.url), said)


def test_an_older_database_is_refused(serve, database):
    serve(False).stop()
    database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    with pytest.raises(RuntimeError) as refused:
        serve(False)
    assert f"mlflow db upgrade {database.shown}" in str(refused.value)
