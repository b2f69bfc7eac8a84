"""Chats in the background of a worker process that is killed over them: another goes on, nothing is paid for twice."""

import asyncio
from collections.abc import Sequence

from temporalio.client import Client

from gateway.audit import AuditAction
from gateway.conversation import Conversation, Sampling, Text, Turn
from gateway.events import Event, EventType
from gateway.harness.background import Run, RunRequest, RunState
from gateway.harness.run import offered
from gateway.harness.tools.calculator import Calculator
from gateway.harness.tools.terms import Terms
from gateway.ids import RunId, new_ulid
from gateway.settings import Settings
from gateway.tenancy import PhiMode
from storage import Storage
from storage.onboarding import change_policy
from storage.pool import fetch
from tests.tenants import HAIKU, Tenant, make_tenant
from tests.upstream import SandboxServer
from tests.worker.conftest import worker_process

CALCULATE = "[[sandbox: tool=calculator; words=6*7]]"


async def ask(storage: Storage, tenant: Tenant, text: str) -> RunId:
    """A chat with a calculator, asked for as the API does."""
    access, run = await storage.access.resolve(tenant.token), RunId(new_ulid())
    asked = Conversation(
        turns=(Turn("user", (Text(text),)),),
        sampling=Sampling(max_tokens=400),
        tools=(offered(Calculator(Terms(0, 5))),),
    )
    async with storage.begin(access.principal) as tx:
        await tx.chat_runs.open_run(run, access, RunRequest.of(HAIKU.id, asked, (), None))
        tx.audit(AuditAction.CHAT_RUN_REQUESTED, entity_type="chat_run", entity_id=run)
        tx.tell(Event(EventType.CHAT_RUN_REQUESTED, {"run_id": run}))
    return run


async def found(storage: Storage, tenant: Tenant, run: RunId) -> Run:
    access = await storage.access.resolve(tenant.token)
    async with storage.read(access.principal) as tx:
        return await tx.chat_runs.get(run, access)


async def ended(storage: Storage, tenant: Tenant, run: RunId) -> Run:
    while (seen := await found(storage, tenant, run)).state.is_open:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.2)
    return seen


async def paid(storage: Storage, tenant: Tenant) -> Sequence[tuple[str, int]]:
    return await fetch(
        storage.pool, "select model, credits from usage_records where org_id = %s order by created_at", [tenant.org]
    )


async def test_a_chat_whose_worker_is_killed_over_a_round_is_done_by_another(
    storage: Storage, worker_settings: Settings, upkeep: Client, sandbox_server: SandboxServer
) -> None:
    assert upkeep
    tenant, marker = await make_tenant(storage), new_ulid()
    settings = worker_settings.model_copy(
        update={"sandbox_url": sandbox_server.url, "phi_scanners": 1, "tool_surcharges": {"calculator": 9}}
    )
    run = await ask(storage, tenant, f"[[sandbox: first_delay_ms=1500]]{CALCULATE} {marker}")

    async with worker_process(settings) as worker:
        while not any(marker in str(each["body"]) for each in sandbox_server.requests()):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.05)
        worker.process.kill()
    async with worker_process(settings):
        done = await ended(storage, tenant, run)

    assert (done.state, done.said) == (RunState.COMPLETED, "Echo: 42")
    assert [use.status for use in done.uses] == ["completed"]
    bills = await paid(storage, tenant)
    assert [model for model, _ in bills] == [HAIKU.id, "tool:calculator", HAIKU.id]
    assert sum(charge for _, charge in bills) == sum(each.charge for each in done.rounds) + 9
    holds = await fetch(storage.pool, "select state from credit_holds where org_id = %s", [tenant.org])
    assert {state for (state,) in holds} == {"settled"}


async def test_a_tool_that_is_forbidden_while_a_chat_runs_is_not_run(
    storage: Storage, worker_settings: Settings, upkeep: Client, sandbox_server: SandboxServer
) -> None:
    assert upkeep
    tenant, marker = await make_tenant(storage), new_ulid()
    settings = worker_settings.model_copy(update={"sandbox_url": sandbox_server.url, "phi_scanners": 1})
    run = await ask(storage, tenant, f"[[sandbox: first_delay_ms=1500]]{CALCULATE} {marker}")

    async with worker_process(settings):
        while not any(marker in str(each["body"]) for each in sandbox_server.requests()):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.05)
        await change_policy(storage, tenant.org, {"allowed_tools": ()})
        done = await ended(storage, tenant, run)

    assert (done.state, done.said) == (RunState.COMPLETED, "Echo: There is no tool of that name.")
    assert [model for model, _ in await paid(storage, tenant)] == [HAIKU.id, HAIKU.id]


async def test_phi_for_a_tool_ends_a_chat_where_the_policy_says_so(
    storage: Storage, worker_settings: Settings, upkeep: Client, sandbox_server: SandboxServer
) -> None:
    assert upkeep
    tenant = await make_tenant(storage, phi_retrieval_behavior=PhiMode.BLOCK)
    settings = worker_settings.model_copy(update={"sandbox_url": sandbox_server.url, "phi_scanners": 1})
    run = await ask(storage, tenant, "[[sandbox: tool=calculator]] Patient Ottilie Vandersloot, MRN 88231407")

    async with worker_process(settings):
        done = await ended(storage, tenant, run)

    assert (done.state, done.error and done.error[0]) == (RunState.FAILED, "RETRIEVAL_PHI_BLOCKED")
    assert "Vandersloot" not in str(done.error)
    assert [(use.status, use.charge) for use in done.uses] == [("blocked", 0)]
