import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer

from tests.embedded import free_port
from worker import health


async def _up() -> bool:
    return True


async def _down() -> bool:
    return False


async def test_a_worker_with_all_it_needs_is_ready() -> None:
    async with TestClient(TestServer(health.application({"database": _up, "temporal": _up}))) as client:
        response = await client.get("/readyz")

        assert response.status == 200
        assert await response.json() == {"status": "ready", "dependencies": {"database": "up", "temporal": "up"}}


async def test_a_worker_that_lacks_something_names_it_and_lives() -> None:
    async with TestClient(TestServer(health.application({"database": _up, "temporal": _down}))) as client:
        ready, live = await client.get("/readyz"), await client.get("/livez")

        assert ready.status == 503
        assert (await ready.json())["dependencies"] == {"database": "up", "temporal": "down"}
        assert live.status == 200


async def test_port_0_serves_nothing() -> None:
    async with health.serving(0, {"database": _down}):
        pass


async def test_a_taken_port_is_an_error() -> None:
    port = free_port()
    async with health.serving(port, {"database": _up}), ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/readyz") as response:
            assert response.status == 200
        with pytest.raises(OSError, match="address already in use"):
            async with health.serving(port, {"database": _up}):
                pass
