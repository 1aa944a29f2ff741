"""MLflow's own UI in headless Chromium: every scenario of scenarios.mjs."""

import json
import pathlib
import shutil
import subprocess
import sys

import pytest

import harness

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 600


def walk(*arguments):
    result = subprocess.run(
        ["node", "walk.mjs", *map(str, arguments)], cwd=HERE,
        capture_output=True, text=True, timeout=SECONDS)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


SCENARIOS = walk("--list") if (HERE / "node_modules").is_dir() else []


@pytest.fixture(scope="module")
def problems(tmp_path_factory, request):
    """What went wrong in each chosen scenario, all played in one browser."""
    folder = tmp_path_factory.mktemp("browser")
    server = harness.Server(folder).start()
    try:
        seed = folder / "seed.json"
        seed.write_text(subprocess.run(
            [sys.executable, HERE / "seed.py", server.url], check=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True).stdout)
        chosen = [item.callspec.params["scenario"]
                  for item in request.session.items
                  if item.path == request.path and hasattr(item, "callspec")]
        lines = walk(server.url, seed, folder, *chosen)
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


def test_the_scenarios_are_known():
    assert SCENARIOS, "no npm packages here: run tools/setup"
