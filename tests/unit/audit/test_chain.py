"""The chain's arithmetic, against a recorded vector made without our code."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.audit import GENESIS, AuditAction, AuditEntry, ChainWalk, Flaw, Seal, seal_hash
from gateway.ids import AuditEntryId, OrganizationId

ENTRY = AuditEntry(
    id=AuditEntryId("01JQ0000000000000000000000"),
    org=OrganizationId("01JQ0000000000000000000001"),
    action=AuditAction.API_KEY_CREATED,
    at=datetime(2026, 5, 27, 12, 0, 0, 123456, tzinfo=UTC),
    entity_type="api_key",
    entity_id="01JQ0000000000000000000002",
    actor="key:01JQ0000000000000000000003",
    ip_address="192.0.2.1",
    metadata={"mode": "live", "scopes": ["ai:chat"], "a": {"z": 1, "b": "é/"}},
)


def test_a_seal_covers_the_twelve_values_and_the_place() -> None:
    chain_part = f'{{"id":"{ENTRY.id}","prev_hash":"{GENESIS}","seq":1}}'
    metadata = f'{{"_chain":{chain_part},"a":{{"b":"é/","z":1}},"mode":"live","scopes":["ai:chat"]}}'
    text = (
        '["key:01JQ0000000000000000000003","01JQ0000000000000000000001",null,"api_key.created","api_key",'
        f'"01JQ0000000000000000000002",{metadata},"192.0.2.1","2026-05-27T12:00:00.123456+00:00","not_present",null,null]'
    )

    assert seal_hash(ENTRY, seq=1, prev_hash=GENESIS) == hashlib.sha256(text.encode()).hexdigest()
    assert json.loads(text)


def chain(length: int) -> list[tuple[AuditEntry, Seal]]:
    links: list[tuple[AuditEntry, Seal]] = []
    head = GENESIS
    for seq in range(1, length + 1):
        entry = replace(ENTRY, id=AuditEntryId(f"{seq:026}"), entity_id=str(seq))
        sealed = seal_hash(entry, seq=seq, prev_hash=head)
        links.append((entry, Seal(seq, head, sealed)))
        head = sealed
    return links


def walk(links: list[tuple[AuditEntry, Seal]]) -> list[Flaw | None]:
    walked = ChainWalk()
    flaws: list[Flaw | None] = []
    for entry, seal in links:
        flaws.append(walked.objection(entry, seal, entry.at))
        walked.advance(seal, entry.at)
    return flaws


def test_a_sound_chain_has_no_flaw() -> None:
    assert walk(chain(5)) == [None] * 5


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "key:another"},
        {"action": AuditAction.API_KEY_REVOKED},
        {"entity_id": "another"},
        {"ip_address": None},
        {"metadata": {}},
        {"metadata": {**(ENTRY.metadata or {}), "_chain": {"seq": 2}}},
        {"id": AuditEntryId("01JQ0000000000000000000009")},
        {"org": OrganizationId("another")},
        {"phi": "contains_phi"},
        {"subject_id_hmac": "x"},
        {"at": datetime(2026, 5, 27, 12, 0, 0, 123457, tzinfo=UTC)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_no_value_can_change_unnoticed(change: dict[str, object]) -> None:
    links = chain(3)
    entry, seal = links[1]
    links[1] = (replace(entry, **change), seal)  # pyright: ignore[reportArgumentType]

    assert walk(links)[1] is Flaw.CHANGED


def test_a_dropped_entry_is_a_gap_even_when_its_successor_is_relinked() -> None:
    links = chain(4)
    entry, seal = links[2]
    relinked = replace(seal, seq=2, prev_hash=links[0][1].hash)

    assert walk([links[0], (entry, relinked)])[1] is Flaw.CHANGED
    assert walk([links[0], links[2]])[1] is Flaw.MISSING
