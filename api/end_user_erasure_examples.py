"""Examples of the routes of erasures in the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from api.openapi import answer
from gateway.end_users.classes import RULES, RecordClass

_ULID = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"
_DIGEST = "9f86d081884c7d65" * 4
_META = {"request_id": f"req_{_ULID}"}
_PATH = f"/v1/orgs/{_ULID}/end-user-erasures/{_ULID}"
_COUNTS: Mapping[RecordClass, int] = {
    RecordClass.PROFILE: 1,
    RecordClass.CONTENT: 12,
    RecordClass.FINDINGS: 7,
    RecordClass.IDEMPOTENCY: 0,
    RecordClass.EXPORTS: 1,
    RecordClass.SHELLS: 12,
    RecordClass.USAGE: 12,
    RecordClass.AUDIT: 31,
    RecordClass.WEBHOOKS: 24,
}
_REQUESTED: Mapping[str, Any] = {
    "id": _ULID,
    "end_user_id": _ULID,
    "digest": _DIGEST,
    "state": "requested",
    "reasons": [],
    "reference": "DSR-2026-17",
    "decisions": [
        {"class": kind.value, "fate": rule.fate.value, "basis": rule.basis.value, "count": None}
        for kind, rule in RULES.items()
    ],
    "requested_at": "2026-04-01T09:00:00+00:00",
    "requested_by": f"key:{_ULID}",
    "due_at": None,
    "restricted_at": None,
    "shredded_at": None,
    "keys_gone_on": None,
    "scan": None,
    "finished_at": None,
    "certificate": None,
}
_DONE: Mapping[str, Any] = {
    **_REQUESTED,
    "state": "done",
    "decisions": [{**decided, "count": _COUNTS[RecordClass(decided["class"])]} for decided in _REQUESTED["decisions"]],
    "restricted_at": "2026-04-01T09:00:01+00:00",
    "shredded_at": "2026-04-01T09:01:02+00:00",
    "keys_gone_on": "2026-05-01",
    "scan": {
        "at": "2026-04-01T09:02:04+00:00",
        "clean": True,
        "examined": {"inferences": 12, "end_users": 1},
        "found": {"inferences.answer_content": 0, "end_users.original": 0},
    },
    "finished_at": "2026-04-01T09:02:05+00:00",
    "certificate": {"url": f"{_PATH}/certificate", "formats": ["application/json", "application/pdf"]},
}

REQUEST: Mapping[str, Any] = {"with a reference": {"reference": "DSR-2026-17"}}
REQUESTED = answer(
    "Accepted: it is under way.",
    {"success": True, "data": {**_REQUESTED}, "meta": _META},
    headers={"Location": "Where it is told how far it is."},
)
HELD = answer(
    "Nothing is erased: a hold forbids it.",
    {
        "success": True,
        "data": {
            **_REQUESTED,
            "state": "held",
            "reasons": ["legal_hold"],
            "decisions": [],
            "finished_at": "2026-04-01T09:00:01+00:00",
        },
        "meta": _META,
    },
)
ERASURE = answer("How far it is.", {"success": True, "data": {**_DONE}, "meta": _META})
ERASURES = answer(
    "One page of erasures.",
    {"success": True, "data": [{**_DONE}], "meta": {**_META, "next_cursor": None, "has_more": False}},
)
CERTIFICATE: dict[str, Any] = {
    "description": "The certificate.",
    "content": {
        "application/json": {"schema": {"type": "object"}},
        "application/pdf": {"schema": {"type": "string", "format": "binary"}},
    },
}
