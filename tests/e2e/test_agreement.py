"""A customer signs by itself, and can prove it to a stranger."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp

from cli.embedded.home import Home
from tests.running_stack import RunningStack

BAA = "/v1/compliance/baa"
CALL = {"message": "Hello", "stream": False}
SIGNER = {
    "name": "Anna Müller",
    "title": "Chief Privacy Officer",
    "email": "anna.mueller@mercy.example",
    "organization_name": "Mercy General Hospital",
}


async def get(stack: RunningStack, http: aiohttp.ClientSession, key: str, path: str) -> Any:
    async with http.get(stack.base_url + path, headers={"x-api-key": key}) as answer:
        return (await answer.json())["data"]


async def post(stack: RunningStack, http: aiohttp.ClientSession, key: str, path: str, body: object) -> tuple[int, Any]:
    async with http.post(stack.base_url + path, json=body, headers={"x-api-key": key}) as answer:
        return answer.status, await answer.json()


async def accept(stack: RunningStack, http: aiohttp.ClientSession, key: str) -> tuple[int, Any]:
    offered = await get(stack, http, key, BAA)
    body = {
        "template_sha256": offered["template"]["sha256"],
        "token": offered["signing"]["token"],
        "consent_sha256": offered["signing"]["consent_sha256"],
        "authority": True,
        "signer": SIGNER,
    }
    return await post(stack, http, key, f"{BAA}/acceptances", body)


async def test_a_customer_accepts_calls_and_keeps_a_document_that_verifies_offline(
    running_stack: RunningStack, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    org = running_stack.hasp("org", "create", "--name", "Mercy").stdout.strip()
    scopes = ("--scope", "ai:chat", "--scope", "control:write")
    key = running_stack.hasp("key", "create", "--org", org, "--name", "first", *scopes).stdout.strip()

    status, accepted = await accept(running_stack, http, key)
    async with asyncio.timeout(60):
        while (await post(running_stack, http, key, "/v1/ai/chat", CALL))[0] != 200:  # noqa: ASYNC110 - no event of it here
            await asyncio.sleep(0.02)
    acceptance = accepted["data"]["id"]
    download = f"{running_stack.base_url}{BAA}/acceptances/{acceptance}/download"
    async with http.get(download, headers={"x-api-key": key}) as answer:
        document = await answer.read()
    file, changed = tmp_path / "agreement.pdf", tmp_path / "changed.pdf"
    file.write_bytes(document)
    changed.write_bytes(document.replace(b"Mercy", b"Merci") if b"Mercy" in document else document[:-1])
    certificate = str(Home(running_stack.home).secrets / "baa-seal.cert.pem")

    honest = running_stack.hasp("baa", "verify", str(file), "--certificate", certificate)
    tampered = running_stack.hasp("baa", "verify", str(changed), "--certificate", certificate)

    assert status == 202
    assert (honest.returncode, "Operator of this machine" in honest.stdout) == (0, True)
    assert tampered.returncode == 1
