"""What agents' calls leave in the database: accounts, counts of tools, and when a credential was used."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.agents.grants import ExternalToolInvoke
from gateway.agents.scope import ToolRateLimitedError
from gateway.audit import AuditAction
from gateway.completion import Completion
from gateway.conversation import Tool, ToolUse
from gateway.errors import CreditsExhaustedError
from gateway.ids import AgentId
from gateway.inference.call import Call, Outcome
from gateway.settings import Settings
from storage import Storage
from storage.agents.tool_uses import forget_tool_uses
from storage.pool import fetch
from tests.activities.conftest import SetClock
from tests.agents import MadeCredential, make_agent, make_credential
from tests.tenants import HAIKU, Tenant, make_call, make_outcome, make_tenant

FIND_SLOT = ExternalToolInvoke("find_slot", 3)


async def asked(storage: Storage, token: str, *, at: datetime | None = None) -> Call:
    """A call that offers the tool."""
    call = make_call(await storage.access.resolve(token), at=at)
    return replace(call, conversation=replace(call.conversation, tools=(Tool("find_slot", {}),)))


async def fits(storage: Storage, token: str, amount: int) -> bool:
    try:
        await storage.journal.open(await asked(storage, token), HAIKU, amount)
    except CreditsExhaustedError:
        return False
    return True


def using(outcome: Outcome, *tools: str) -> Outcome:
    blocks = tuple(ToolUse(f"toolu_{place}", name, {}) for place, name in enumerate(tools))
    assert isinstance(outcome.completion, Completion)
    return replace(outcome, completion=replace(outcome.completion, blocks=blocks))


async def counted(storage: Storage, tenant: Tenant) -> dict[tuple[str, str], int]:
    query = "select credential_id, tool_id, count from agent_tool_uses where org_id = %s"
    rows = await fetch(storage.pool, query, [tenant.org])
    return {(credential, tool): count for credential, tool, count in rows}


async def change_cap(storage: Storage, tenant: Tenant, agent: AgentId, cap: int | None) -> None:
    async with storage.as_operator(tenant.org, command="test") as tx:
        await tx.agents.change(agent, {"credit_cap": cap})
        tx.audit(AuditAction.AGENT_UPDATED, entity_type="agent", entity_id=agent)


async def chain(storage: Storage) -> tuple[Tenant, MadeCredential, MadeCredential]:
    tenant = await make_tenant(storage)
    parent = await make_credential(storage, tenant.org, grants=(FIND_SLOT,))
    return tenant, parent, await make_credential(storage, tenant.org, parent=parent, grants=(FIND_SLOT,))


async def test_credentials_of_an_agent_share_its_credits_and_changes_of_its_cap_hold_at_once(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    agent = await make_agent(storage, tenant.org, credit_cap=100)
    one, other = [(await make_credential(storage, tenant.org, agent)).token for _ in range(2)]

    assert await fits(storage, one, 60)
    assert not await fits(storage, other, 60)
    assert await fits(storage, tenant.token, 60)
    await change_cap(storage, tenant, agent, 120)
    assert await fits(storage, other, 60)
    await change_cap(storage, tenant, agent, None)
    assert await fits(storage, other, 6_000)


async def test_uses_count_for_every_credential_of_the_chain_once(storage: Storage) -> None:
    tenant, parent, child = await chain(storage)
    call = await asked(storage, child.token)
    await storage.journal.open(call, HAIKU, 100)
    outcome = using(make_outcome(call), "find_slot", "find_slot", "delete_slot")

    await storage.journal.close(outcome)
    await storage.journal.close(outcome)

    assert await counted(storage, tenant) == {(parent.id, "find_slot"): 2, (child.id, "find_slot"): 2}


async def test_a_tool_that_is_used_up_is_there_again_in_the_next_hour(storage: Storage) -> None:
    _, parent, child = await chain(storage)
    for token in (parent.token, child.token):
        call = await asked(storage, token)
        await storage.journal.open(call, HAIKU, 100)
        await storage.journal.close(using(make_outcome(call), "find_slot", "find_slot"))

    with pytest.raises(ToolRateLimitedError) as raised:
        await storage.journal.open(await asked(storage, child.token), HAIKU, 100)

    wait = timedelta(seconds=raised.value.retry_after_s or 0)
    assert timedelta(0) < wait <= timedelta(hours=1)
    later = datetime.now(UTC) + wait + timedelta(seconds=1)
    await storage.journal.open(await asked(storage, child.token, at=later), HAIKU, 100)


async def test_counts_are_forgotten_a_day_later(storage: Storage) -> None:
    tenant, _, child = await chain(storage)
    call = await asked(storage, child.token)
    await storage.journal.open(call, HAIKU, 100)
    await storage.journal.close(using(make_outcome(call), "find_slot"))

    await forget_tool_uses(storage.pool, storage.clock)
    kept = await counted(storage, tenant)
    await forget_tool_uses(storage.pool, SetClock(datetime.now(UTC) + timedelta(days=2)))

    assert (len(kept), await counted(storage, tenant)) == (2, {})


async def test_when_a_credential_was_last_used_is_noted(settings: Settings, storage: Storage) -> None:
    tenant = await make_tenant(storage)
    credential = await make_credential(storage, tenant.org)
    process = await Storage.open(settings)

    await process.access.resolve(credential.token)
    await process.close()

    query = "select last_used_at is not null from agent_credentials where id = %s"
    assert await fetch(storage.pool, query, [credential.id]) == [(True,)]
