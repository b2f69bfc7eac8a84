"""Agreements outlive the content that was carried under them: 45 CFR 164.316(b)(2)(i), six years."""

from datetime import UTC, datetime, timedelta

from activities.baa import Accepted
from gateway.settings import Settings
from gateway.tenancy import KeyMode, Principal
from storage import Storage
from storage.onboarding import terminate_agreement
from storage.retention import last_purges
from tests.activities.agreements import accept, activities_of, make_seal
from tests.activities.conftest import SetClock
from tests.conftest import Database
from tests.storage.past import left, made_at, purged, usable_days
from tests.tenants import make_tenant

DAY = timedelta(days=1)
START = datetime(2026, 11, 22, 12, tzinfo=UTC)


async def test_an_agreement_opens_six_years_after_all_content_was_destroyed(
    settings: Settings, database: Database
) -> None:
    clock = SetClock(START)
    make_seal(settings, START)
    storage = await Storage.open(settings, clock=clock)
    tenant = await make_tenant(storage, agreement=False)
    accepted = await accept(storage, tenant.org)
    activities, task = activities_of(storage, settings), Accepted(tenant.org, accepted.id)
    await activities.make_document(task)
    await activities.activate(task)
    await made_at(storage, tenant, START)
    await terminate_agreement(storage, tenant.org, notice=timedelta(), grace_days=30)

    await purged(storage, tenant, START + 40 * DAY)
    purges = await last_purges(storage.pool, tenant.org, limit=5)
    await storage.close()
    clock.advance((6 * 366 + 40) * DAY)
    # Another process, which has no key in memory.
    later = await Storage.open(settings, clock=clock)
    async with later.read(Principal(tenant.org, None, frozenset(), KeyMode.LIVE)) as view:
        signed = await view.agreements.get(accepted.id)
        affirmation = await view.agreements.affirmation(accepted.id)
        document = await view.agreements.document(accepted.id)
    await later.close()

    assert (left(database, tenant), usable_days(database, tenant), len(purges)) == ([], [], 1)
    assert signed.signer.name == affirmation.signatory.name == "A. Signer"
    assert document.startswith(b"%PDF-")
