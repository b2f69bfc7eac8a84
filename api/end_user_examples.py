"""Examples of the routes of end users and their exports in the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from api.openapi import answer

_ULID = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"
_OTHER = "01K0B6W4M7RT2V9YQ3X5ZC8D1F"
_REQUEST = {"request_id": f"req_{_ULID}"}
_AT = "2026-04-01T00:00:00+00:00"
_PERSON: Mapping[str, Any] = {
    "id": _OTHER,
    "name": "patient-4711",
    "subject_id_hmac": "5f" * 32,
    "state": "active",
    "first_seen_at": _AT,
    "last_seen_at": "2026-06-01T08:30:00+00:00",
    "hold": None,
}
_HOLD = {"reason": "litigation", "at": "2026-06-02T09:00:00+00:00", "by": f"key:{_ULID}"}

HOLD_REQUEST: Mapping[str, Any] = {"a lawsuit": {"reason": "litigation"}}

END_USER = answer("The end user.", {"success": True, "data": _PERSON, "meta": _REQUEST})
HELD = answer("The end user, held.", {"success": True, "data": {**_PERSON, "hold": _HOLD}, "meta": _REQUEST})
END_USERS = answer(
    "One page of end users.",
    {"success": True, "data": [_PERSON], "meta": {**_REQUEST, "next_cursor": None, "has_more": False}},
)
