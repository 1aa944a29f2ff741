"""The wheel: what is in it, and that it is typed."""

import importlib.metadata
import importlib.util
import pathlib
import subprocess
import sys

import millstream
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = pathlib.Path(millstream.__file__).parent


def test_the_wheel_is_of_this_tree():
    """tools/setup installs it; what is tested is what is here."""
    source = ROOT / "python" / "src" / "millstream"
    for path in source.rglob("*.py"):
        assert (PACKAGE / path.relative_to(source)).read_bytes() == (
            path.read_bytes()), path


def test_the_wheel_has_what_it_needs():
    assert (PACKAGE / "py.typed").exists()
    assert (PACKAGE / "api.binpb").exists()
    assert importlib.metadata.version("millstream") == millstream.__version__
    points = {(p.group, p.name) for p in
              importlib.metadata.distribution("millstream").entry_points}
    assert points == {("console_scripts", "millstream"),
                      ("mlflow.tracking_store", "millstream"),
                      ("mlflow.tracking_store", "millstreams"),
                      ("mlflow.model_registry_store", "millstream"),
                      ("mlflow.model_registry_store", "millstreams"),
                      ("mlflow.artifact_repository", "mlflow-artifacts")}


def test_without_mlflow_nothing_heavy_is_loaded():
    """Nor gRPC: that is the sender's."""
    program = ("import sys, millstream; millstream.Client('host'); print([m "
               "for m in ('grpc', 'mlflow', 'numpy', 'asyncio') "
               "if m in sys.modules])")
    result = subprocess.run([sys.executable, "-c", program], text=True,
                            capture_output=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None,
                    reason="in the other environment")
def test_types_are_consistent():
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir=/dev/null"],
        cwd=ROOT / "python", capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
