"""The audit log's public keys, for everybody who checks an export: no key, no tenant's data (spec B8)."""

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from api import audit_examples as examples
from api.dialect import dialect_route
from api.native.envelope import CONTROL
from api.openapi import errors
from api.state import gateway_of
from gateway import errors as facts
from gateway.audit import canonical_time
from gateway.audit.envelope import published
from gateway.audit.signing import ALGORITHM
from gateway.errors import NotFoundError
from gateway.ids import find_ulid
from storage.audit_keys import AuditKey

router = APIRouter(route_class=dialect_route(CONTROL), tags=["Trust"])

_NO_KEY: dict[str, Any] = {"security": []}
_KEPT_S = 60
"""How much later than we others may learn that a key was revoked."""


@router.get(
    "/.well-known/audit-keys.json",
    summary="Where audit keys are published",
    response_class=Response,
    responses={200: examples.KEYS_DISCOVERY},
    openapi_extra=_NO_KEY,
)
async def discover_keys(request: Request) -> Response:
    """The algorithm of signatures, and the address of an organization's keys. Needs no key."""
    base_url = gateway_of(request).settings.base_url
    return _public({"algo": ALGORITHM, "keys_url_template": f"{base_url}/trust/keys/{{tenant_id}}"})


@router.get(
    "/trust/keys/{tenant_id}",
    summary="Audit keys of an organization",
    response_class=Response,
    responses={200: examples.KEYS, **errors(CONTROL, facts.NotFoundError, facts.UnavailableError)},
    openapi_extra=_NO_KEY,
)
async def get_keys(request: Request, tenant_id: str) -> Response:
    """Every key that ever sealed audit entries, with its status. Needs no key.

    One installation seals all its organizations' logs with the same keys, and never says which organizations there
    are: any id is answered.
    """
    org = find_ulid(tenant_id, "org_")
    if org is None:
        raise NotFoundError
    keys = await gateway_of(request).storage.audit_keys.all()
    return _public({"tenant_id": org, "keys": [_key(each) for each in keys]})


def _key(known: AuditKey) -> dict[str, Any]:
    revoked_at = None if known.revoked_at is None else canonical_time(known.revoked_at)
    return {**published(known.key), "revoked_at": revoked_at}


def _public(body: dict[str, Any]) -> Response:
    headers = {"cache-control": f"public, max-age={_KEPT_S}"}
    return Response(orjson.dumps(body), headers=headers, media_type="application/json")
