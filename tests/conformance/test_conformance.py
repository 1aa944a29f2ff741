"""Every conformance case, played against the server under test."""

import functools
import json
import pathlib

import pytest

import harness
import runner
from postgres import PostgresServer

HERE = pathlib.Path(__file__).resolve().parent
# Cases, answers of the reference (the first file that has a case), and flags.
PROFILES = {
    "default": ("default", ["golden.json"], []),
    "static_prefix": ("static_prefix", ["golden-static_prefix.json"],
                      ["--static-prefix", "/mlf"]),
    # On PostgreSQL the reference answers some cases otherwise.
    "postgresql": ("default", ["golden-postgresql.json", "golden.json"], []),
}
CASES = {
    (profile, name): function
    for profile, (cases, _, _) in PROFILES.items()
    if profile != "postgresql" or not harness.REFERENCE
    for name, function in runner.load_cases(HERE / "cases", cases).items()
}
DELIBERATE = runner.read_deliberate(HERE / "deliberate.txt")


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """One server per profile, started when its first case is played."""
    started = {}
    databases = []

    def get(profile):
        if profile not in started:
            flags = PROFILES[profile][2]
            if profile == "postgresql":
                databases.append(PostgresServer(fsync=False))
                databases[0].start()
                flags = ["--backend-store-uri",
                         databases[0].make_database("conformance")]
            started[profile] = harness.Server(
                tmp_path_factory.mktemp(profile), *flags)
            started[profile].start()
        return started[profile]

    yield get
    for server in started.values():
        server.kill()
    for database in databases:
        database.close()


@functools.cache
def golden(profile):
    answers = {}
    for name in reversed(PROFILES[profile][1]):
        answers |= json.loads((HERE / name).read_text())["cases"]
    return answers


@pytest.mark.parametrize(("profile", "name"), CASES,
                         ids=[f"{profile}-{name}" if profile == "postgresql"
                              else name
                              for profile, name in CASES])
def test_answers_like_the_reference(profile, name, servers):
    server = servers(profile)
    steps = runner.play(server.url, name, CASES[profile, name])
    result = runner.compare(name, golden(profile)[name], steps)
    assert server.is_running()
    # 501 is an answer: not with this kind of storage.
    broken = [s for s in steps if s["status"] < 0 or s["status"] >= 500
              and s["status"] != 501 and name in DELIBERATE]
    assert not broken
    if name in DELIBERATE and not harness.REFERENCE:
        assert not result.passed, "no longer differs: unlist it"
        pytest.xfail(DELIBERATE[name])
    assert result.passed, "\n".join(map(str, result.differences))


def test_every_deliberate_difference_is_a_case():
    assert set(DELIBERATE) <= {name for _, name in CASES}
