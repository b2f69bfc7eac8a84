"""What an organisation lets itself spend, and on which models (spec B5, D8, D12)."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.catalog import Catalog, Tier
from gateway.credits.period import Period
from gateway.errors import ValidationFailedError

LARGEST_CAP = 2**53 - 1
"""In credits: the largest integer that every JSON reader keeps."""

THRESHOLDS = (1, 99)
"""Percent of a period's limit: the lowest and the highest that an organisation can be told of."""
MOST_THRESHOLDS = 3

BUDGET_FIELDS = frozenset(
    {
        "spend_cap",
        "alert_thresholds",
        "opus_enabled",
        "premium_models",
        "time_zone",
        "anchor_day",
        "rollover_limit",
    }
)
"""The fields of an organisation's policy that are its budget."""


@dataclass(frozen=True, slots=True)
class Balance:
    """An organisation's credits in one period."""

    period: Period
    allotment: int
    carried: int = 0
    """Left over from the period before, on top of the allotment."""
    spend_cap: int | None = None
    used: int = 0
    held: int = 0
    """Set aside for calls that still run."""
    overrun: int = 0
    """Of `used`, what calls cost beyond what had been set aside for them."""

    @property
    def limit(self) -> int:
        """What the period may cost: all that there is, or the cap if that is lower."""
        whole = self.allotment + self.carried
        return whole if self.spend_cap is None else min(whole, self.spend_cap)

    @property
    def unused(self) -> int:
        """Of the limit, what is not spent; calls that still run may spend some of it."""
        return max(0, self.limit - self.used)

    @property
    def remaining(self) -> int:
        """Of the limit, what further calls can set aside."""
        return max(0, self.limit - self.used - self.held)


def read_thresholds(name: str, given: Iterable[int]) -> tuple[int, ...]:
    """The percentages of the list `name`, each once, lowest first.

    Raises `ValidationFailedError` for one out of range, and for too many.
    """
    thresholds = set(given)
    lowest, highest = THRESHOLDS
    if not all(lowest <= each <= highest for each in thresholds):
        raise ValidationFailedError(f"`{name}` must hold percentages from {lowest} to {highest}.", param=name)
    if len(thresholds) > MOST_THRESHOLDS:
        raise ValidationFailedError(f"`{name}` must hold at most {MOST_THRESHOLDS} percentages.", param=name)
    return tuple(sorted(thresholds))


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
