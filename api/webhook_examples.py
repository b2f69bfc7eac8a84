"""Examples of the routes of webhooks in the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from api.openapi import answer

_ULID = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"
_REQUEST = {"request_id": f"req_{_ULID}"}
_VERSIONED = {"ETag": "The version of the webhook, for `If-Match`."}
_WEBHOOK: Mapping[str, Any] = {
    "id": _ULID,
    "app_id": None,
    "url": "https://hooks.mercy.example/hasp",
    "description": "Billing alerts",
    "events": ["budget.threshold_reached", "credits.exhausted"],
    "is_active": True,
    "state": "active",
    "disabled_because": None,
    "is_ordered": False,
    "rate_per_minute": None,
    "signs_asymmetrically": False,
    "created_at": "2026-04-01T00:00:00+00:00",
    "updated_at": "2026-04-01T00:00:00+00:00",
}
_SECRETS = {"secret": "whsec_" + "A" * 43 + "=", "public_key": None}

CREATE_REQUEST: Mapping[str, Any] = {
    "some events": {
        "url": "https://hooks.mercy.example/hasp",
        "events": ["budget.threshold_reached", "credits.exhausted"],
        "description": "Billing alerts",
    },
    "everything, in order": {"url": "https://hooks.mercy.example/hasp", "events": ["*"], "is_ordered": True},
}
CHANGE_REQUEST: Mapping[str, Any] = {
    "pause": {"is_active": False},
    "resume": {"is_active": True},
    "other events": {"events": ["phi.blocked"], "rate_per_minute": 600},
}
ROTATE_REQUEST: Mapping[str, Any] = {"a day": {}, "at once": {"overlap_hours": 0}}
TEST_REQUEST: Mapping[str, Any] = {"plain": {}, "as an event": {"event": "credits.exhausted"}}

WEBHOOK = answer("The webhook.", {"success": True, "data": _WEBHOOK, "meta": _REQUEST}, headers=_VERSIONED)
WEBHOOKS = answer(
    "One page of webhooks.",
    {"success": True, "data": [_WEBHOOK], "meta": {**_REQUEST, "next_cursor": None, "has_more": False}},
)
NEW_WEBHOOK = answer(
    "The webhook, with its secret for the only time.",
    {"success": True, "data": {**_WEBHOOK, **_SECRETS}, "meta": _REQUEST},
    headers=_VERSIONED,
)
ROTATED = answer(
    "The new secret, for the only time, and until when those before it are signed with.",
    {
        "success": True,
        "data": {"id": _ULID, **_SECRETS, "overlap_ends_at": "2026-04-02T00:00:00+00:00"},
        "meta": _REQUEST,
    },
    headers=_VERSIONED,
)
TESTED = answer(
    "It is on its way.",
    {
        "success": True,
        "data": {"webhook_id": _ULID, "delivery_id": _ULID, "event": "webhook_endpoint.test"},
        "meta": _REQUEST,
    },
    headers={"Location": "The delivery, with its attempts."},
)
DELETED = answer("It is deleted.", {"success": True, "data": {"id": _ULID, "deleted": True}, "meta": _REQUEST})
