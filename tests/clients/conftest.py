from collections.abc import Callable
from pathlib import Path

import pytest
import pytest_asyncio

from storage import Storage
from tests.clients import installing
from tests.clients.installing import AbsentError, Interpreter
from tests.clients.outcomes import Outcomes, note
from tests.running_stack import RunningStack
from tests.tenants import make_tenant
from tests.upstream import SandboxServer

INSTALLING_S = 400

Run = Callable[[Interpreter, str, str], Outcomes]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test waits for what it installs."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(INSTALLING_S))


@pytest.fixture(scope="session")
def node() -> Interpreter:
    return _installed(installing.javascript)


@pytest.fixture(scope="session")
def python() -> Interpreter:
    return _installed(installing.langchain)


def _installed(install: Callable[[], Interpreter]) -> Interpreter:
    try:
        return install()
    except AbsentError as absent:
        pytest.skip(str(absent))


@pytest.fixture(scope="session")
def upstream(running_stack: RunningStack) -> SandboxServer:
    """The stack's own sandbox, which is every provider to it."""
    return SandboxServer(running_stack.sandbox_url)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def facts(running_stack: RunningStack, stored: Storage) -> dict[str, str]:
    """What a program is told: where things are, and keys that lead to an answer and to refusals."""
    signed = await make_tenant(stored, allotment=1_000_000_000)
    unsigned = await make_tenant(stored, agreement=False)
    return {
        "base_url": running_stack.base_url,
        "sandbox_url": running_stack.sandbox_url,
        "key": signed.token,
        "unsigned_key": unsigned.token,
        "unknown_key": "hasp_key_live_" + "2" * 32,
    }


@pytest.fixture(scope="session")
def run(facts: dict[str, str], upstream: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a program, under a client's name, in an empty home."""

    def run(interpreter: Interpreter, program: str, client: str) -> Outcomes:
        upstream.clear()
        by_scenario = interpreter.run(program, facts | {"note": note(client)}, tmp_path_factory.mktemp(client))
        return Outcomes(client, by_scenario, tuple(request["body"] for request in upstream.requests()))

    return run
