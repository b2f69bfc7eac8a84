"""Who may answer a call, and who did."""

import asyncio
from dataclasses import dataclass, field

from gateway.catalog import Model
from gateway.errors import GatewayError
from gateway.tenancy import KeyMode


@dataclass(frozen=True, slots=True)
class Route:
    """`asked` answers unless it cannot; then each of `others`, in this order (spec D12)."""

    asked: Model
    others: tuple[Model, ...] = ()

    @property
    def models(self) -> tuple[Model, ...]:
        return (self.asked, *self.others)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who has a call sent. `caller` is on whose behalf: what one does to circuits and retries is kept from others."""

    mode: KeyMode
    caller: str = ""
    patience_s: float | None = None
    """For how long it waits; None: as long as anybody may."""
    sent_to: list[str] = field(default_factory=list[str])
    """Each try adds its model's id, also of a call that fails in the end."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once nobody waits any more: a try under way may go on, and none follows it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The model that answered, and what kept the model that was asked from it.

    `sent_to` has the id of the model of every try, in order: whoever is in it
    was given the prompt. Of a call that nobody answered, `model` is the one
    that was asked.
    """

    model: Model
    asked: Model
    sent_to: tuple[str, ...] = ()
    because: GatewayError | None = None

    @property
    def tries(self) -> int:
        return len(self.sent_to)

    @property
    def is_failover(self) -> bool:
        return self.model.id != self.asked.id
