"""Steps of chats in the background, made twice as after a worker that died before it could tell."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.chat_run import ChatRun, ChatRunActivities, RunRound, RunUse
from gateway.catalog import shipped_catalog
from gateway.clock import SystemClock
from gateway.limits.limiter import Limiter
from gateway.limits.tiers import read_tiers
from gateway.settings import Settings
from gateway.tenancy import PhiMode
from storage import Storage
from storage.onboarding import change_policy
from storage.pool import fetch
from tests.tenants import make_tenant
from tests.upstream import SandboxServer
from tests.worker.test_chat_runs import ask
from worker.inference import WorkerInference

PATIENT = "[[sandbox: tool=calculator]] Patient Ottilie Vandersloot, MRN 88231407"


@pytest_asyncio.fixture
async def steps(
    storage: Storage, settings: Settings, sandbox_server: SandboxServer
) -> AsyncIterator[ChatRunActivities]:
    clock = SystemClock()
    changed = settings.model_copy(update={"sandbox_url": sandbox_server.url, "phi_scanners": 1})
    inference = WorkerInference(changed, storage, shipped_catalog(), clock)
    limiter = Limiter(read_tiers(None), storage.rate_buckets, clock)
    yield ChatRunActivities(storage, limiter, inference, inference.toolbox)
    await inference.close()


async def test_phi_for_a_tool_ends_a_run_however_often_its_step_is_made(
    storage: Storage, steps: ChatRunActivities
) -> None:
    tenant = await make_tenant(storage, phi_retrieval_behavior=PhiMode.BLOCK)
    run = ChatRun(tenant.org, await ask(storage, tenant, PATIENT))
    await ActivityEnvironment().run(steps.begin, run)
    made = await ActivityEnvironment().run(steps.round, RunRound(run, 0))
    refused: list[ApplicationError] = []
    for _ in range(2):
        with pytest.raises(ApplicationError) as failure:
            await ActivityEnvironment().run(steps.tool, RunUse(run, 0, 0))
        refused.append(failure.value)
        # What ended a run stays its end, whatever the policy says by then.
        await change_policy(storage, tenant.org, {"phi_retrieval_behavior": PhiMode.REDACT})

    assert made.uses == 1
    assert [(each.type, each.non_retryable) for each in refused] == [("RETRIEVAL_PHI_BLOCKED", True)] * 2
    assert "Vandersloot" not in str(refused)
    records = await fetch(
        storage.pool,
        "select status, error_code from inferences where org_id = %s and model = 'tool:calculator'",
        [tenant.org],
    )
    assert records == [("blocked", "RETRIEVAL_PHI_BLOCKED")]
