"""Examples of the OpenAPI document. Tests hold them to the schemas and to what routes answer."""

from collections.abc import Mapping
from typing import Any

from api.openapi import answer

_ULID = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"
_REQUEST = {"request_id": f"req_{_ULID}"}
_USAGE = {
    "model": "claude-sonnet-4-6",
    "input_tokens": 18,
    "output_tokens": 74,
    "cache_read_input_tokens": 0,
    "cache_creation_input_tokens": 0,
    "sonnet_equivalent_tokens": 92,
    "cost_usd": 0.001164,
}
_IGNORED = {"hasp-ignored-parameters": "Parameters that were taken and that nobody reads, comma-separated."}
_TOLD = {
    "hasp-answered-by": "The model that answered, where it is an equivalent of the one that was asked.",
    **_IGNORED,
    "hasp-upstream": "`sandbox`, where the answer is made up.",
}
_NAMED = {"hasp-model": "The model that was meant, where the request's `model` is a shorthand or `auto`."}
_PHI = {"mode": "redact", "action": "redacted", "entity_types": ["PERSON"], "redaction_count": 1}
_ANTHROPIC_USAGE = {
    "input_tokens": 18,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 74,
}
_WEATHER_TOOL = {
    "name": "find_slot",
    "description": "Finds a free appointment.",
    "input_schema": {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]},
}

CHAT_REQUEST: Mapping[str, Any] = {
    "one message": {"message": "Summarize the visit note in one sentence.", "stream": False},
    "continued, streamed": {"message": "And the follow-up?", "conversation_id": f"conv_{_ULID}"},
    "with a tool": {
        "messages": [{"role": "user", "content": "Is Tuesday free?"}],
        "tools": [_WEATHER_TOOL],
        "tool_choice": {"type": "auto"},
        "store": False,
        "stream": False,
    },
}
CHAT = answer(
    "The answer, or the event stream of it.",
    {
        "success": True,
        "data": {
            "message": {
                "id": f"msg_{_ULID}",
                "role": "assistant",
                "content": "The visit was routine.",
                "stop_reason": "end_turn",
            },
            "conversation_id": f"conv_{_ULID}",
        },
        "meta": {**_REQUEST, "usage": _USAGE, "phi": _PHI},
    },
    events=(
        f"event: run.created\nid: evt_{_ULID}\n"
        f'data: {{"id":"evt_{_ULID}","object":"event","type":"run.created","api_version":"2026-04-01",'
        f'"created":1775001600,"data":{{"request_id":"req_{_ULID}","message_id":"msg_{_ULID}",'
        f'"run_id":"run_{_ULID}","conversation_id":"conv_{_ULID}"}}}}\n\n'
        f"event: message.delta\nid: evt_{_ULID}\n"
        f'data: {{"id":"evt_{_ULID}","object":"event","type":"message.delta","api_version":"2026-04-01",'
        f'"created":1775001601,"data":{{"message_id":"msg_{_ULID}","delta":{{"type":"text","text":"The visit"}}}}}}\n\n'
    ),
    headers=_TOLD,
)
RECORD = answer(
    "The record. `messages`, `system` and `content` are null when no content is kept.",
    {
        "success": True,
        "data": {
            "id": f"msg_{_ULID}",
            "object": "inference",
            "request_id": f"req_{_ULID}",
            "surface": "native",
            "status": "completed",
            "model": "claude-sonnet-4-6",
            "conversation_id": f"conv_{_ULID}",
            "created_at": "2026-04-01T00:00:00+00:00",
            "completed_at": "2026-04-01T00:00:02+00:00",
            "store": True,
            "system": None,
            "messages": [{"role": "user", "content": "Summarize the visit note in one sentence."}],
            "first_message_index": 0,
            "content": [{"type": "text", "text": "The visit was routine."}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": _USAGE,
            "phi": {**_PHI, "findings": []},
            "audit": {"entry_id": _ULID, "integrity_hash": "9f86d081884c7d65" * 4},
        },
        "meta": _REQUEST,
    },
)
MESSAGE_REQUEST: Mapping[str, Any] = {
    "plain": {
        "model": "claude-sonnet-4-6",
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": "Summarize the visit note in one sentence."}],
    },
    "streamed, with a tool": {
        "model": "claude-haiku-4-5",
        "max_tokens": 1024,
        "stream": True,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Is Tuesday free?"}]}],
        "tools": [_WEATHER_TOOL],
        "tool_choice": {"type": "tool", "name": "find_slot"},
    },
}
_MESSAGE = {
    "id": f"msg_{_ULID}",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-6",
    "content": [{"type": "text", "text": "The visit was routine."}],
    "container": None,
    "diagnostics": None,
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "stop_details": None,
    "usage": _ANTHROPIC_USAGE,
}
_MESSAGE_EVENTS = (
    "event: content_block_delta\n"
    'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"The visit"}}\n\n'
)
MESSAGE = answer(
    "Anthropic's message object with an additive `meta`, or its exact event stream.",
    {**_MESSAGE, "meta": {**_REQUEST, "usage": _USAGE}},
    events=_MESSAGE_EVENTS,
    headers=_TOLD,
)
PLAIN_MESSAGE = answer(
    "Anthropic's message object, or its event stream.", _MESSAGE, events=_MESSAGE_EVENTS, headers={**_TOLD, **_NAMED}
)
TOKEN_COUNT_REQUEST: Mapping[str, Any] = {
    "plain": {"model": "claude-sonnet-4-6", "messages": [{"role": "user", "content": "How long is this?"}]},
}
TOKEN_COUNT = answer("The count.", {"input_tokens": 12}, headers=_IGNORED)
SHORTHAND_REQUEST: Mapping[str, Any] = {
    "by a shorthand": {**MESSAGE_REQUEST["plain"], "model": "sonnet"},
    "by Claude's own name, streamed": {
        **MESSAGE_REQUEST["plain"],
        "model": "claude-haiku-4-5-20251001",
        "stream": True,
        "context_management": {"edits": []},
    },
}
SHORTHAND_COUNT_REQUEST: Mapping[str, Any] = {"plain": {**TOKEN_COUNT_REQUEST["plain"], "model": "sonnet"}}
PLAIN_TOKEN_COUNT = answer("The count.", {"input_tokens": 12}, headers={**_IGNORED, **_NAMED})

_MODEL = {
    "type": "model",
    "object": "model",
    "id": "claude-sonnet-4-6",
    "owned_by": "anthropic",
    "created": 1_775_001_600,
    "display_name": "Claude Sonnet 4.6",
    "created_at": "2026-04-01T00:00:00+00:00",
    "lifecycle": "active",
    "line": None,
    "capabilities": None,
    "deprecated_at": None,
    "max_input_tokens": 1_000_000,
    "max_tokens": 64_000,
    "retires_at": None,
    "tier": "standard",
    "context_tokens": 1_000_000,
    "abilities": ["sampling", "thinking", "tools", "vision"],
    "baa_coverage": "hasp_anthropic_baa_2026",
    "recommended_replacement": None,
}
MODEL = answer("The model.", _MODEL)
MODELS = answer(
    "One page of models.",
    {
        "object": "list",
        "data": [_MODEL],
        "has_more": False,
        "first_id": "claude-sonnet-4-6",
        "last_id": "claude-sonnet-4-6",
    },
)
_PLAIN_MODEL = {
    "type": "model",
    "id": "claude-sonnet-4-6",
    "display_name": "Claude Sonnet 4.6",
    "created_at": "2026-04-01T00:00:00+00:00",
    "lifecycle": "active",
}
PLAIN_MODEL = answer("The model.", _PLAIN_MODEL)
PLAIN_MODELS = answer(
    "One page of the models that the caller may use.",
    {"data": [_PLAIN_MODEL], "has_more": False, "first_id": "claude-sonnet-4-6", "last_id": "claude-sonnet-4-6"},
)

_KEY = {
    "id": _ULID,
    "name": "Scheduling assistant",
    "prefix": "hasp_key_live_",
    "last_four": "7KQD",
    "scopes": ["ai:chat"],
    "mode": "live",
    "expires_at": "2027-04-01T00:00:00+00:00",
    "ip_allowlist": ["192.0.2.0/24", "2001:db8::/32"],
    "credit_cap": 50_000,
    "credits_used": 3_300,
    "owner": None,
    "model_shorthands": {"haiku": None, "sonnet": "gpt-5.4", "opus": None},
    "model_shorthands_enabled": True,
    "auto_mode": "performance",
    "replaces": None,
    "retires_at": None,
    "last_used_at": None,
    "created_at": "2026-04-01T00:00:00+00:00",
    "revoked_at": None,
}
_PAGE = {**_REQUEST, "next_cursor": None, "has_more": False}
NEW_KEY_REQUEST: Mapping[str, Any] = {
    "live": {"name": "Scheduling assistant", "scopes": ["ai:chat"]},
    "test": {"name": "Continuous integration", "scopes": ["ai:chat", "control:read"], "mode": "test"},
    "bounded": {
        "name": "Night shift",
        "scopes": ["ai:chat"],
        "expires_at": "2027-04-01T00:00:00Z",
        "ip_allowlist": ["192.0.2.0/24", "2001:db8::/32"],
        "credit_cap": 50_000,
    },
    "of a user": {"name": "Agents of J. Reyes", "scopes": ["control:read", "control:write"], "owner": "j.reyes"},
}
CHANGE_KEY_REQUEST: Mapping[str, Any] = {
    "prolong": {"expires_at": "2027-04-01T00:00:00Z"},
    "anywhere": {"ip_allowlist": None},
    "no cap": {"credit_cap": None},
    "shorthands": {"model_shorthands": {"sonnet": "gpt-5.4"}, "model_shorthands_enabled": True},
    "as their family again": {"model_shorthands_enabled": False},
    "cheaper": {"auto_mode": "lite"},
}
ROTATE_KEY_REQUEST: Mapping[str, Any] = {"a week": {"grace_seconds": 604_800}, "a day": {}}
SUCCESSOR_KEY = answer(
    "The successor, with its plaintext for the only time.",
    {"success": True, "data": {**_KEY, "replaces": _ULID, "plaintext": "hasp_key_live_" + "X" * 32}, "meta": _REQUEST},
)
KEY = answer("The key as it is now.", {"success": True, "data": _KEY, "meta": _REQUEST})
KEYS = answer("One page of keys.", {"success": True, "data": [_KEY], "meta": _PAGE})
NEW_KEY = answer(
    "The key, with its plaintext for the only time.",
    {"success": True, "data": {**_KEY, "plaintext": "hasp_key_live_" + "X" * 32}, "meta": _REQUEST},
)
REVOKED_KEY = answer(
    "It is revoked.",
    {
        "success": True,
        "data": {"id": _ULID, "deleted": True, "revoked_at": "2026-04-02T00:00:00+00:00"},
        "meta": _REQUEST,
    },
)

_TOTALS = {"requests": 12, "input_tokens": 2_400, "output_tokens": 900, "credits": 3_300, "cost_usd": 0.0207}
USAGE = answer(
    "The current period.",
    {
        "success": True,
        "data": {
            "period": {
                "start": "2026-04-01T00:00:00+00:00",
                "end": "2026-05-01T00:00:00+00:00",
                "time_zone": "UTC",
            },
            "credits": {
                "allotment": 1_000_000,
                "carried": 0,
                "spend_cap": None,
                "limit": 1_000_000,
                "used": 3_300,
                "held": 0,
                "remaining": 996_700,
                "overrun": 0,
                "overage_purchased": 0,
                "overage_consumed": 0,
            },
            "requests": {"total": 12},
            "credits_allotment": 1_000_000,
            "credits_used": 3_300,
            "credits_remaining": 996_700,
            "by_model": [{"model": "claude-sonnet-4-6", **_TOTALS}],
            "by_key": [{"key_id": _ULID, **_TOTALS}],
            "by_agent": [],
            "by_day": [{"date": "2026-04-01", **_TOTALS}],
        },
        "meta": _REQUEST,
    },
)
_SPAN = {"of": "own", "start": "2026-04-01T00:00:00+00:00", "end": "2026-04-02T00:00:00+00:00"}
_PAGED = {**_REQUEST, "limit": 50, "offset": 0, "has_more": False}
USAGE_SUMMARY = answer("What was used.", {"success": True, "data": {**_SPAN, **_TOTALS}, "meta": _REQUEST})
USAGE_BY_MODEL = answer(
    "What was used, by model.",
    {"success": True, "data": {**_SPAN, "models": [{"model": "claude-sonnet-4-6", **_TOTALS}]}, "meta": _PAGED},
)
USAGE_BY_USER = answer(
    "What was used, by user.",
    {"success": True, "data": {**_SPAN, "users": [{"user": "j.reyes", **_TOTALS}]}, "meta": _PAGED},
)
USAGE["content"]["text/csv"] = {
    "schema": {"type": "string"},
    "example": "period_start,group,id,name,requests,input_tokens,output_tokens,credits,cost_usd\r\n"
    "2026-04-01,day,2026-04-01,,12,2400,900,3300,0.020700\r\n"
    "2026-04-01,model,claude-sonnet-4-6,,12,2400,900,3300,0.020700\r\n"
    f"2026-04-01,key,{_ULID},Scheduling assistant,12,2400,900,3300,0.020700\r\n",
}
_VERSIONED = {"ETag": {"schema": {"type": "string"}, "description": "The version of policy and budget."}}
BUDGET_REQUEST: Mapping[str, Any] = {
    "cap": {"spend_cap": 500_000},
    "no cap": {"spend_cap": None},
    "alerts": {"alert_thresholds": [50, 80, 95]},
    "models": {"opus_enabled": True, "premium_models_enabled": ["gpt-5.5"]},
}
BUDGET = answer(
    "The budget. Its `ETag` header goes into `If-Match`.",
    {
        "success": True,
        "data": {
            "spend_cap": 500_000,
            "alert_thresholds": [50, 80, 95],
            "credits_allotment": 1_000_000,
            "rollover_limit": 0,
            "time_zone": "America/New_York",
            "anchor_day": 1,
            "opus_enabled": True,
            "premium_models_enabled": ["gpt-5.5"],
            "period": {
                "start": "2026-04-01T04:00:00+00:00",
                "end": "2026-05-01T04:00:00+00:00",
                "carried": 0,
                "limit": 500_000,
                "used": 3_300,
                "held": 4_200,
                "remaining": 492_500,
                "overrun": 0,
            },
        },
        "meta": _REQUEST,
    },
)
BUDGET["headers"] = _VERSIONED
_BUDGET_FIELDS = BUDGET["content"]["application/json"]["schema"]["properties"]["data"]["properties"]
_BUDGET_FIELDS["spend_cap"]["type"] = ["integer", "null"]
POLICY_REQUEST: Mapping[str, Any] = {
    "block": {"phi_mode": "block"},
    "own terms": {"phi_deny_terms": ["Project Bluebird"], "phi_allow_terms": ["Foley"], "phi_threshold": 0.45},
    "some kinds only": {
        "phi_profile": "custom",
        "phi_entities": ["PERSON", "US_SSN", "MEDICAL_RECORD_NUMBER"],
        "acknowledge_phi_leaves": True,
    },
    "chats": {"allowed_tools": ["calculator", "knowledge_search", "desk_*"], "default_model": "auto"},
}
POLICY = answer(
    "The policy. Its `ETag` header goes into `If-Match`.",
    {
        "success": True,
        "data": {
            "phi_mode": "redact",
            "phi_profile": "safe_harbor",
            "phi_entities": None,
            "phi_threshold": 0.5,
            "phi_deny_terms": ["Project Bluebird"],
            "phi_allow_terms": ["Foley"],
            "phi_answers": "record",
            "restore_answers": True,
            "unscannable": "refuse",
            "storage_mode": "full",
            "retention_days": 2555,
            "minimum_retention_days": 0,
            "legal_hold": False,
            "retention": {"effective_days": 2555, "held": False, "takes_effect_at": None},
            "phi_retrieval_behavior": "redact",
            "failover_enabled": False,
            "allowed_tools": ["*"],
            "default_model": "auto",
        },
        "meta": _REQUEST,
    },
) | {"headers": _VERSIONED}
_STANDING = {
    "status": "operational",
    "latency_ms_p50": 1261,
    "error_rate": 0.0,
    "circuit": "closed",
    "last_checked_at": "2026-04-01T00:04:00+00:00",
}
_UNSEEN = _STANDING | {"status": "unknown", "latency_ms_p50": None, "error_rate": None, "last_checked_at": None}
PROVIDER_STATUS = answer(
    "How each provider and its models answer now.",
    {
        "success": True,
        "data": {
            "status": "operational",
            "providers": [
                {
                    "id": "anthropic",
                    **_STANDING,
                    "models": [{"id": "claude-sonnet-4-6", **_STANDING}],
                    "history": [
                        {
                            "at": "2026-04-01T00:00:00+00:00",
                            "status": "operational",
                            "latency_ms_p50": 1261,
                            "error_rate": 0.0,
                        }
                    ],
                },
                {
                    "id": "ward",
                    **_UNSEEN,
                    "models": [{"id": "llama-3.3-70b", **_UNSEEN}],
                    "history": [
                        {
                            "at": "2026-04-01T00:00:00+00:00",
                            "status": "unknown",
                            "latency_ms_p50": None,
                            "error_rate": None,
                        }
                    ],
                },
            ],
        },
        "meta": _REQUEST,
    },
)
SCAN_REQUEST: Mapping[str, Any] = {"plain": {"text": "Jane Roe, MRN 48213377, was seen today."}}
SCAN = answer(
    "What would be masked, and the text as a provider would see it.",
    {
        "success": True,
        "data": {
            "entities": [
                {"type": "PERSON", "placeholder": "[NAME_1]", "start": 0, "end": 8, "score": 0.85},
                {"type": "MEDICAL_RECORD_NUMBER", "placeholder": "[MRN_1]", "start": 14, "end": 22, "score": 0.95},
            ],
            "entity_types": ["MEDICAL_RECORD_NUMBER", "PERSON"],
            "redaction_count": 2,
            "redacted_text": "[NAME_1], MRN [MRN_1], was seen today.",
            "phi_mode": "redact",
            "phi_profile": "safe_harbor",
        },
        "meta": _REQUEST,
    },
)

_UP = {"database": "up", "access_channel": "up", "clock": "up", "phi_scanner": "up"}
ALIVE = answer("It runs.", {"status": "alive"})
READY = answer("Send requests.", {"status": "ready", "dependencies": _UP})
NOT_READY = answer(
    "Send none: a dependency is down, or the process is stopping.",
    {"status": "unavailable", "dependencies": {**_UP, "database": "down"}},
)
