"""A database's owner, with its triggers off, against `hasp audit verify`: whatever was done is found.

The log has six entries, the first three sealed by a key that was retired since.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
import pytest

from gateway.audit import GENESIS, AuditAction, Flaw, seal_hash
from gateway.audit.checkpoints import Checkpoint
from gateway.audit.signing import SigningKey
from gateway.clock import SystemClock
from gateway.ids import PLATFORM, OrganizationId
from storage import Storage, audit_checkpoints
from storage.audit_verification import verify
from storage.chain import COLUMNS, entry_of
from storage.sequencer import Sequencer
from tests.conftest import Database
from tests.tenants import make_tenant

OLD, NEW, STRANGE = (SigningKey(bytes([number]) * 32) for number in (1, 2, 3))
LENGTH, BY_OLD = 6, 3


@dataclass(frozen=True, slots=True)
class Owner:
    """Of the database, and as far as they have a key, of the signatures in it."""

    url: str
    org: OrganizationId

    def run(self, statement: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute("set session_replication_role = replica")
            connection.execute(
                statement.replace("{org}", f"'{self.org}'")  # pyright: ignore[reportArgumentType, reportCallIssue]
            )

    def seal_again(self, key: SigningKey, *, since: int = 1) -> None:
        """All from `since` on, so that each follows the one before it."""
        with psycopg.connect(self.url) as connection:
            connection.execute("set session_replication_role = replica")
            heads = "select hash from audit_seals where org_id = %s and seq = %s"
            row = connection.execute(heads, [self.org, since - 1]).fetchone()
            head = row[0] if row else GENESIS
            rows = connection.execute(
                f"select s.seq, {COLUMNS} from audit_seals s join audit_entries e on e.id = s.entry_id"
                " where s.org_id = %s and s.seq >= %s order by s.seq",
                [self.org, since],
            ).fetchall()
            for seq, *columns in rows:
                entry = entry_of(columns)
                sealed = seal_hash(entry, seq=seq, prev_hash=head)
                connection.execute(
                    "update audit_seals set prev_hash = %s, hash = %s, key_id = %s, signature = %s where entry_id = %s",
                    [head, sealed, key.key_id, key.sign(sealed), entry.id],
                )
                head = sealed


class Ahead(SystemClock):
    def __init__(self, days: int) -> None:
        self._days = days

    def now(self) -> datetime:
        return super().now() + timedelta(days=self._days)


@pytest.fixture
async def owner(storage: Storage, database: Database) -> Owner:
    org = (await make_tenant(storage)).org
    await write(storage, org, BY_OLD - 1)
    await Sequencer(storage.pool, SystemClock(), OLD).seal()
    await Sequencer(storage.pool, Ahead(days=1), NEW).seal()
    await write(storage, org, LENGTH - BY_OLD)
    await Sequencer(storage.pool, Ahead(days=2), NEW).seal()
    await audit_checkpoints.advance(storage.pool, org, NEW, Ahead(days=2))
    return Owner(database.owner_url, org)


async def write(storage: Storage, org: OrganizationId, count: int) -> None:
    for _ in range(count):
        async with storage.as_operator(org, command="test") as tx:
            tx.audit(AuditAction.POLICY_UPDATED, entity_type="policy", entity_id=org)


async def kept(storage: Storage, owner: Owner) -> Checkpoint:
    latest = await audit_checkpoints.latest(storage.pool, owner.org)
    assert latest is not None
    return latest.checkpoint


def place(seq: int) -> str:
    return f"(select entry_id from audit_seals where org_id = {{org}} and seq = {seq})"


EDIT = f"update audit_entries set action = 'policy.retrieved' where id = {place(5)}"
DROP_TAIL = """
with cut as (delete from audit_seals where org_id = {org} and seq >= 5 returning entry_id)
delete from audit_entries where id in (select entry_id from cut)
"""
SWAP = """
update audit_seals s set entry_id = other.entry_id || ' ' from audit_seals other
where s.org_id = {org} and other.org_id = {org} and s.seq in (2, 3) and other.seq = 5 - s.seq;
update audit_seals set entry_id = trim(entry_id) where org_id = {org}
"""
PLANT = """
insert into audit_entries (id, org_id, action, metadata, phi_disposition, created_at)
values ('01K0000000000000000000000Z', {org}, 'policy.updated', '{}', 'not_present', now())
"""


@pytest.mark.parametrize(
    ("statements", "flaw", "length"),
    [
        ([EDIT], Flaw.CHANGED, 4),
        ([f"delete from audit_entries where id = {place(2)}"], Flaw.MISSING, 1),
        (["delete from audit_seals where org_id = {org} and seq = 2"], Flaw.MISSING, 1),
        ([SWAP], Flaw.CHANGED, 1),
        ([PLANT], Flaw.UNLINKED, 6),
        (["delete from audit_seals where org_id = {org} and seq >= 5"], Flaw.UNLINKED, 4),
        ([DROP_TAIL], Flaw.TRUNCATED, 4),
        (["update audit_seals set prev_hash = repeat('a', 64) where org_id = {org} and seq = 4"], Flaw.UNLINKED, 3),
        ([f"update audit_entries set org_id = '{PLATFORM}' where id = {place(4)}"], Flaw.CHANGED, 3),
        (["update audit_seals set sealed_at = sealed_at - interval '1 s' where org_id = {org} and seq = 5"],
         Flaw.BACKDATED, 4),
        (["update audit_seals set sealed_at = sealed_at - interval '1 hour' where org_id = {org} and seq < 4"],
         Flaw.BACKDATED, 0),
        (["update audit_seals set sealed_at = sealed_at + interval '1 day 1 hour' where org_id = {org} and seq = 3"],
         Flaw.MISSIGNED, 2),
        (["update audit_checkpoints set at = at + interval '1 s' where org_id = {org}"], Flaw.MISSIGNED, 5),
        (["update audit_checkpoints set hash = repeat('a', 64) where org_id = {org}"], Flaw.FORKED, 5),
    ],
    ids=["edit", "drop an entry", "drop a seal", "swap", "insert", "truncate the seals", "truncate all", "fork",
         "another organisation", "clock going back", "sealed before it was written", "sealed after its key",
         "another checkpoint", "a checkpoint of something else"],
)  # fmt: skip
async def test_what_an_owner_without_a_key_does_is_found(
    storage: Storage, owner: Owner, statements: list[str], flaw: Flaw, length: int
) -> None:
    for statement in statements:
        owner.run(statement)

    verdict = await verify(storage.pool, owner.org)

    assert (verdict.flaw, verdict.length) == (flaw, length)


@pytest.mark.parametrize("key", [OLD, STRANGE], ids=["retired", "unknown"])
async def test_seals_made_again_by_a_key_that_could_not_are_missigned(
    storage: Storage, owner: Owner, key: SigningKey
) -> None:
    owner.run(EDIT)
    owner.seal_again(key, since=5)

    verdict = await verify(storage.pool, owner.org)

    assert (verdict.flaw, verdict.length) == (Flaw.MISSIGNED, 4)


async def test_another_organisations_entry_is_foreign_even_under_the_active_key(storage: Storage, owner: Owner) -> None:
    owner.run(f"update audit_entries set org_id = '{PLATFORM}' where id = {place(5)}")
    owner.seal_again(NEW, since=5)

    assert (await verify(storage.pool, owner.org)).flaw is Flaw.FOREIGN


async def test_history_rewritten_by_the_active_key_is_held_to_the_checkpoint_here(
    storage: Storage, owner: Owner
) -> None:
    owner.run(EDIT)
    owner.seal_again(NEW, since=5)

    assert (await verify(storage.pool, owner.org)).flaw is Flaw.FORKED


@pytest.mark.parametrize(("again", "flaw"), [(EDIT, Flaw.FORKED), (DROP_TAIL, Flaw.TRUNCATED)])
async def test_history_rewritten_with_its_checkpoints_is_held_to_those_kept_elsewhere(
    storage: Storage, owner: Owner, again: str, flaw: Flaw
) -> None:
    held = await kept(storage, owner)
    owner.run("delete from audit_checkpoints")
    owner.run(again)
    owner.seal_again(NEW, since=5)

    alone, with_held = await verify(storage.pool, owner.org), await verify(storage.pool, owner.org, [held])

    assert (alone.flaw, with_held.flaw) == (None, flaw)


async def test_what_nobody_touched_holds(storage: Storage, owner: Owner) -> None:
    verdict = await verify(storage.pool, owner.org, [await kept(storage, owner)])

    assert (verdict.flaw, verdict.length) == (None, LENGTH)
