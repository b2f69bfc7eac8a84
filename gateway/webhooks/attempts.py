"""One try at a delivery: what is sent, and what came of it."""

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.webhooks.signing import SigningSecret


class Failure(StrEnum):
    """Why a try failed: the closed vocabulary of attempts, in rows, in answers and in Temporal."""

    TIMEOUT = "timeout"
    """No answer within the limit."""
    FORBIDDEN_TARGET = "forbidden_target"
    """The URL does not lead to the public Internet. Nothing was connected to."""
    NAME_NOT_RESOLVED = "name_not_resolved"
    """The name has no address, or none that is public. Nothing was connected to."""
    CONNECTION_FAILED = "connection_failed"
    CONNECTION_LOST = "connection_lost"
    """Connected, and then closed before an answer."""
    TLS_FAILED = "tls_failed"
    """Above all: a certificate that is not of this name, or of an authority nobody knows."""
    INVALID_ANSWER = "invalid_answer"
    """Not HTTP, a head that is too large, or too many of them."""
    REDIRECTED = "redirected"
    """Any 3xx: redirects are not followed."""
    THROTTLED = "throttled"
    """429: it asks for time."""
    GONE = "gone"
    """410: it wants nothing any more."""
    REFUSED = "refused"
    """Any other status that is not 2xx."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A delivery to try. `delivery_id` is its `webhook-id`, the same at every try and every replay."""

    delivery_id: str
    url: str = field(repr=False)
    """Its path may be a secret."""
    body: bytes = field(repr=False)
    secrets: tuple[SigningSecret, ...]
    """Those that are live, the newest first."""
    replay_id: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """`failure` is None when it was delivered; `status` is None when nobody answered."""

    failure: Failure | None
    duration_ms: int
    status: int | None = None
    head: str | None = field(default=None, repr=False)
    """The first of the answer's text, scrubbed."""
    retry_after_s: float | None = None
    """What the answer asked for; nobody has bounded it yet."""
    aborts: bool = False
    """The answer asked for no further try."""

    @property
    def is_delivered(self) -> bool:
        return self.failure is None

    @property
    def is_gone(self) -> bool:
        return self.failure is Failure.GONE
