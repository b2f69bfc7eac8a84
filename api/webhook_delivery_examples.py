"""Examples of the routes of deliveries and replays in the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from api.openapi import answer

_ULID = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"
_REPLAY_ID = "01K0B6W4M7RT2V9YQ3X5ZC8D2F"
_REQUEST = {"request_id": f"req_{_ULID}"}
_PAGE = {**_REQUEST, "next_cursor": None, "has_more": False}
_AT = "2026-04-01T00:00:00+00:00"
_DELIVERY: Mapping[str, Any] = {
    "id": _ULID,
    "endpoint_id": _ULID,
    "event": "budget.threshold_reached",
    "event_id": _ULID,
    "status": "failed",
    "created_at": _AT,
    "attempt_count": 11,
    "next_attempt_at": None,
    "last_response_status": 503,
    "last_failure": "refused",
    "finished_at": "2026-04-04T03:36:16+00:00",
    "replay_id": None,
}
_QUEUED = {**_DELIVERY, "status": "pending", "finished_at": None, "replay_id": _REPLAY_ID}
_ATTEMPT: Mapping[str, Any] = {
    "number": 11,
    "at": "2026-04-04T03:36:15+00:00",
    "duration_ms": 412,
    "response_status": 503,
    "failure": "refused",
    "response_head": "upstream is away",
    "replay_id": None,
}
_SUMMARY: Mapping[str, Any] = {
    "id": _REPLAY_ID,
    "status": "running",
    "filter": {
        "endpoint_id": _ULID,
        "events": None,
        "status": "failed",
        "from": "2026-04-01T00:00:00+00:00",
        "to": "2026-04-02T09:30:00+00:00",
    },
    "rate_per_minute": 600,
    "matched": 1200,
    "requested_by": f"key:{_ULID}",
    "created_at": "2026-04-02T09:30:00+00:00",
    "finished_at": None,
}
_PROGRESS = {"matched": 1200, "planned": 700, "queued": 180, "delivered": 310, "failed": 4, "skipped": 6}
_REPLAY = {**_SUMMARY, "progress": _PROGRESS}
_ASKED = {**_REPLAY, "replayed": 1200, "skipped": [{"id": _ULID, "reason": "not_found"}]}
_PLACE = {"Location": "Where its state is read."}

BULK_REQUEST: Mapping[str, Any] = {
    "what failed since yesterday": {"endpoint_id": _ULID, "status": "failed", "from": _AT},
    "how much would that be": {"endpoint_id": _ULID, "status": "skipped", "dry_run": True},
    "these, slowly": {"delivery_ids": [_ULID], "rate_per_minute": 60},
}

DELIVERIES = answer("One page of deliveries.", {"success": True, "data": [_DELIVERY], "meta": _PAGE})
DELIVERY = answer(
    "The delivery with its last 200 attempts.",
    {"success": True, "data": {**_DELIVERY, "attempts": [_ATTEMPT]}, "meta": _REQUEST},
)
REPLAYED = answer(
    "It was sent again, and is done.", {"success": True, "data": {**_QUEUED, "status": "delivered"}, "meta": _REQUEST}
)
QUEUED = answer("It is on its way again.", {"success": True, "data": _QUEUED, "meta": _REQUEST}, headers=_PLACE)

REPLAYS = answer("One page of replays.", {"success": True, "data": [_SUMMARY], "meta": _PAGE})
REPLAY = answer("The replay, and how far it is.", {"success": True, "data": _REPLAY, "meta": _REQUEST})
BULK_BEGUN = answer(
    "The replay goes on by itself.", {"success": True, "data": _ASKED, "meta": _REQUEST}, headers=_PLACE
)
_ESTIMATE: Mapping[str, Any] = {
    "dry_run": True,
    "matched": 1200,
    "oldest": _AT,
    "estimated_seconds": 120,
    "filter": _SUMMARY["filter"],
    "skipped": [],
}
BULK_DONE = answer(
    "The replay is done; or, with `dry_run`, what it would send.", {"success": True, "data": _ASKED, "meta": _REQUEST}
)
BULK_DONE["content"]["application/json"] = {
    "schema": BULK_DONE["content"]["application/json"]["schema"],
    "examples": {
        "done": {"value": {"success": True, "data": {**_ASKED, "status": "done"}, "meta": _REQUEST}},
        "dry run": {"value": {"success": True, "data": _ESTIMATE, "meta": _REQUEST}},
    },
}
