"""The official Standard Webhooks library for JavaScript on what is sent to receivers. Python's is in tests/unit."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.webhooks.signing import SecretKind, SigningSecret, signature_headers
from tests.clients.installing import Interpreter

ID = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"
EVENT = {"id": "01K0B6W4M0RT2V9YQ3X5ZC8D1E", "type": "webhook_endpoint.test", "data": {"name": "Zoë"}}
BODY = json.dumps(EVENT)
SECRET, NEXT = SigningSecret.new(SecretKind.HMAC), SigningSecret.new(SecretKind.HMAC)
ASYMMETRIC = SigningSecret.new(SecretKind.ED25519)


def signed(*secrets: SigningSecret, ago: timedelta = timedelta()) -> dict[str, str]:
    return signature_headers(ID, BODY.encode(), secrets, datetime.now(UTC) - ago)


def test_the_official_library_accepts_what_is_sent_and_nothing_else(node: Interpreter, tmp_path: Path) -> None:
    deliveries = {
        "genuine": signed(SECRET),
        "overlapping": signed(NEXT, SECRET, ASYMMETRIC),
        "forged": signed(NEXT),
        "old": signed(SECRET, ago=timedelta(minutes=6)),
        "of another": signed(SECRET) | {"webhook-id": "01K0B6W4M9RT2V9YQ3X5ZC8D1E"},
    }

    outcomes = node.run(
        "webhooks.mjs",
        {"secret": SECRET.shown, "body": BODY, "deliveries": deliveries},
        tmp_path,
    )

    assert {name: outcome.get("answer") for name, outcome in outcomes.items()} == {
        "genuine": EVENT,
        "overlapping": EVENT,
        "forged": None,
        "old": None,
        "of another": None,
    }
    assert {outcomes[name]["raised"]["classes"][0] for name in ("forged", "old", "of another")} == {
        "WebhookVerificationError"
    }
