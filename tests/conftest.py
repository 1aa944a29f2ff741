"""Fixtures of all client-side tests."""

import pytest

import harness


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """What fails says how it is played again."""
    report = yield
    if report.failed:
        report.sections.append(("again", (
            f"MILLSTREAM_SEED={harness.SEED} tools/test client "
            f"'tests/{item.nodeid}'")))
    return report


@pytest.fixture(autouse=True)
def no_crashes():
    """Whatever a test looks at: no server ended by a fault of its own. Set up
    first, it is torn down after all that ends servers."""
    yield
    crashes = harness.take_crashes()
    assert not crashes, "\n".join(["a server crashed", *crashes])


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A server that all tests share; each makes experiments of its own."""
    shared = harness.Server(tmp_path_factory.mktemp("server")).start()
    yield shared
    shared.kill()


@pytest.fixture
def start_server(tmp_path):
    """start_server(*flags, environment={}) starts a server for one test
    alone."""
    started = []

    def start(*flags, environment=()):
        folder = tmp_path / f"server{len(started)}"
        folder.mkdir()
        started.append(harness.Server(folder, *flags,
                                      environment=environment))
        return started[-1].start()

    yield start
    for each in started:
        each.kill()
