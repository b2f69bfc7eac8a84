"""How long to wait before asking again, and how often an upstream may be asked again at all."""

from collections.abc import Callable
from dataclasses import dataclass

_MAX_BUDGETS = 4_096
_TOKEN = 100


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential, with full jitter: every wait up to the whole is as likely, so that callers do not march in step.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    base_s: float = 0.25
    factor: float = 2.0
    max_wait_s: float = 5.0

    def wait_s(self, retry: int, retry_after_s: float | None, random: Callable[[], float]) -> float | None:
        """Seconds before a retry, the first of which is number 0; None when the vendor wants more than `max_wait_s`.

        The jitter comes on top of the vendor's `Retry-After`: everyone whom it
        refused at the same moment was told the same. `random` is uniform in
        [0, 1).
        """
        floor_s = retry_after_s or 0.0
        if floor_s > self.max_wait_s:
            return None
        jitter_s = random() * min(self.max_wait_s, self.base_s * self.factor**retry)
        return min(floor_s + jitter_s, self.max_wait_s)


@dataclass(frozen=True, slots=True)
class Allowance:
    """Retries per hundred calls, and how many may come at once after a quiet time."""

    percent: int = 10
    burst: int = 10


class RetryBudget:
    """What keeps retries from finishing off an upstream that is already struggling.

    Of any n calls in a row, at most `burst` + n * `percent` / 100 are retried.
    """

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        # In hundredths of a retry: whole numbers do not drift.
        self._balance = allowance.burst * _TOKEN

    def deposit(self) -> None:
        """A call is made for the first time."""
        self._balance = min(self._balance + self._allowance.percent, self._allowance.burst * _TOKEN)

    def withdraw(self) -> bool:
        """Pay for one retry; False when there is nothing left."""
        if self._balance < _TOKEN:
            return False
        self._balance -= _TOKEN
        return True


class RetryBudgets:
    """The budgets of a process by upstream and caller, made when first asked for and bounded like `Breakers`.

    A caller has budgets of its own, so that nobody uses up the retries of others.
    """

    def __init__(self, allowance: Allowance | None = None, *, max_budgets: int = _MAX_BUDGETS) -> None:
        self._allowance = allowance or Allowance()
        self._max_budgets = max_budgets
        self._budgets: dict[tuple[str, str], RetryBudget] = {}

    def of(self, upstream: str, caller: str = "") -> RetryBudget:
        key = (upstream, caller)
        budget = self._budgets.pop(key, None) or RetryBudget(self._allowance)
        if len(self._budgets) >= self._max_budgets:
            del self._budgets[next(iter(self._budgets))]
        self._budgets[key] = budget
        return budget
