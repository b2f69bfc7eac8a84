"""Checkpoints: verified, signed, told once, and stamped when an authority answers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.audit_checkpoint import AuditCheckpointActivities, CheckedPage, CheckpointPage, StampedPage
from gateway.audit.checkpoints import checkpoint_digest
from gateway.audit.signing import is_signed, raw_public_key
from gateway.clock import SystemClock
from gateway.ids import PLATFORM
from gateway.timestamps.authority import TimeStampAuthority
from gateway.timestamps.stamps import Authorities, read_time_stamp
from storage import Storage, audit_checkpoints
from storage.audit_checkpoints import Latest
from storage.audit_keys import signing_key
from storage.sequencer import Sequencer
from tests.conftest import Database
from tests.tenants import Tenant, make_tenant
from tests.timestamp_authority import TimestampAuthority

CACERT_URL = "https://tsa.example/ca.pem"


@dataclass(slots=True)
class ServedAuthority:
    """A time-stamp authority over HTTP. `fault` is what it answers instead, if anything."""

    authority: TimestampAuthority
    fault: web.Response | None = None
    url: str = ""
    queries: list[bytes] = field(default_factory=list[bytes])

    async def answer(self, request: web.Request) -> web.Response:
        query = await request.read()
        self.queries.append(query)
        if self.fault is not None:
            return self.fault
        return web.Response(body=self.authority.answer(query), content_type="application/timestamp-reply")


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[ServedAuthority]:
    folder = tmp_path / "tsa"
    folder.mkdir()
    now = datetime.now(UTC)
    day = timedelta(days=1)
    authority = ServedAuthority(TimestampAuthority(folder, since=now - day, until=now + day))
    application = web.Application()
    application.router.add_post("/", authority.answer)
    async with TestServer(application) as server:
        authority.url = str(server.make_url("/"))
        yield authority


def authority_of(served: ServedAuthority) -> TimeStampAuthority:
    roots = Authorities.from_pem(served.authority.ca_file.read_bytes())
    return TimeStampAuthority(served.url, CACERT_URL, roots)


def activities(storage: Storage, authority: TimeStampAuthority | None = None) -> AuditCheckpointActivities:
    return AuditCheckpointActivities(storage.pool, SystemClock(), signing_key(storage.keyring.audit), authority)


async def check(storage: Storage) -> CheckedPage:
    return await ActivityEnvironment().run(activities(storage).checkpoint_page, CheckpointPage())


async def stamp(storage: Storage, served: ServedAuthority) -> StampedPage:
    return await ActivityEnvironment().run(
        activities(storage, authority_of(served)).stamp_page, CheckpointPage(after_org=PLATFORM)
    )


async def sealed_tenant(storage: Storage) -> Tenant:
    tenant = await make_tenant(storage)
    while await Sequencer(storage.pool, SystemClock(), signing_key(storage.keyring.audit)).seal():
        pass
    return tenant


async def latest(storage: Storage, tenant: Tenant) -> Latest:
    found = await audit_checkpoints.latest(storage.pool, tenant.org)
    assert found is not None
    return found


def told(database: Database, org: str) -> list[str]:
    with psycopg.connect(database.owner_url) as connection:
        rows = connection.execute("select type from outbox where org_id = %s order by id", [org]).fetchall()
    return [row[0] for row in rows if row[0].startswith("audit.")]


async def test_a_chain_that_grew_gets_a_signed_checkpoint_and_the_customer_hears_of_it(
    storage: Storage, database: Database
) -> None:
    tenant = await sealed_tenant(storage)

    first, again = await check(storage), await check(storage)

    made = (await latest(storage, tenant)).checkpoint
    key = signing_key(storage.keyring.audit)
    digest = checkpoint_digest(tenant.org, seq=made.seq, head=made.hash, at=made.at)
    # The platform's own chain has the publication of the key.
    assert (first.checkpoints, again.checkpoints, made.seq) == (2, 0, 1)
    assert is_signed(digest, made.signature, raw_public_key(key.public_key_pem))
    assert told(database, tenant.org) == ["audit.checkpoint"]


async def test_a_long_chain_is_checkpointed_on_the_way(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("storage.audit_checkpoints", "activities.audit_checkpoint"):
        monkeypatch.setattr(f"{module}.STRETCH", 1)
    tenant = await sealed_tenant(storage)
    for _ in range(2):
        async with storage.as_operator(tenant.org, command="test") as tx:
            tx.audit("policy.updated", entity_type="x", entity_id="y")  # pyright: ignore[reportArgumentType]
    while await Sequencer(storage.pool, SystemClock(), signing_key(storage.keyring.audit)).seal():
        pass

    assert (await check(storage)).checkpoints == 4
    assert (await latest(storage, tenant)).checkpoint.seq == 3


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        ("update audit_entries set metadata = '{\"a\": 1}' where org_id = '{org}'", "changed"),
        ("update audit_seals set hash = repeat('a', 64) where org_id = '{org}'", "changed"),
        ("update audit_seals set signature = 'ed25519:' where org_id = '{org}'", "missigned"),
    ],
)
async def test_a_chain_that_does_not_hold_gets_no_checkpoint_and_is_told_of_once(
    storage: Storage, database: Database, change: str, flaw: str
) -> None:
    tenant = await sealed_tenant(storage)
    _tamper(database, change.replace("{org}", tenant.org))

    first, again = await check(storage), await check(storage)

    assert (first.broken, again.broken) == (1, 1)
    assert await audit_checkpoints.latest(storage.pool, tenant.org) is None
    assert told(database, PLATFORM) == ["audit.chain_broken", "audit.checkpoint"]
    with psycopg.connect(database.owner_url) as connection:
        entry = connection.execute(
            "select entity_id, metadata ->> 'flaw' from audit_entries where action = 'audit.chain_broken'"
        ).fetchall()
    assert entry == [(tenant.org, flaw)]


async def test_a_chain_cut_off_behind_its_checkpoint_is_noticed(storage: Storage, database: Database) -> None:
    tenant = await sealed_tenant(storage)
    await check(storage)
    _tamper(database, f"delete from audit_seals where org_id = '{tenant.org}'")

    assert (await check(storage)).broken == 1


async def test_a_checkpoint_is_stamped_by_the_authority(storage: Storage, served: ServedAuthority) -> None:
    tenant = await sealed_tenant(storage)
    await check(storage)

    stamped = await stamp(storage, served)
    again = await stamp(storage, served)

    found = await latest(storage, tenant)
    assert (stamped.stamped, again.stamped, len(served.queries)) == (1, 0, 1)
    assert found.stamped_at is not None
    _, (anchor,) = await audit_checkpoints.between(storage.pool, tenant.org, 1, 1, until=datetime.now(UTC))
    roots = Authorities.from_pem(served.authority.ca_file.read_bytes())
    assert roots.stamped(read_time_stamp(anchor.response), found.checkpoint.hash)


@pytest.mark.parametrize(
    "fault",
    [
        web.Response(status=500),
        web.Response(body=b""),
        web.Response(body=b"\x30\x03\x02\x01\x02"),
        web.Response(body=b"0" * 100_000),
        web.Response(status=302, headers={"location": "http://127.0.0.1:1/"}),
    ],
    ids=["500", "nothing", "no response", "too much", "elsewhere"],
)
async def test_an_authority_that_fails_leaves_the_checkpoint_for_later(
    storage: Storage, served: ServedAuthority, fault: web.Response
) -> None:
    tenant = await sealed_tenant(storage)
    await check(storage)
    served.fault = fault

    with pytest.raises(ApplicationError) as raised:
        await stamp(storage, served)

    assert (raised.value.type, raised.value.non_retryable) == ("TIME_STAMP_UNAVAILABLE", False)
    assert (await latest(storage, tenant)).stamped_at is None
    served.fault = None
    assert (await stamp(storage, served)).stamped == 1


async def test_a_stamp_of_something_else_is_not_kept(storage: Storage, served: ServedAuthority) -> None:
    await sealed_tenant(storage)
    await check(storage)
    served.fault = web.Response(body=served.authority.stamp("another hash"))

    with pytest.raises(ApplicationError, match="no time-stamp"):
        await stamp(storage, served)


async def test_a_stamp_by_an_authority_that_nobody_trusts_is_not_kept(
    storage: Storage, served: ServedAuthority, tmp_path: Path
) -> None:
    await sealed_tenant(storage)
    await check(storage)
    folder = tmp_path / "other"
    folder.mkdir()
    now = datetime.now(UTC)
    served.authority, trusted = (
        TimestampAuthority(folder, since=now - timedelta(days=1), until=now + timedelta(days=1)),
        authority_of(served),
    )

    with pytest.raises(ApplicationError, match="no time-stamp"):
        await ActivityEnvironment().run(activities(storage, trusted).stamp_page, CheckpointPage(after_org=PLATFORM))


async def test_without_an_authority_nothing_is_stamped(storage: Storage) -> None:
    await sealed_tenant(storage)
    await check(storage)

    page = await ActivityEnvironment().run(activities(storage).stamp_page, CheckpointPage())

    assert page == StampedPage("", 0, is_last=True)


def _tamper(database: Database, statement: str) -> None:
    """As somebody with the owner's rights would."""
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        for table in ("audit_entries", "audit_seals"):
            connection.execute(f"alter table {table} disable trigger user")  # pyright: ignore[reportArgumentType, reportCallIssue]
        connection.execute(statement)  # pyright: ignore[reportArgumentType, reportCallIssue]
