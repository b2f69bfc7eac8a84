"""Examples of the agreement's routes in the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from api.openapi import answer

_ULID = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"
_REQUEST = {"request_id": f"req_{_ULID}"}
_SHA256 = "0f3c8d1e5a7b9c2d4e6f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5"
_SIGNER = {
    "name": "Anna Müller",
    "title": "Chief Privacy Officer",
    "email": "anna.mueller@mercy.example",
    "organization_name": "Mercy General Hospital",
}
_PENDING: Mapping[str, Any] = {
    "id": _ULID,
    "status": "pending",
    "template_version": "2026-11",
    "template_sha256": _SHA256,
    "covers": ["hasp_anthropic_baa_2026"],
    "organization": {"id": _ULID, "name": _SIGNER["organization_name"]},
    "signer_name": _SIGNER["name"],
    "signer_title": _SIGNER["title"],
    "signer_email": _SIGNER["email"],
    "ip_address": "203.0.113.7",
    "accepted_at": "2026-11-22T16:00:00+00:00",
    "effective_at": "2026-11-22T16:00:00+00:00",
    "expires_at": None,
    "ends_at": None,
    "countersigned_at": None,
    "document_sha256": None,
    "document_size": None,
}
_SIGNED = {
    **_PENDING,
    "status": "active",
    "countersigned_at": "2026-11-22T16:00:02+00:00",
    "document_sha256": _SHA256,
    "document_size": 143_872,
}

AGREEMENT = answer(
    "Where the organization stands, the text, and what accepting it takes.",
    {
        "success": True,
        "data": {
            "status": "none",
            "active_acceptance_id": None,
            "pending_acceptance_id": None,
            "ends_at": None,
            "readable_until": None,
            "is_current": False,
            "template": {
                "version": "2026-11",
                "sha256": _SHA256,
                "title": "Business Associate Agreement",
                "url": "https://gateway.example/v1/compliance/baa",
                "changes": "What is new, in plain language.",
                "text": "BUSINESS ASSOCIATE AGREEMENT ...",
            },
            "signing": {
                "method": "POST",
                "url": "https://gateway.example/v1/compliance/baa/acceptances",
                "token": f"baa1.1795363200.1.{_SHA256}",
                "token_expires_at": "2026-11-23T15:55:00+00:00",
                "authority_statement": "I am authorized to enter into this agreement ...",
                "consent_text": "I have read the agreement and accept it ...",
                "consent_sha256": _SHA256,
                "covers": ["hasp_anthropic_baa_2026"],
                "countersigned_by": {
                    "organization_name": "Example Health Cloud, Inc.",
                    "name": "Jordan Reyes",
                    "title": "General Counsel",
                },
            },
        },
        "meta": _REQUEST,
    },
    headers={"hasp-baa-token": "The token of `signing`, where the text is asked for as text or PDF."},
)
AGREEMENT["content"] |= {
    "text/plain": {"schema": {"type": "string"}, "example": "BUSINESS ASSOCIATE AGREEMENT ..."},
    "application/pdf": {"schema": {"type": "string", "format": "binary"}},
}
ACCEPT_REQUEST: Mapping[str, Any] = {
    "accept": {
        "template_sha256": _SHA256,
        "token": f"baa1.1795363200.1.{_SHA256}",
        "signer": _SIGNER,
        "authority": True,
        "consent_sha256": _SHA256,
    }
}
NEW_ACCEPTANCE = answer(
    "Accepted; in force when its document is signed.", {"success": True, "data": _PENDING, "meta": _REQUEST}
)
ACCEPTANCE = answer("The acceptance.", {"success": True, "data": _SIGNED, "meta": _REQUEST})
ACCEPTANCES = answer(
    "Acceptances, newest first.",
    {
        "success": True,
        "data": [_SIGNED],
        "meta": {**_REQUEST, "next_cursor": None, "has_more": False},
    },
)
DOCUMENT: dict[str, Any] = {
    "description": "The signed PDF.",
    "content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}},
}
