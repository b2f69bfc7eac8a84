"""What an audit entry says of compliance: the events that fired on a request's way, and the gate that refused it."""

from enum import StrEnum

from gateway.errors import GatewayError, Kind


class ComplianceEvent(StrEnum):
    """Facts about one request, roughly in the order in which they come about."""

    BAA_VERIFIED = "baa.verified"
    HISTORY_READ = "history.read"
    """Stored turns of its conversation were opened and go with it."""
    PLACEHOLDERS_RECALLED = "placeholders.recalled"
    """What stood in for which value in an earlier answer was opened."""
    RATE_ADMITTED = "rate.admitted"
    MODEL_OPT_IN_VERIFIED = "model.opt_in_verified"
    CREDITS_RESERVED = "credits.reserved"
    PHI_SCANNED = "phi.scanned"
    PHI_REDACTED = "phi.redacted"
    PHI_ALLOWED = "phi.allowed"
    """Found, and left as it was: the organisation said so."""
    PHI_BLOCKED = "phi.blocked"
    PHI_UNSCANNED = "phi.unscanned"
    """Images or documents, which nobody can scan, were let through: the organisation said so."""
    PROVIDER_FAILOVER = "provider.failover"
    ANSWER_SCANNED = "answer.scanned"
    ANSWER_PHI_RECORDED = "answer.phi_recorded"
    ANSWER_WITHHELD = "answer.withheld"
    """Made and charged, and not shown."""
    ANSWER_RESTORED = "answer.restored"
    CREDITS_SETTLED = "credits.settled"
    CREDITS_RETURNED = "credits.returned"
    CONTENT_STORED = "content.stored"
    CONTENT_NOT_STORED = "content.not_stored"
    CREDITS_OVERRUN = "credits.overrun"
    """It cost more than was reserved; known only as it is booked, hence last."""


class Gate(StrEnum):
    """What can refuse a request."""

    API_KEY = "api_key"
    NETWORK = "network"
    SCOPE = "scope"
    AGREEMENT = "agreement"
    RATE = "rate"
    MODEL = "model"
    FEATURE = "feature"
    CREDITS = "credits"
    PHI = "phi"
    IDEMPOTENCY = "idempotency"
    STATE = "state"
    """What it would change is not as it would have to be."""
    REQUEST = "request"
    """The request itself: its form, its size, or what it names."""
    PROVIDER = "provider"
    GATEWAY = "gateway"
    """A part of ours is down."""


_BY_CODE = {
    "MISSING_SCOPE": Gate.SCOPE,
    "DELEGATION_EXCEEDS_PARENT": Gate.SCOPE,
    "IP_NOT_ALLOWED": Gate.NETWORK,
    "OPUS_NOT_ENABLED": Gate.MODEL,
    "MODEL_NOT_ENABLED": Gate.MODEL,
    "MODEL_RETIRED": Gate.MODEL,
    "FEATURE_NOT_HIPAA_ELIGIBLE": Gate.FEATURE,
    "PHI_IN_TOOL_SCHEMA": Gate.PHI,
    "PROVIDER_REJECTED": Gate.PROVIDER,
    "IDEMPOTENCY_CONFLICT": Gate.IDEMPOTENCY,
    "IDEMPOTENCY_IN_PROGRESS": Gate.IDEMPOTENCY,
    "IDEMPOTENCY_NOT_REPLAYABLE": Gate.IDEMPOTENCY,
}

_BY_KIND = {
    Kind.INVALID: Gate.REQUEST,
    Kind.UNSUPPORTED: Gate.REQUEST,
    Kind.UNAUTHENTICATED: Gate.API_KEY,
    Kind.NO_AGREEMENT: Gate.AGREEMENT,
    Kind.OVER_BUDGET: Gate.CREDITS,
    Kind.FORBIDDEN: Gate.SCOPE,
    Kind.BLOCKED: Gate.PHI,
    Kind.NOT_FOUND: Gate.REQUEST,
    Kind.METHOD_NOT_ALLOWED: Gate.REQUEST,
    Kind.CONFLICT: Gate.STATE,
    Kind.STALE: Gate.STATE,
    Kind.GONE: Gate.STATE,
    Kind.TOO_LARGE: Gate.REQUEST,
    Kind.THROTTLED: Gate.RATE,
    Kind.UPSTREAM: Gate.PROVIDER,
    Kind.UPSTREAM_BUSY: Gate.PROVIDER,
    Kind.UPSTREAM_TIMEOUT: Gate.PROVIDER,
    Kind.UNAVAILABLE: Gate.GATEWAY,
    Kind.INTERNAL: Gate.GATEWAY,
}


def gate_of(error: GatewayError) -> Gate:
    """The gate that refuses with `error`."""
    return _BY_CODE.get(error.code) or _BY_KIND[error.kind]
