"""The certificate of an erasure: anybody can check it, with the published key and nothing of Hasp."""

import asyncio
import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, cast

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.audit.signing import SigningKey, raw_public_key
from gateway.baa.pades import Statement, seal_pdf
from gateway.baa.verification import InvalidSealError, verify_seal
from gateway.end_users.certificate import Issue, certificate, is_genuine, keys_gone_on
from gateway.end_users.certificate_pages import typeset_certificate
from gateway.end_users.classes import RULES, RecordClass
from gateway.end_users.erasure import Erasure, ErasureState, Reason, Scan
from gateway.ids import EndUserId, ErasureId, OrganizationId, new_ulid
from tests.unit.baa.seals import self_signed
from tests.unit.baa.test_document import attachments_of, words_of

NOW = datetime(2026, 11, 23, 23, 59, 59, 1, tzinfo=UTC)
KEY = SigningKey(b"k" * 32)
ISSUE = Issue("Mercy Hospital", NOW, 30, "https://gateway.example/trust/keys")


def erasure() -> Erasure:
    return Erasure(
        id=ErasureId(new_ulid()),
        org=OrganizationId(new_ulid()),
        end_user=EndUserId(new_ulid()),
        digest="ab" * 32,
        state=ErasureState.SHREDDED,
        reasons=(),
        counts={kind: 1000 + place for place, kind in enumerate(RULES)},
        reference="DSR-7",
        requested_at=NOW,
        requested_by="key:x",
        due_at=None,
        restricted_at=NOW,
        shredded_at=NOW,
        keys_gone_on=date(2026, 12, 23),
        scan=Scan(NOW, {"inferences": 3, "audit_entries": 14}, {"inferences": 0}),
        finished_at=None,
    )


def as_kept(document: dict[str, Any]) -> dict[str, Any]:
    """As the database gives it back: other spaces, another order."""
    return json.loads(json.dumps(dict(reversed(document.items())), indent=3))


def test_a_stranger_checks_it_with_the_published_key_and_a_stock_library() -> None:
    document = as_kept(certificate(erasure(), ISSUE, KEY))

    proof = document.pop("proof")
    digest = hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    key = load_pem_public_key(KEY.public_key_pem.encode())

    assert isinstance(key, Ed25519PublicKey)
    assert proof["hash"] == digest
    key.verify(base64.b64decode(proof["signature"].removeprefix("ed25519:")), digest.encode())
    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(proof["signature"].removeprefix("ed25519:")), digest[::-1].encode())


def places(value: Any, *above: Any) -> list[tuple[Any, ...]]:
    """Of everything in it that is neither an object nor a list."""
    within = list[tuple[Any, Any]]()
    if isinstance(value, dict):
        within = [*cast("dict[str, Any]", value).items()]
    elif isinstance(value, list):
        within = [*enumerate(cast("list[Any]", value))]
    return [place for name, each in within for place in places(each, *above, name)] if within else [above]


def test_it_is_not_genuine_once_anything_in_it_is_changed() -> None:
    genuine, key = as_kept(certificate(erasure(), ISSUE, KEY)), raw_public_key(KEY.public_key_pem)
    assert is_genuine(genuine, key)
    said = {name: value for name, value in genuine.items() if name != "proof"}

    for *above, last in places(said):
        changed = as_kept(genuine)
        holder: Any = changed
        for step in above:
            holder = holder[step]
        holder[last] = "another"
        assert not is_genuine(changed, key), (*above, last)


def test_it_is_not_genuine_by_another_key_or_without_its_proof() -> None:
    document = certificate(erasure(), ISSUE, KEY)

    assert not is_genuine(document, raw_public_key(SigningKey(b"x" * 32).public_key_pem))
    assert not is_genuine({**document, "proof": None}, raw_public_key(KEY.public_key_pem))


def test_a_checkpoint_cannot_pass_for_a_certificate() -> None:
    document = {**certificate(erasure(), ISSUE, KEY), "kind": "checkpoint"}

    assert not is_genuine(document, raw_public_key(KEY.public_key_pem))


def test_it_names_the_day_on_which_the_last_copy_of_the_key_dies() -> None:
    document: Any = certificate(erasure(), ISSUE, KEY)

    assert keys_gone_on(NOW, 30) == date(2026, 12, 23)
    assert document["backups"] == {"keep_days": 30, "keys_gone_on": "2026-12-23"}


def test_it_says_of_every_class_what_became_of_it_and_on_which_basis() -> None:
    document: Any = certificate(erasure(), ISSUE, KEY)

    assert [each["class"] for each in document["records"]] == [*RecordClass]
    assert all(each["fate"] and each["basis"] and each["count"] for each in document["records"])


@pytest.mark.parametrize(
    "lacking",
    [{"scan": None}, {"shredded_at": None}, {"keys_gone_on": None}, {"scan": Scan(NOW, {"a": 1}, {"a": 1})}],
    ids=lambda lacking: next(iter(lacking)),
)
def test_an_erasure_that_is_not_that_far_has_none(lacking: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="without a clean scan"):
        certificate(replace(erasure(), **lacking), ISSUE, KEY)


def pages(erased: Erasure, document: dict[str, Any], name: str = "Mercy Hospital") -> bytes:
    seal = self_signed().describe(None)
    return typeset_certificate(erased, document, organization_name=name, issued_at=NOW, seal=seal)


def test_the_pages_say_what_the_json_says_and_carry_it() -> None:
    erased = replace(erasure(), reasons=(Reason.HOLD_CAME_TOO_LATE,))
    document = certificate(erased, ISSUE, KEY)

    made = pages(erased, document)

    words = words_of(made)
    for said in (erased.org, erased.end_user, erased.id, erased.digest, "DSR-7", "Mercy Hospital", "2026-12-23"):
        assert said in words
    for count in erased.counts.values():
        assert f"{count:,}" in words
    assert "it came too late" in words
    assert json.loads(attachments_of(made)["certificate.json"]) == json.loads(json.dumps(document))


def test_the_same_certificate_makes_the_same_pages() -> None:
    erased = erasure()
    document = certificate(erased, ISSUE, KEY)

    assert pages(erased, document) == pages(erased, document)


@pytest.mark.parametrize("name", ["#panic() *b* `x` $y$", "\u6c49\u5b57", "a\u202eb", " ", "W" * 190])
def test_no_name_of_an_organization_keeps_it_from_being_made(name: str) -> None:
    erased = erasure()

    assert erased.org in words_of(pages(erased, certificate(erased, replace(ISSUE, organization_name=name), KEY), name))


def test_the_seal_covers_every_byte() -> None:
    seal, erased = self_signed(), erasure()
    now = datetime.now(UTC)
    described = seal.describe(None)
    made = pages(erased, certificate(erased, ISSUE, KEY))
    sealed = asyncio.run(seal_pdf(made, Statement(described.subject, "Erasure", described), seal, None, now))

    assert asyncio.run(verify_seal(sealed, [seal.root], now)).fingerprint == seal.fingerprint
    for place in range(0, len(sealed), len(sealed) // 20):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(InvalidSealError):
            asyncio.run(verify_seal(changed, [seal.root], now))
