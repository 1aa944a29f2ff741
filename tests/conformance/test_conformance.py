"""Every conformance case, played against the server under test."""

import functools
import json
import pathlib

import pytest

import harness
import runner

HERE = pathlib.Path(__file__).resolve().parent
# Cases, answers of the reference, and flags.
PROFILES = {
    "default": ("default", "golden.json", []),
    "static_prefix": ("static_prefix", "golden-static_prefix.json",
                      ["--static-prefix", "/mlf"]),
}
# On these the reference answers some cases otherwise.
OF_DATABASE = HERE / f"golden-{harness.BACKEND}.json"
CASES = {
    (profile, name): function
    for profile, (cases, _, _) in PROFILES.items()
    for name, function in runner.load_cases(HERE / "cases", cases).items()
}
DELIBERATE = runner.read_deliberate(HERE / "deliberate.txt")


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """One server per profile, started when its first case is played."""
    started = {}

    def get(profile):
        if profile not in started:
            started[profile] = harness.Server(
                tmp_path_factory.mktemp(profile), *PROFILES[profile][2])
            started[profile].start()
        return started[profile]

    yield get
    for server in started.values():
        server.kill()


@functools.cache
def golden(profile):
    answers = json.loads((HERE / PROFILES[profile][1]).read_text())["cases"]
    if OF_DATABASE.exists():
        answers |= json.loads(OF_DATABASE.read_text())["cases"]
    return answers


@pytest.mark.parametrize(("profile", "name"), CASES,
                         ids=[name for _, name in CASES])
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
