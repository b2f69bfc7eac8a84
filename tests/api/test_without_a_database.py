"""The API with its database gone: it starts, says so, and lets nothing through."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from gateway.settings import Settings
from storage.keyring import create_keyring
from tests.embedded import free_port
from tests.gateway_server import serve

PATHS = ("/v1/messages", "/v1/ai/chat", "/v1/api_keys")


async def test_no_database_no_answer(tmp_path: Path) -> None:
    keyring = tmp_path / "keyring.json"
    create_keyring(keyring)
    settings = Settings(
        database_url=f"postgresql://hasp_app:x@127.0.0.1:{free_port()}/none",  # pyright: ignore[reportArgumentType]
        keyring_file=keyring,
    )
    key = {"x-api-key": "hasp_key_live_" + "2" * 32}

    with serve(settings) as url:
        async with aiohttp.ClientSession(url) as session:
            async with session.get("/livez") as alive:
                assert alive.status == 200
            async with session.get("/readyz") as ready:
                assert ready.status == 503
                assert await ready.json() == {
                    "status": "unavailable",
                    "dependencies": {"database": "down", "access_channel": "down", "clock": "up", "phi_scanner": "up"},
                }
            # Neither a key that may exist nor one that cannot: a refusal that is not audited is not told.
            asked = [(path, headers) for path in PATHS for headers in (key, {})]
            refused = await asyncio.gather(*(_refused(session, path, headers) for path, headers in asked))
    assert refused == [(path, 503, "INFERENCE_UNAVAILABLE") for path, _ in asked]


async def _refused(session: aiohttp.ClientSession, path: str, headers: Mapping[str, str]) -> tuple[str, int, str]:
    async with session.post(path, json={}, headers=headers) as answer:
        return path, answer.status, (await answer.json())["error"]["code"]
