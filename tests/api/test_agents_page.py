"""The worked example of docs/agents.md, run as it stands on the page against a real gateway."""

import asyncio
import os
import re
import sys
from pathlib import Path

from gateway.tenancy import Scope
from tests.gateway_server import GatewayServer
from tests.tenants import make_tenant

PAGE = Path(__file__).parents[2] / "docs" / "agents.md"


def example() -> str:
    found = re.search(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


async def test_an_agent_goes_from_registration_to_cascade_as_the_page_says(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, scopes=[Scope.CONTROL_READ, Scope.CONTROL_WRITE])
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    shell = await asyncio.create_subprocess_exec(
        "sh",
        "-euc",
        example(),
        env={"PATH": path, "HASP": gateway_server.url, "HASP_KEY": tenant.token},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaints = await shell.communicate()

    assert shell.returncode == 0, complaints.decode()
    answer, *told = said.decode().splitlines()
    assert '"type":"message"' in answer
    assert told == ["TOOL_NOT_IN_SCOPE", "j.reyes", "false", "running"]
