"""What of the guard's findings an organisation has masked: its profile, its threshold and its own lists."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from gateway.phi.detector import CERTAIN
from gateway.phi.findings import Entity


class Profile(StrEnum):
    SAFE_HARBOR = "safe_harbor"
    """All that 45 CFR 164.514(b)(2) lists."""
    LIMITED_DATA_SET = "limited_data_set"
    """Dates, ages, towns and ZIP codes stay, as 45 CFR 164.514(e)(2) allows under a data use agreement."""
    CUSTOM = "custom"
    """The kinds that the organisation chose."""


_KEPT_IN_LIMITED_DATA_SET = frozenset({Entity.DATE_TIME, Entity.AGE_OVER_89, Entity.LOCATION, Entity.US_ZIP})
_OWN = frozenset({Entity.CUSTOM_TERM, Entity.PLACEHOLDER_TEXT})
SELECTABLE = frozenset(Entity) - _OWN
"""The kinds that a custom profile chooses from."""

THRESHOLDS_MILLI = (400, 800)
"""The least and the most that a threshold may be: below, half-guessed names count alone; above, labelled ids do not."""
MAX_TERMS = 1000
MAX_TERM_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Screening:
    """`entities` are the custom profile's. Terms may name patients, so they are shown nowhere."""

    profile: Profile = Profile.SAFE_HARBOR
    entities: frozenset[Entity] = SELECTABLE
    threshold_milli: int = CERTAIN
    """From this score on a finding counts by itself."""
    deny_terms: tuple[str, ...] = field(default=(), repr=False)
    """Always masked, as whole words in any case."""
    allow_terms: tuple[str, ...] = field(default=(), repr=False)
    """Never masked where they stand as whole words; a denied term wins."""
    answers: Literal["record", "block"] = "record"
    """What happens to an answer in which the model itself wrote PHI."""

    @property
    def masked(self) -> frozenset[Entity]:
        """The kinds that are masked."""
        match self.profile:
            case Profile.SAFE_HARBOR:
                return frozenset(Entity)
            case Profile.LIMITED_DATA_SET:
                return frozenset(Entity) - _KEPT_IN_LIMITED_DATA_SET
            case Profile.CUSTOM:
                return self.entities | _OWN
