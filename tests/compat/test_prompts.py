"""The prompt registry (registered models with a tag) of MLflow 3."""

import json

import mlflow
import pytest
from mlflow.exceptions import MlflowException

pytestmark = pytest.mark.needs_3


@pytest.fixture
def prompt(client, unique):
    name = unique("prompt")
    client.register_prompt(name, "Hello {{who}}", commit_message="first",
                           tags={"lang": "en"})
    return name


def test_registered_prompt_is_loaded_and_formatted(client, prompt):
    assert client.register_prompt(prompt, "Hi {{who}}!").version == 2
    assert client.load_prompt(prompt, 1).template == "Hello {{who}}"
    newest = client.load_prompt(f"prompts:/{prompt}/2")
    assert newest.format(who="you") == "Hi you!"
    assert mlflow.genai.load_prompt(prompt, version=1).commit_message == (
        "first")
    assert client.load_prompt(prompt, 9, allow_missing=True) is None
    assert client.parse_prompt_uri(f"prompts:/{prompt}/2") == (prompt, "2")


def test_chat_prompt(client, unique):
    messages = [{"role": "system", "content": "Be {{mood}}."},
                {"role": "user", "content": "{{question}}"}]
    client.register_prompt(unique(), messages)
    assert client.load_prompt(unique(), 1).template == messages


def test_prompt_aliases(client, prompt):
    client.register_prompt(prompt, "second")
    client.set_prompt_alias(prompt, "production", 2)
    assert client.load_prompt(f"prompts:/{prompt}@production").version == 2
    assert client.get_prompt_version_by_alias(
        prompt, "production").template == "second"
    client.delete_prompt_alias(prompt, "production")
    with pytest.raises(MlflowException):
        client.get_prompt_version_by_alias(prompt, "production")


def test_prompt_tags(client, prompt):
    client.set_prompt_tag(prompt, "owner", "team")
    client.set_prompt_tag(prompt, "gone", "x")
    client.delete_prompt_tag(prompt, "gone")
    tags = client.get_prompt(prompt).tags
    assert tags["owner"] == "team" and "gone" not in tags
    client.set_prompt_version_tag(prompt, 1, "k", "v")
    client.set_prompt_version_tag(prompt, 1, "gone", "v")
    client.delete_prompt_version_tag(prompt, 1, "gone")
    tags = client.get_prompt_version(prompt, 1).tags
    assert tags["k"] == "v" and "gone" not in tags


def test_prompts_are_not_models(client, prompt):
    assert prompt in {p.name for p in client.search_prompts(
        f"name = '{prompt}'")}
    assert prompt not in {m.name for m in client.search_registered_models(
        f"name = '{prompt}'")}


def test_versions_made_and_deleted_one_by_one(client, unique):
    client.create_prompt(unique(), description="d", tags={"a": "b"})
    for text in "one {{x}}", "two":
        client.create_prompt_version(unique(), text, description=text)
    client.delete_prompt_version(unique(), "1")
    assert client.get_prompt_version(unique(), 2).template == "two"
    client.delete_prompt_version(unique(), "2")
    client.delete_prompt(unique())
    assert client.get_prompt(unique()) is None


def test_prompts_of_a_run(client, prompt, run_id):
    client.link_prompt_version_to_run(run_id, f"prompts:/{prompt}/1")
    linked = json.loads(client.get_run(run_id).data.tags[
        "mlflow.linkedPrompts"])
    assert linked == [{"name": prompt, "version": "1"}]


def test_prompts_of_a_run_in_the_older_way(client, prompt, run_id):
    client.set_prompt_version_tag(
        prompt, 1, "mlflow.prompt.associatedRunIds", run_id)
    logged, = client.list_logged_prompts(run_id)
    assert (logged.name, logged.version) == (prompt, 1)
    client.detach_prompt_from_run(run_id, f"prompts:/{prompt}/1")
    assert client.list_logged_prompts(run_id) == []


def test_prompts_of_a_model(client, prompt, experiment_id):
    model = client.create_logged_model(experiment_id)
    client.link_prompt_version_to_model(prompt, "1", model.model_id)
    linked = client.get_logged_model(model.model_id).tags
    assert prompt in linked["mlflow.linkedPrompts"]
