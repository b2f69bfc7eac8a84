"""Examples of the audit log's answers, for the OpenAPI document."""

from typing import Any

from api.openapi import answer

_ULID = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"
_META = {"request_id": f"req_{_ULID}"}
_HASH = "9f86d081884c7d65" * 4
_KEY_ID = "d4735e3a265e16eee03f59718b9b5d03"
_PEM = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA…\n-----END PUBLIC KEY-----\n"

_ENTRY = {
    "id": _ULID,
    "action": "ai.request.completed",
    "entity_type": "inference",
    "entity_id": _ULID,
    "user_id": None,
    "actor": f"key:{_ULID}",
    "ip_address": "192.0.2.10",
    "metadata": {"model": "claude-sonnet-4-6"},
    "phi_disposition": "reidentified_at_delivery",
    "subject_type": "end_user",
    "subject_id_hmac": "5f" * 32,
    "seq": 42,
    "integrity_hash": _HASH,
    "key_id": _KEY_ID,
    "signature": "ed25519:…",
    "created_at": "2026-04-01T00:00:02+00:00",
}
_EXPORT = {
    "id": _ULID,
    "state": "ready",
    "from": "2026-04-01T00:00:00+00:00",
    "to": "2026-05-01T00:00:00+00:00",
    "requested_at": "2026-05-01T09:00:00+00:00",
    "requested_by": f"key:{_ULID}",
    "entry_count": 1234,
    "entries_written": 1234,
    "sha256": _HASH,
    "reason": None,
    "finished_at": "2026-05-01T09:00:02+00:00",
    "expires_at": "2026-05-08T09:00:00+00:00",
    "download_url": f"/v1/audit/exports/{_ULID}/download",
}

ENTRIES = answer(
    "One page of entries.",
    {"success": True, "data": [_ENTRY], "meta": {**_META, "next_cursor": None, "has_more": False}},
)
ENTRY = answer("The entry.", {"success": True, "data": _ENTRY, "meta": _META})
VERDICT = answer(
    "What was found.",
    {
        "success": True,
        "data": {
            "sound": True,
            "verified_after": 1200,
            "verified_to": 1234,
            "head": _HASH,
            "flaw": None,
            "entry_id": None,
            "next_after": None,
            "checkpoint": {
                "organization_id": _ULID,
                "seq": 1200,
                "entry_count": 1200,
                "hash": _HASH,
                "at": "2026-05-01T09:00:00.000000+00:00",
                "key_id": _KEY_ID,
                "signature": "ed25519:…",
                "time_stamped_at": "2026-05-01T09:00:01.000000+00:00",
            },
        },
        "meta": _META,
    },
)
EXPORT_REQUEST = {"a month": {"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}}
EXPORT_REQUESTED = answer(
    "Accepted: it is being written.",
    {"success": True, "data": {**_EXPORT, "state": "requested", "download_url": None}, "meta": _META},
)
EXPORT = answer("How far it is.", {"success": True, "data": _EXPORT, "meta": _META})
DOWNLOAD: dict[str, Any] = {
    "description": "The export.",
    "content": {
        "application/json": {"schema": {"type": "object"}},
        "text/csv": {"schema": {"type": "string"}},
    },
}
KEYS_DISCOVERY = answer(
    "Where the keys are.",
    {"algo": "ed25519", "keys_url_template": "https://gateway.example/trust/keys/{tenant_id}"},
)
KEYS = answer(
    "All keys, oldest first.",
    {
        "tenant_id": _ULID,
        "keys": [
            {
                "key_id": _KEY_ID,
                "public_key_pem": _PEM,
                "published_at": "2026-04-01T00:00:00.000000+00:00",
                "status": "active",
                "retired_at": None,
                "revoked_at": None,
            }
        ],
    },
)
