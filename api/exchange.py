"""One request, and what is known of it so far."""

from dataclasses import dataclass
from typing import cast

from starlette.requests import HTTPConnection
from starlette.types import Scope as AsgiScope
from starlette.types import Send

from gateway import ids
from gateway.catalog import Model
from gateway.ids import InferenceId
from gateway.inference.call import Surface
from gateway.limits.limiter import Quota
from gateway.tenancy import Access


@dataclass(slots=True, eq=False)
class Exchange:
    """Kept in the ASGI scope from the first byte to the log line."""

    id: InferenceId
    """The ULID of the request, and of the inference if it becomes one."""
    ip_address: str | None
    send: Send
    """The server's own `send`: what the body of a response that has started may use, past every wrapper."""
    access: Access | None = None
    """Set once the key is known."""
    surface: Surface | None = None
    """Set on inference routes."""
    model: Model | None = None
    """The one that is asked for, once the body is read and if there is such a model."""
    quota: Quota | None = None
    """Set on AI endpoints once the key is known: what their requests are counted against."""
    callers_id: str | None = None
    """What the caller calls the request, where they may: only told back, never looked up, logged or kept."""
    handed_over: bool = False
    """True once the pipeline has the call: from there on it audits its own refusals."""
    error_code: str | None = None

    @property
    def request_id(self) -> str:
        return ids.request_id(self.id)

    @property
    def told_id(self) -> str:
        """What answers say the request's id is."""
        return self.callers_id or self.request_id


def put_exchange(scope: AsgiScope, exchange: Exchange) -> None:
    scope["hasp.exchange"] = exchange


def exchange_of(connection: HTTPConnection | AsgiScope) -> Exchange:
    # The middleware puts it into every HTTP scope; ASGI scopes are untyped mappings.
    return cast("Exchange", connection["hasp.exchange"])
