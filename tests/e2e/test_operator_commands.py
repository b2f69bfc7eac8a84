"""An operator's way to a first customer, by the command line alone."""

import json
from pathlib import Path

import aiohttp
import pytest

from gateway.ids import new_ulid
from tests.running_stack import RunningStack

SIGNER = (
    "--signer-name",
    "A. Signer",
    "--signer-title",
    "Privacy officer",
    "--signer-email",
    "privacy@hospital.example",
)


async def ask(stack: RunningStack, http: aiohttp.ClientSession, key: str) -> tuple[int, dict[str, str]]:
    body = {"model": "claude-haiku-4-5", "max_tokens": 16, "messages": [{"role": "user", "content": "Hello"}]}
    async with http.post(f"{stack.base_url}/v1/messages", json=body, headers={"x-api-key": key}) as answer:
        return answer.status, dict(answer.headers)


async def test_an_organisation_calls_once_its_agreement_is_accepted(
    running_stack: RunningStack, http: aiohttp.ClientSession
) -> None:
    org = running_stack.hasp("org", "create", "--name", "Hospital").stdout.strip()
    key = running_stack.hasp("key", "create", "--org", org, "--name", "first").stdout.strip()
    before, headers = await ask(running_stack, http, key)

    accepted = running_stack.hasp("baa", "accept", "--org", org, *SIGNER)
    after, _ = await ask(running_stack, http, key)

    assert (before, headers["x-should-retry"]) == (402, "false")
    assert accepted.returncode == 0
    assert after == 200


async def test_a_policy_set_by_the_operator_is_followed(
    running_stack: RunningStack, http: aiohttp.ClientSession
) -> None:
    org = running_stack.hasp("org", "create", "--name", "Strict").stdout.strip()
    key = running_stack.hasp("key", "create", "--org", org, "--name", "first").stdout.strip()
    running_stack.hasp("baa", "accept", "--org", org, *SIGNER)

    running_stack.hasp("org", "policy", "--org", org, "--phi-mode", "block")

    body = {"message": "Patient SSN 219-09-4437", "stream": False}
    async with http.post(f"{running_stack.base_url}/v1/ai/chat", json=body, headers={"x-api-key": key}) as answer:
        error = (await answer.json())["error"]
    assert (answer.status, error["code"], error["details"]["entity_types"]) == (403, "PHI_BLOCKED", ["US_SSN"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("key", "create", "--org", new_ulid(), "--name", "x"),
        ("key", "create", "--org", "not-an-id", "--name", "x"),
        ("baa", "accept", "--org", new_ulid(), *SIGNER),
        ("org", "policy", "--org", new_ulid(), "--opus"),
        ("org", "policy", "--org", new_ulid()),
        ("org", "policy", "--org", new_ulid(), "--phi-mode", "allow"),
        ("org", "policy", "--org", new_ulid(), "--premium-model", "Zachary Quillfeather"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(running_stack: RunningStack, arguments: tuple[str, ...]) -> None:
    answer = running_stack.hasp(*arguments)

    assert answer.returncode == 1
    assert answer.stderr.startswith("hasp: ")
    assert answer.stderr.count("\n") == 1


def test_every_command_explains_itself(running_stack: RunningStack) -> None:
    commands = ("up", "down", "api", "worker", "migrate", "org create", "key create", "baa accept", "audit verify")

    for command in commands:
        assert running_stack.hasp(*command.split(), "--help").returncode == 0, command


def test_the_demo_file_is_private_and_complete(running_stack: RunningStack) -> None:
    file: Path = running_stack.home / "demo.json"

    assert file.stat().st_mode & 0o077 == 0
    assert set(json.loads(file.read_text())) == {"base_url", "api_key", "organization_id", "temporal_ui_url"}
