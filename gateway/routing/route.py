"""Who may answer a call, and who did."""

from dataclasses import dataclass

from gateway.catalog import Model
from gateway.errors import GatewayError


@dataclass(frozen=True, slots=True)
class Route:
    """`asked` answers unless it cannot; then each of `others`, in this order (spec D12)."""

    asked: Model
    others: tuple[Model, ...] = ()

    @property
    def models(self) -> tuple[Model, ...]:
        return (self.asked, *self.others)


@dataclass(frozen=True, slots=True)
class Delivery:
    """The model that answered, after how many tries, and what kept the model that was asked from it."""

    model: Model
    asked: Model
    tries: int = 1
    because: GatewayError | None = None

    @property
    def is_failover(self) -> bool:
        return self.model.id != self.asked.id
