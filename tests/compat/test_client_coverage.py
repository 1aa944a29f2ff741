"""Holds these tests to using every method of the tracking and registry API."""

import ast
import pathlib

import mlflow
import pytest

pytestmark = pytest.mark.needs_3

# Areas of MlflowClient that the server does not serve yet.
OTHER_AREAS = ("trace", "span", "webhook", "dataset", "workspace", "mcp")
# Refused by the client itself unless the registry is Databricks'.
OF_OTHER_SERVERS = {"search_prompt_versions"}


def test_every_client_method_is_used():
    used = {
        node.func.attr
        for path in pathlib.Path(__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    methods = {
        name for name in dir(mlflow.MlflowClient)
        if not name.startswith("_")
        and callable(getattr(mlflow.MlflowClient, name))
        and not any(area in name for area in OTHER_AREAS)
    }
    assert methods - used == OF_OTHER_SERVERS
