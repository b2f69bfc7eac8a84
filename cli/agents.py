"""`hasp agent`: agents of any organisation, for operators."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.admin import OrgOption, organization, with_storage
from cli.failure import CommandError
from gateway.agents.agent import Agent, AgentStatus
from gateway.ids import AgentId, find_ulid
from gateway.paging import MAX_LIMIT
from gateway.tenancy import KeyMode, Principal

if TYPE_CHECKING:
    from storage import Storage

app = typer.Typer(help="Agents.", no_args_is_help=True)

AgentArgument = Annotated[str, typer.Argument(metavar="AGENT", help="The agent's id.")]


@app.command("list")
def list_agents(
    org: OrgOption,
    every: Annotated[bool, typer.Option("--all", help="Archived ones too.")] = False,
) -> None:
    """Print each agent that is active as one line of JSON, newest first."""
    principal = Principal(organization(org), None, frozenset(), KeyMode.LIVE)

    async def show(storage: "Storage") -> None:
        from gateway.audit import AuditAction

        async with storage.as_operator(principal.org, command="agent.list") as tx:
            await tx.organization.get()
            tx.audit(AuditAction.AGENT_LISTED, entity_type="organization", entity_id=principal.org)
        status, cursor = None if every else AgentStatus.ACTIVE, None
        while True:
            async with storage.read(principal) as view:
                page = await view.agents.page(status=status, cursor=cursor, limit=MAX_LIMIT, now=datetime.now(UTC))
            for agent in page.items:
                print(json.dumps(_shown(agent)))
            if (cursor := page.next_cursor) is None:
                return

    with_storage(show)


@app.command("archive")
def archive(agent: AgentArgument, org: OrgOption) -> None:
    """Refuse all credentials of an agent and those handed on from them, at once, and cut their calls.

    Prints what goes along as one line of JSON; `GET /v1/agents/cascades/{id}` tells how far it is.
    """
    agent_id, org_id = _agent_id(agent), organization(org)

    async def end(storage: "Storage") -> str:
        from storage.agents.revocation import archive

        async with storage.as_operator(org_id, command="agent.archive") as tx:
            archived, cascade = await archive(tx, agent_id)
        return json.dumps(
            {"id": archived.id, "cascade_id": cascade.id, "cascade_revoked_credential_ids": [*cascade.along]}
        )

    print(with_storage(end))


def _shown(agent: Agent) -> dict[str, object]:
    return {
        "id": agent.id,
        "name": agent.name,
        "owner": agent.owner,
        "status": agent.status.value,
        "allowed_models": agent.allowed_models,
        "credit_cap": agent.credit_cap,
        "credits_used": agent.credits_used,
        "created_at": agent.created_at.isoformat(),
        "archived_at": agent.archived_at.isoformat() if agent.archived_at else None,
    }


def _agent_id(given: str) -> AgentId:
    ulid = find_ulid(given)
    if ulid is None:
        raise CommandError("AGENT is not an agent's id; `hasp agent list` shows them")
    return AgentId(ulid)
