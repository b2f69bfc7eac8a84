"""Examples of the routes of agents' credentials in the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from api.openapi import answer

_ULID = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"
_OTHER = "01K0B6W4M7RT2V9YQ3X5ZC8D1F"
_REQUEST = {"request_id": f"req_{_ULID}"}
_AT = "2026-04-01T00:00:00+00:00"
_END = "2026-04-01T08:00:00+00:00"
_LOOKUP = {"type": "external.tool.invoke", "tool_id": "lookup_appointment", "rate_limit": 100}
_CREDENTIAL: Mapping[str, Any] = {
    "id": _ULID,
    "agent_id": _ULID,
    "name": "Night shift",
    "description": None,
    "prefix": "hasp_agent_",
    "last_four": "7K2M",
    "mode": "live",
    "status": "active",
    "granted_scopes": [_LOOKUP],
    "delegating_user": "j.reyes",
    "parent_id": None,
    "delegation_path": [],
    "replaces": None,
    "revocation_policy": "kill",
    "max_concurrent_invocations": 10,
    "issued_by": f"key:{_ULID}",
    "created_at": _AT,
    "expires_at": _END,
    "retires_at": None,
    "last_used_at": None,
    "revoked_at": None,
    "revocation_reason": None,
}
_TOKEN = "hasp_agent_" + "2" * 32
_REVOKED = {**_CREDENTIAL, "status": "revoked", "revoked_at": _AT, "revocation_reason": "shift_over"}
_CASCADE = {"id": _ULID, "state": "running", "done": 0, "pending": 2, "irrevocable": 0}

ISSUE_REQUEST: Mapping[str, Any] = {
    "one tool": {"name": "Night shift", "granted_scopes": [_LOOKUP], "delegating_user": "j.reyes"},
    "to be handed on": {
        "name": "Night shift",
        "granted_scopes": [_LOOKUP, {"type": "agent.delegate", "to_agent_id": _OTHER, "max_chain_depth": 1}],
        "delegating_user": "j.reyes",
        "expires_at": _END,
        "revocation_policy": "drain",
        "max_concurrent_invocations": 5,
    },
    "data": {
        "name": "Own appointments",
        "granted_scopes": [
            {
                "type": "hasp.data.read",
                "entities": ["appointment"],
                "filters": {"owner_id": "{{delegating_user.id}}"},
            }
        ],
        "delegating_user": "j.reyes",
    },
}
REVOKE_REQUEST: Mapping[str, Any] = {"plain": {}, "with a reason": {"reason": "shift_over"}}
ROTATE_REQUEST: Mapping[str, Any] = {"an hour": {}, "at once": {"overlap_seconds": 0}}

CREDENTIAL = answer("The credential.", {"success": True, "data": {"credential": _CREDENTIAL}, "meta": _REQUEST})
CREDENTIALS = answer(
    "One page of credentials, without their tokens.",
    {"success": True, "data": [_CREDENTIAL], "meta": {**_REQUEST, "next_cursor": None, "has_more": False}},
)
NEW_CREDENTIAL = answer(
    "The credential, with its token for the only time.",
    {"success": True, "data": {"credential": _CREDENTIAL, "token": _TOKEN}, "meta": _REQUEST},
)
SUCCESSOR = answer(
    "The successor, with its token for the only time, and the credential that it replaces.",
    {
        "success": True,
        "data": {
            "credential": {**_CREDENTIAL, "id": _OTHER, "replaces": _ULID},
            "token": _TOKEN,
            "replaced": {**_CREDENTIAL, "retires_at": "2026-04-01T01:00:00+00:00"},
        },
        "meta": _REQUEST,
    },
)
REVOKED = answer(
    "The credential, what it takes along, and how far that is: the receipt has it all.",
    {
        "success": True,
        "data": {"credential": _REVOKED, "cascade_revoked_credential_ids": [_OTHER], "cascade": _CASCADE},
        "meta": _REQUEST,
    },
)
