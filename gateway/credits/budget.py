"""What an organisation lets itself spend, and on which models (spec B5, D8, D12)."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.catalog import Catalog, Tier
from gateway.credits.period import Period
from gateway.errors import ValidationFailedError

LARGEST_CAP = 2**53 - 1
"""In credits: the largest integer that every JSON reader keeps."""

BUDGET_FIELDS = frozenset({"spend_cap", "opus_enabled", "premium_models"})
"""The fields of an organisation's policy that are its budget."""


@dataclass(frozen=True, slots=True)
class Balance:
    """An organisation's credits in one period."""

    period: Period
    allotment: int
    spend_cap: int | None
    used: int
    held: int
    """Set aside for calls that still run."""

    @property
    def remaining(self) -> int:
        """What further calls can set aside: under the cap, if it is below the allotment."""
        limit = self.allotment if self.spend_cap is None else min(self.allotment, self.spend_cap)
        return max(0, limit - self.used - self.held)


def read_premium_models(name: str, given: Iterable[str], catalog: Catalog) -> tuple[str, ...]:
    """The catalog's ids of the models in the list `name`, each once, sorted.

    Raises `ValidationFailedError`, which quotes none, for a model that is unknown or that needs no opt-in of its own.
    """
    ids: set[str] = set()
    for index, each in enumerate(given):
        model = catalog.find(each)
        param = f"{name}[{index}]"
        if model is None:
            raise ValidationFailedError(f"`{param}` is not a model.", param=param)
        if model.is_opus:
            raise ValidationFailedError(f"`{param}` is an Opus model: `opus_enabled` opens those.", param=param)
        if model.tier is not Tier.PREMIUM:
            raise ValidationFailedError(f"`{param}` is not a premium model.", param=param)
        ids.add(model.id)
    return tuple(sorted(ids))
