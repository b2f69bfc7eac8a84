"""What can go wrong with a request, as facts. No HTTP here: each dialect renders a `Kind` its own way."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from pydantic import JsonValue


class Kind(StrEnum):
    INVALID = "invalid"
    UNSUPPORTED = "unsupported"
    """Well formed, and not to be had here."""
    UNAUTHENTICATED = "unauthenticated"
    NO_AGREEMENT = "no_agreement"
    OVER_BUDGET = "over_budget"
    FORBIDDEN = "forbidden"
    BLOCKED = "blocked"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    STALE = "stale"
    GONE = "gone"
    TOO_LARGE = "too_large"
    THROTTLED = "throttled"
    UPSTREAM = "upstream"
    UPSTREAM_BUSY = "upstream_busy"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class GatewayError(Exception):
    """A fact about a request, safe to show to whoever sent it.

    `message` and `details` are fixed text, ids, numbers and names of declared
    fields: never prompt text, vendor bodies or exception strings, because each
    of those may quote a patient.
    """

    kind: ClassVar[Kind]
    code: ClassVar[str]
    message: ClassVar[str]
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        details: Mapping[str, JsonValue] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        self.text = message or self.message
        super().__init__(self.text)
        self.param = param
        self.details: Mapping[str, JsonValue] = details or {}
        self.retry_after_s = retry_after_s


class ValidationFailedError(GatewayError):
    kind, code = Kind.INVALID, "VALIDATION_FAILED"
    message = "The request is not valid."


class UnsupportedParameterError(GatewayError):
    kind, code = Kind.INVALID, "UNSUPPORTED_PARAMETER"
    message = "A parameter is not supported on this surface."


class PhiInToolSchemaError(GatewayError):
    kind, code = Kind.INVALID, "PHI_IN_TOOL_SCHEMA"
    message = "A tool definition contains protected health information."


class ProviderRejectedError(GatewayError):
    """The provider refused the request itself (its 4xx). `upstream_message` is raw: scrub it before showing it."""

    kind, code = Kind.INVALID, "PROVIDER_REJECTED"
    message = "The model provider rejected the request."

    def __init__(self, message: str | None = None, *, upstream_message: str = "", param: str | None = None) -> None:
        super().__init__(message, param=param)
        self.upstream_message = upstream_message


class InvalidApiKeyError(GatewayError):
    kind, code = Kind.UNAUTHENTICATED, "INVALID_API_KEY"
    message = "The API key is missing, malformed, unknown, expired or revoked."


class BaaRequiredError(GatewayError):
    kind, code = Kind.NO_AGREEMENT, "BAA_REQUIRED"
    message = "No active business associate agreement covers this request."


class CreditsExhaustedError(GatewayError):
    kind, code = Kind.OVER_BUDGET, "AI_CREDITS_EXHAUSTED"
    message = "The organization's credits do not cover this request."


class MissingScopeError(GatewayError):
    kind, code = Kind.FORBIDDEN, "MISSING_SCOPE"
    message = "The API key lacks a scope that this endpoint requires."


class IpNotAllowedError(GatewayError):
    """Never says which address it was: the sender may be learning what lies between us."""

    kind, code = Kind.FORBIDDEN, "IP_NOT_ALLOWED"
    message = "The API key may not be used from this network."


class OpusNotEnabledError(GatewayError):
    kind, code = Kind.FORBIDDEN, "OPUS_NOT_ENABLED"
    message = "Opus models are not enabled for this organization."


class ModelNotEnabledError(GatewayError):
    kind, code = Kind.FORBIDDEN, "MODEL_NOT_ENABLED"
    message = "This premium model is not enabled for this organization."


class FeatureNotEligibleError(GatewayError):
    kind, code = Kind.FORBIDDEN, "FEATURE_NOT_HIPAA_ELIGIBLE"
    message = "This feature is not covered and cannot be used through the gateway."


class PhiBlockedError(GatewayError):
    """`details.entity_types` names what was found; the values are nowhere."""

    kind, code = Kind.BLOCKED, "PHI_BLOCKED"
    message = "Protected health information was detected and this organization blocks it."


class RetrievalPhiBlockedError(PhiBlockedError):
    """In what a model gave to a tool of ours. Nobody who asks can name the place: the model wrote it."""

    code = "RETRIEVAL_PHI_BLOCKED"
    message = "A tool was to be given protected health information, and this organization blocks that."


class NotFoundError(GatewayError):
    kind, code = Kind.NOT_FOUND, "RESOURCE_NOT_FOUND"
    message = "The resource does not exist."


class MethodNotAllowedError(GatewayError):
    kind, code = Kind.METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"
    message = "This method is not allowed here."


class AlreadyRotatedError(GatewayError):
    kind, code = Kind.CONFLICT, "API_KEY_ALREADY_ROTATED"
    message = "The API key has a successor already. Revoke that one to rotate again."


class AgreementRevisionError(GatewayError):
    """`details` has the hashes of what is on offer now."""

    kind, code = Kind.CONFLICT, "BAA_REVISION_STALE"
    message = "The agreement's text or the statements on offer are others. Fetch and read them again."


class AgreementTokenError(GatewayError):
    kind, code = Kind.CONFLICT, "BAA_TOKEN_INVALID"
    message = "The token is not of this text, organization and key, or older than a day. Fetch the agreement again."


class AgreementNotOfferedError(GatewayError):
    """Without the other party there is no contract to accept."""

    kind, code = Kind.CONFLICT, "BAA_NOT_OFFERED"
    message = "This gateway's operator has not said who signs for them. Ask the operator."


class IdempotencyConflictError(GatewayError):
    kind, code = Kind.CONFLICT, "IDEMPOTENCY_CONFLICT"
    message = "The idempotency key was used for another request. Send the same bytes again, or use a new key."


class IdempotencyInProgressError(GatewayError):
    """The request that has the key is being worked on: asked again later, it has its answer or is free."""

    kind, code = Kind.CONFLICT, "IDEMPOTENCY_IN_PROGRESS"
    message = "The request with this idempotency key is still running. Send it again shortly."
    retryable = True


class IdempotencyNotReplayableError(GatewayError):
    """Done, and charged; `details.message_id` is the record's."""

    kind, code = Kind.CONFLICT, "IDEMPOTENCY_NOT_REPLAYABLE"
    message = "The request with this idempotency key was answered. Its answer is not kept: a new key asks anew."


class PreconditionFailedError(GatewayError):
    kind, code = Kind.STALE, "PRECONDITION_FAILED"
    message = "The resource has changed since it was read."


class ModelRetiredError(GatewayError):
    kind, code = Kind.GONE, "MODEL_RETIRED"
    message = "This model has been retired."


class TooLargeError(GatewayError):
    kind, code = Kind.TOO_LARGE, "REQUEST_TOO_LARGE"
    message = "The request body is too large."


class RateLimitedError(GatewayError):
    """Faster than its tier allows; `details.limit` names the limit. `retry_after_s` is when there may be room."""

    kind, code = Kind.THROTTLED, "RATE_LIMITED"
    message = "The rate limit is reached. Slow down."
    retryable = True

    def __init__(self, *, limit: str = "key_rpm", retry_after_s: int = 1, repeated: bool = False) -> None:
        super().__init__(details={"limit": limit}, retry_after_s=retry_after_s)
        self.repeated = repeated
        """Whether the audit log has such a refusal of this caller's already, of the last minute."""


class UpstreamFailureError(GatewayError):
    """An answer that makes no sense: given, and perhaps billed, so it is not asked for again."""

    kind, code = Kind.UPSTREAM, "INFERENCE_UPSTREAM_FAILURE"
    message = "The model provider failed to answer."
    retryable = True


class TriesUsedUpError(UpstreamFailureError):
    """Work in the background has been tried as often as it is."""

    retryable = False


class UpstreamBrokenOffError(UpstreamFailureError):
    """An answer that had begun and ended too early."""


class UpstreamUnreachableError(UpstreamFailureError):
    """No connection, or one that ended before an answer began, or the vendor's own error (5xx)."""


class UpstreamMisconfiguredError(UpstreamFailureError):
    """The vendor refused our key, our bill or our name for the model: asking again would change nothing."""


class UpstreamTimeoutError(GatewayError):
    """No answer began in time."""

    kind, code = Kind.UPSTREAM_TIMEOUT, "INFERENCE_UPSTREAM_FAILURE"
    message = "The model provider did not answer in time."
    retryable = True


class UpstreamStalledError(UpstreamTimeoutError):
    """An answer that had begun did not go on."""


class UpstreamBusyError(GatewayError):
    kind, code = Kind.UPSTREAM_BUSY, "INFERENCE_UNAVAILABLE"
    message = "The model provider is over capacity. Try again shortly."
    retryable = True


class UpstreamThrottledError(UpstreamBusyError):
    """We ask the provider more than our account there allows (its 429). It is up, and answers others."""


class UnavailableError(GatewayError):
    """A part of ours is down: database, detector, audit. Nothing was sent to a provider."""

    kind, code = Kind.UNAVAILABLE, "INFERENCE_UNAVAILABLE"
    message = "The gateway is temporarily unavailable. Try again shortly."
    retryable = True


class InternalError(GatewayError):
    kind, code = Kind.INTERNAL, "INTERNAL_ERROR"
    message = "The gateway failed. Quote the request id to support."
    retryable = True
