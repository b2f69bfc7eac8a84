"""Examples of the routes of exports of end users in the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from api.openapi import answer

_ULID = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"
_OTHER = "01K0B6W4M7RT2V9YQ3X5ZC8D1F"
_REQUEST = {"request_id": f"req_{_ULID}"}
_AT = "2026-06-01T08:30:00+00:00"
_URL = f"/v1/orgs/{_OTHER}/end-user-exports/{_ULID}/download?token=1780303500.{'5f' * 32}"
_EXPORT: Mapping[str, Any] = {
    "id": _ULID,
    "end_user_id": _OTHER,
    "state": "ready",
    "snapshot_at": _AT,
    "requested_at": _AT,
    "requested_by": f"key:{_ULID}",
    "records": 9,
    "counts": {"profile": 1, "conversations": 1, "inferences": 2, "usage": 2, "audit": 3},
    "bytes_written": 18_342,
    "manifest_sha256": "c0" * 32,
    "reason": None,
    "finished_at": "2026-06-01T08:30:02+00:00",
    "expires_at": "2026-06-08T08:30:00+00:00",
    "formats": ["application/zip", "application/json"],
    "download_url": _URL,
    "download_expires_at": "2026-06-01T08:45:00+00:00",
}
_UNMADE: Mapping[str, Any] = {
    "manifest_sha256": None,
    "finished_at": None,
    "download_url": None,
    "download_expires_at": None,
}
_REQUESTED: Mapping[str, Any] = {
    **_EXPORT,
    **_UNMADE,
    "state": "requested",
    "records": 0,
    "counts": dict[str, int](),
    "bytes_written": 0,
}
_CANCELLED: Mapping[str, Any] = {**_EXPORT, "state": "cancelled", "download_url": None, "download_expires_at": None}

EXPORT = answer("The export.", {"success": True, "data": _EXPORT, "meta": _REQUEST})
EXPORT_REQUESTED = answer(
    "It is being made.",
    {"success": True, "data": _REQUESTED, "meta": _REQUEST},
    headers={"Location": "Where to look for it."},
)
EXPORT_CANCELLED = answer("The export, destroyed.", {"success": True, "data": _CANCELLED, "meta": _REQUEST})
EXPORTS = answer(
    "One page of exports.",
    {"success": True, "data": [_EXPORT], "meta": {**_REQUEST, "next_cursor": None, "has_more": False}},
)
DOWNLOAD: dict[str, Any] = {
    "description": "A BagIt bag in a ZIP, or one JSON document.",
    "content": {
        "application/zip": {"schema": {"type": "string", "format": "binary"}},
        "application/json": {
            "schema": {"type": "object"},
            "example": {
                "export": {"id": _ULID, "end_user_id": _OTHER, "snapshot_at": _AT},
                "profile": {"id": _OTHER, "name": "patient-4711"},
                "inferences": [],
            },
        },
    },
}
