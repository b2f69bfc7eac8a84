"""Examples of the routes of agents in the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from api.openapi import answer

_ULID = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"
_OTHER = "01K0B6W4M7RT2V9YQ3X5ZC8D1F"
_REQUEST = {"request_id": f"req_{_ULID}"}
_VERSIONED = {"ETag": "The version of the agent, for `If-Match`."}
_AT = "2026-04-01T00:00:00+00:00"
_AGENT: Mapping[str, Any] = {
    "id": _ULID,
    "name": "Triage",
    "description": "Sorts what comes in at night.",
    "owner": "j.reyes",
    "capabilities": ["summarize"],
    "default_expiry_hours": 8,
    "default_revocation_policy": "kill",
    "allowed_scope_types": ["external.tool.invoke", "agent.delegate"],
    "allowed_models": ["claude-haiku-4-5"],
    "credit_cap": 50_000,
    "credits_used": 3_300,
    "status": "active",
    "created_at": _AT,
    "updated_at": _AT,
    "archived_at": None,
}
_CASCADE = {"id": _ULID, "state": "running", "done": 0, "pending": 1, "irrevocable": 0}

CREATE_REQUEST: Mapping[str, Any] = {
    "plain": {"name": "Appointments", "default_expiry_hours": 1, "default_revocation_policy": "drain"},
    "bounded": {
        "name": "Triage",
        "description": "Sorts what comes in at night.",
        "owner": "j.reyes",
        "capabilities": ["summarize"],
        "default_expiry_hours": 8,
        "default_revocation_policy": "kill",
        "allowed_scope_types": ["external.tool.invoke", "agent.delegate"],
        "allowed_models": ["claude-haiku-4-5"],
        "credit_cap": 50_000,
    },
}
CHANGE_REQUEST: Mapping[str, Any] = {
    "another name": {"name": "Night triage"},
    "other models": {"allowed_models": ["claude-haiku-4-5", "claude-sonnet-4-6"]},
    "no cap": {"credit_cap": None},
}

AGENT = answer("The agent.", {"success": True, "data": {"agent": _AGENT}, "meta": _REQUEST}, headers=_VERSIONED)
AGENTS = answer(
    "One page of agents.",
    {"success": True, "data": [_AGENT], "meta": {**_REQUEST, "next_cursor": None, "has_more": False}},
)
ARCHIVED = answer(
    "The agent, what of its credentials and those below them goes along, and how far that is.",
    {
        "success": True,
        "data": {
            "agent": {**_AGENT, "status": "archived", "archived_at": _AT},
            "cascade_revoked_credential_ids": [_OTHER],
            "cascade": _CASCADE,
        },
        "meta": _REQUEST,
    },
    headers=_VERSIONED,
)
