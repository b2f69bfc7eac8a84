"""What deliveries are signed with, as receivers check it: by the official library, and by the headers' own words."""

import hashlib
import hmac
from base64 import b64decode
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from gateway.webhooks.signing import SecretKind, SigningSecret, signature_headers

ID = "01JD0000000000000000000000"
BODY = b'{"id":"01JC0000000000000000000000","type":"ai.request.completed"}'
NEWEST, OLDER, OLDEST = (SigningSecret.new(SecretKind.HMAC) for _ in range(3))
ASYMMETRIC = SigningSecret.new(SecretKind.ED25519)


def signed(*secrets: SigningSecret, body: bytes = BODY, at: datetime | None = None) -> dict[str, str]:
    return signature_headers(ID, body, secrets, at or datetime.now(UTC))


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=5))
def test_the_official_library_accepts_what_was_signed(data: dict[str, str]) -> None:
    body = orjson.dumps(data)

    assert Webhook(NEWEST.shown).verify(body, signed(NEWEST, body=body)) == data


@pytest.mark.parametrize("secret", [NEWEST, OLDER, OLDEST])
def test_the_official_library_accepts_each_secret_that_is_live(secret: SigningSecret) -> None:
    Webhook(secret.shown).verify(BODY, signed(NEWEST, OLDER, OLDEST, ASYMMETRIC))


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (BODY + b" ", signed(NEWEST)),
        (BODY, signed(OLDER)),
        (BODY, signed(NEWEST) | {"webhook-id": "01JD0000000000000000000001"}),
        (BODY, signed(ASYMMETRIC)),
    ],
    ids=["another body", "another secret", "another id", "no v1"],
)
def test_the_official_library_refuses_everything_else(body: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(NEWEST.shown).verify(body, headers)


@pytest.mark.parametrize("apart", [timedelta(minutes=-6), timedelta(minutes=6)], ids=["old", "new"])
def test_the_official_library_refuses_what_is_too(apart: timedelta) -> None:
    headers = signed(NEWEST, at=datetime.now(UTC) + apart)

    with pytest.raises(WebhookVerificationError):
        Webhook(NEWEST.shown).verify(BODY, headers)


def test_an_ed25519_signature_verifies_with_the_public_key_that_is_shown() -> None:
    headers = signed(NEWEST, ASYMMETRIC)
    version, _, signature = headers["webhook-signature"].split(" ")[1].partition(",")
    public = Ed25519PublicKey.from_public_bytes(b64decode(ASYMMETRIC.shown.removeprefix("whpk_")))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode()

    public.verify(b64decode(signature), content + BODY)

    assert version == "v1a"
    with pytest.raises(InvalidSignature):
        public.verify(b64decode(signature), content + BODY + b" ")


def test_the_documented_header_is_the_hmac_of_the_body_under_the_secret_as_it_is_shown() -> None:
    digest = hmac.new(NEWEST.shown.encode(), BODY, hashlib.sha256).hexdigest()

    assert signed(NEWEST, ASYMMETRIC)["X-Hasp-Signature-256"] == f"sha256={digest}"


def test_while_secrets_overlap_the_documented_header_is_signed_with_the_one_that_receivers_know() -> None:
    digest = hmac.new(OLDEST.shown.encode(), BODY, hashlib.sha256).hexdigest()

    assert signed(NEWEST, OLDER, OLDEST)["X-Hasp-Signature-256"] == f"sha256={digest}"


def test_the_timed_header_signs_the_time_and_the_body_with_every_secret() -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    signatures = [
        hmac.new(each.shown.encode(), b"1795305600." + BODY, hashlib.sha256).hexdigest() for each in (NEWEST, OLDER)
    ]

    headers = signed(NEWEST, OLDER, ASYMMETRIC, at=at)

    assert headers["X-Hasp-Signature"] == f"t=1795305600,v1={signatures[0]},v1={signatures[1]}"
    assert headers["webhook-timestamp"] == "1795305600"


def test_an_endpoint_without_a_shared_secret_has_no_header_that_needs_one() -> None:
    assert set(signed(ASYMMETRIC)) == {"webhook-id", "webhook-timestamp", "webhook-signature", "X-Hasp-Webhook-Id"}


@pytest.mark.parametrize(("kind", "prefix"), [(SecretKind.HMAC, "whsec_"), (SecretKind.ED25519, "whpk_")])
def test_a_secret_is_32_bytes_in_base64_behind_what_it_is(kind: SecretKind, prefix: str) -> None:
    shown = SigningSecret.new(kind).shown

    assert shown.startswith(prefix)
    assert len(b64decode(shown.removeprefix(prefix), validate=True)) == 32


def test_the_public_key_says_nothing_of_the_private_one_and_no_repr_says_anything() -> None:
    assert ASYMMETRIC.key.hex() not in b64decode(ASYMMETRIC.shown[5:]).hex()
    assert repr(NEWEST) == "SigningSecret(kind=<SecretKind.HMAC: 'hmac'>)"
