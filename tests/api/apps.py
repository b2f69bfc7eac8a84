"""Apps and workflows as tests make and ask them, over real HTTP."""

from itertools import count
from typing import Any

from gateway.tenancy import Scope
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import Tenant, make_tenant

HAIKU = "claude-haiku-4-5"
NOTE = {"variable_name": "note", "required": True}
APP: dict[str, Any] = {
    "name": "Summary",
    "default_model": HAIKU,
    "user_inputs": [NOTE],
    "prompt_sections": [{"body": "Summarize: {{inputs.note}}"}],
}
WORKFLOW: dict[str, Any] = {
    "name": "Referral",
    "default_model": HAIKU,
    "user_inputs": [NOTE],
    "steps": [
        {"id": "facts", "prompt_sections": [{"body": "Facts of {{inputs.note}}"}]},
        {"id": "letter", "prompt_sections": [{"body": "A letter of {{steps.facts.output}}"}]},
    ],
    "dependencies": [{"step_id": "letter", "depends_on": ["facts"]}],
}
ALL = (Scope.AI_CHAT, Scope.CONTROL_READ, Scope.CONTROL_WRITE)


_MADE = count()


def make_marker() -> str:
    """A word that no other test says, and that is nothing to the guard: ids with digits may be somebody's."""
    return "tag" + "".join(chr(ord("a") + int(digit)) for digit in f"{next(_MADE):04d}")


class Desk:
    """An organisation's key, and what it asks of apps."""

    def __init__(self, server: GatewayServer, tenant: Tenant) -> None:
        self.server, self.tenant = server, tenant

    async def send(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        sent = {"x-api-key": self.tenant.token, **headers}
        return await self.server.request(method, f"/v1{path}", body, key=None, headers=sent)

    async def make(self, body: dict[str, Any] = APP, **fields: Any) -> str:
        made = await self.send("POST", "/app", body | fields)
        assert made.status == 201, made.body
        return made.json()["id"]

    async def names(self, query: str = "") -> list[str]:
        return [each["name"] for each in (await self.send("GET", f"/app/list{query}")).json()["data"]]


async def make_desk(server: GatewayServer, *, scopes: tuple[Scope, ...] = ALL, **tenant: Any) -> Desk:
    return Desk(server, await make_tenant(server.storage, scopes=scopes, **tenant))
