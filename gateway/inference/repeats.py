"""Which refusals are audited one by one, and which are only counted: nobody's loop may fill the log."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import orjson

from gateway.audit import AuditAction
from gateway.errors import InvalidApiKeyError, IpNotAllowedError
from gateway.ids import OrganizationId
from gateway.inference import trail
from gateway.inference.ports import Refusal
from gateway.keys.networks import caller_network

MOST_STRANGERS = 250
"""Whom a process tells apart in a minute of those who have no right to be in an organisation; the others are one."""
MOST_OF_A_KEY = 60
"""Refusals of one key in a minute, otherwise alike, that have entries of their own."""
OTHERS = "other"
"""The network of those whom nobody tells apart."""

_STRANGERS = (InvalidApiKeyError, IpNotAllowedError)
_OF_ONE = ("request_id", "history_turns")
_OF_MANY = ("surface", "route", "model")


@dataclass(frozen=True, slots=True)
class Group:
    """Refusals of one minute that one entry tells of."""

    minute: datetime
    org: OrganizationId
    facts: bytes
    """JSON of `action`, `actor` and `metadata`, equal for all of them."""

    @property
    def digest(self) -> str:
        """Tells groups of a minute apart."""
        return hashlib.sha256(self.org.encode() + self.facts).hexdigest()


class Repeats:
    """What a process has refused in this minute. What it remembers is bounded by the number of keys there are."""

    def __init__(self) -> None:
        self._minute: datetime | None = None
        self._seen: Counter[Group] = Counter()
        self._strangers: Counter[OrganizationId] = Counter()

    def group(self, refusal: Refusal) -> Group | None:
        """Note `refusal`, and tell among which it is only counted; None when it must have an entry of its own."""
        minute = refusal.at.replace(second=0, microsecond=0)
        if minute != self._minute:
            self._minute = minute
            self._seen.clear()
            self._strangers.clear()
        if isinstance(refusal.error, _STRANGERS):
            return self._of_stranger(refusal, minute)
        # An account that is used up is told of once: by an entry of its own, whichever account it was.
        reason = refusal.error.details.get("reason")
        group = _group(refusal, minute, _metadata(refusal) | ({"reason": reason} if reason else {}))
        return self._after(group, MOST_OF_A_KEY)

    def _of_stranger(self, refusal: Refusal, minute: datetime) -> Group | None:
        metadata = _metadata(refusal)
        group = _group(refusal, minute, metadata | {"network": caller_network(refusal.ip_address)})
        if group not in self._seen:
            if self._strangers[refusal.org] >= MOST_STRANGERS:
                return _group(refusal, minute, metadata | dict.fromkeys(_OF_MANY) | {"network": OTHERS})
            self._strangers[refusal.org] += 1
        return self._after(group, 1)

    def _after(self, group: Group, most: int) -> Group | None:
        self._seen[group] += 1
        return group if self._seen[group] > most else None


def _metadata(refusal: Refusal) -> dict[str, object]:
    return {name: fact for name, fact in trail.refusal_metadata(refusal).items() if name not in _OF_ONE}


def _group(refusal: Refusal, minute: datetime, metadata: dict[str, object]) -> Group:
    action = AuditAction.AI_REQUEST_REFUSED_REPEATED if refusal.surface else AuditAction.ACCESS_REFUSED_REPEATED
    facts = {"action": action, "actor": refusal.actor, "metadata": metadata}
    return Group(minute, refusal.org, orjson.dumps(facts, option=orjson.OPT_SORT_KEYS))
