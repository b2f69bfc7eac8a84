"""Examples of OAuth's answers, for the OpenAPI document."""

from typing import Any

from api.openapi import answer

_ULID = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"
_BASE = "https://gateway.example"
_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["token"],
    "properties": {
        "token": {"type": "string", "description": "An agent's token."},
        "token_type_hint": {"type": "string", "description": "`access_token`. There is one kind of token."},
    },
}

TOKEN_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": _FORM,
                "examples": {"token": {"value": {"token": "hasp_agent_…"}}},
            }
        },
    }
}
INTROSPECTED = answer(
    "What the token is good for, or only that it is not active.",
    {
        "active": True,
        "iss": _BASE,
        "sub": "j.reyes",
        "client_id": _ULID,
        "jti": _ULID,
        "token_type": "Bearer",
        "iat": 1775001600,
        "exp": 1775005200,
        "scope": "external.tool.invoke",
        "authorization_details": [{"type": "external.tool.invoke", "tool_id": "lookup_appointment", "rate_limit": 60}],
        "act": {"sub": _ULID},
        "hasp_mode": "live",
        "hasp_delegation_path": [],
    },
)
REVOKED = answer("The token is good for nothing, whatever it was before.", {})
METADATA = answer(
    "The metadata.",
    {
        "issuer": _BASE,
        "introspection_endpoint": f"{_BASE}/v1/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "Bearer"],
        "revocation_endpoint": f"{_BASE}/v1/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "Bearer"],
        "response_types_supported": [],
        "grant_types_supported": [],
        "authorization_details_types_supported": ["hasp.data.read", "external.tool.invoke"],
        "service_documentation": f"{_BASE}/docs",
    },
)
SCHEMA = answer("The schema.", {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "array"})
