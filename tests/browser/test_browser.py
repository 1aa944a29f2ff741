"""MLflow's own UI in headless Chromium: every scenario of scenarios.mjs."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import harness

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 600


def walk(*arguments, environment=()):
    result = subprocess.run(
        ["node", "walk.mjs", *map(str, arguments)], cwd=HERE,
        env={**os.environ, **dict(environment)},
        capture_output=True, text=True, timeout=SECONDS)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


SCENARIOS = walk("--list") if (HERE / "node_modules").is_dir() else []


@pytest.fixture(scope="module")
def problems(tmp_path_factory, request):
    """What went wrong in each chosen scenario, all played in one browser."""
    chosen = [item.callspec.params["scenario"]
              for item in request.session.items
              if item.path == request.path and hasattr(item, "callspec")]
    return play(tmp_path_factory.mktemp("browser"), chosen)


def play(folder, chosen, environment=()):
    """Starts a server, fills it, and walks its UI: problems by scenario."""
    server = harness.Server(folder, environment=environment).start()
    try:
        seed = folder / "seed.json"
        seed.write_text(subprocess.run(
            [sys.executable, HERE / "seed.py", server.url], check=True,
            env={**os.environ, **dict(environment)},
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True).stdout)
        lines = walk(server.url, seed, folder, *chosen,
                     environment=environment)
        assert server.is_running(), server.log()
    finally:
        server.kill()
    found = {line["name"]: line["problems"] for line in map(json.loads, lines)}
    keep_screenshots(folder, [name for name in found if found[name]])
    return found


def keep_screenshots(folder, names):
    """Leaves pictures of what failed where a person finds them."""
    target = harness.ROOT / ".cache" / "browser-failures"
    shutil.rmtree(target, ignore_errors=True)
    for name in names:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / f"{name}.png", target)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario, problems):
    found = problems[scenario]
    assert not found, "\n".join(found)


def test_the_ui_works_behind_a_password(tmp_path):
    found = play(tmp_path, SCENARIOS[:3] + SCENARIOS[-1:], environment={
        "MLFLOW_TRACKING_USERNAME": "alice",
        "MLFLOW_TRACKING_PASSWORD": "a pass:word"})
    assert len(found) == 4
    assert not any(found.values()), found


def test_the_scenarios_are_known():
    assert SCENARIOS, "no npm packages here: run tools/setup"
