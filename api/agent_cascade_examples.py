"""Examples of the receipt of a revocation in the OpenAPI document."""

from api.openapi import answer

_ULID = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"
_OTHER = "01K0B6W4M7RT2V9YQ3X5ZC8D1F"
_AT = "2026-04-01T00:00:00+00:00"
_LATER = "2026-04-01T00:00:02+00:00"

_ROOT = {"credential_id": _ULID, "agent_id": _ULID, "depth": 0, "state": "done", "settled_at": _LATER}

RECEIPT = answer(
    "How it stands.",
    {
        "success": True,
        "data": {
            "id": _ULID,
            "state": "running",
            "done": 1,
            "pending": 1,
            "irrevocable": 0,
            "agent_id": _ULID,
            "credential_id": _ULID,
            "reason": "shift_over",
            "created_at": _AT,
            "finished_at": None,
            "rechecked_at": None,
            "items": [
                _ROOT,
                {**_ROOT, "credential_id": _OTHER, "depth": 1, "state": "pending", "settled_at": None},
            ],
        },
        "meta": {"request_id": f"req_{_ULID}", "next_cursor": None, "has_more": False},
    },
)
