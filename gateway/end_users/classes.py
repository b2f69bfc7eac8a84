"""What an erasure does with each class of records, and on which basis (docs/privacy.md).

A right to erasure ends where the law has something kept (GDPR Art. 17(3)): of that only what names nobody stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class RecordClass(StrEnum):
    PROFILE = "profile"
    """The name, as it was sent."""
    CONTENT = "content"
    """What was asked and answered."""
    FINDINGS = "findings"
    """Where in it there were identifiers."""
    IDEMPOTENCY = "idempotency"
    """Keys under which their answers would be given again."""
    EXPORTS = "exports"
    SHELLS = "shells"
    """That there was a call, when, by which key, to which model."""
    USAGE = "usage"
    """What calls used and cost, and the books of that."""
    AUDIT = "audit"
    """Entries that name them by digest."""
    WEBHOOKS = "webhooks"
    """Deliveries of events about their calls."""


class Fate(StrEnum):
    SHREDDED = "shredded"
    """The only key is destroyed, and what was sealed under it removed."""
    REMOVED = "removed"
    KEPT = "kept"


class Basis(StrEnum):
    ERASURE_REQUEST = "erasure_request"
    """GDPR Art. 17(1)."""
    BILLING_RECORDS = "billing_records"
    """Art. 17(3)(b): books are kept. Ids and numbers only."""
    HIPAA_DOCUMENTATION = "hipaa_documentation"
    """45 CFR 164.316(b)(2): six years. A digest that nobody can turn back into a name."""
    IDS_ONLY = "ids_only"
    """Ids of calls that nothing leads from to a person; forgotten with the events after a month."""


@dataclass(frozen=True, slots=True)
class Rule:
    fate: Fate
    basis: Basis


_SHREDDED = Rule(Fate.SHREDDED, Basis.ERASURE_REQUEST)
_REMOVED = Rule(Fate.REMOVED, Basis.ERASURE_REQUEST)

RULES: Final[Mapping[RecordClass, Rule]] = {
    RecordClass.PROFILE: _SHREDDED,
    RecordClass.CONTENT: _SHREDDED,
    RecordClass.FINDINGS: _REMOVED,
    RecordClass.IDEMPOTENCY: _REMOVED,
    RecordClass.EXPORTS: _SHREDDED,
    RecordClass.SHELLS: Rule(Fate.KEPT, Basis.BILLING_RECORDS),
    RecordClass.USAGE: Rule(Fate.KEPT, Basis.BILLING_RECORDS),
    RecordClass.AUDIT: Rule(Fate.KEPT, Basis.HIPAA_DOCUMENTATION),
    RecordClass.WEBHOOKS: Rule(Fate.KEPT, Basis.IDS_ONLY),
}
"""In the order that answers and certificates name them."""

ERASED: Final = tuple(kind for kind, rule in RULES.items() if rule.fate is not Fate.KEPT)
KEPT: Final = tuple(kind for kind, rule in RULES.items() if rule.fate is Fate.KEPT)
