"""Everything an organisation has decided about its data and its models, and the rules of deciding otherwise."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Literal, cast

from pydantic import JsonValue

from gateway.errors import ValidationFailedError
from gateway.phi.detector import CERTAIN
from gateway.phi.findings import Entity
from gateway.phi.phrases import MOST_WORDS, is_phrase
from gateway.phi.screening import MAX_TERM_LENGTH, MAX_TERMS, SELECTABLE, Profile
from gateway.retention import Retention
from gateway.tenancy import DEFAULT_TIER, EVERY_TOOL, PhiMode, StorageMode, Unscannable

MOST_TOOLS = 100
"""Entries that a list of allowed tools has at most."""
_SHORTEST_TERM = 2
_TOOL = re.compile(r"[a-zA-Z0-9_-]{1,64}|[a-zA-Z0-9_-]{1,62}_\*")

Changes = Mapping[str, Any]
"""New values by the names of `OrganizationPolicy`'s fields."""


@dataclass(frozen=True, slots=True)
class OrganizationPolicy:
    """As kept. `version` counts its changes; `tenancy.Policy` is the part that bears on one inference."""

    version: int = 1
    phi_mode: PhiMode = PhiMode.REDACT
    phi_profile: Profile = Profile.SAFE_HARBOR
    phi_entities: frozenset[Entity] | None = None
    """What the profile `custom` masks; None with any other."""
    phi_threshold_milli: int = CERTAIN
    phi_deny_terms: tuple[str, ...] = field(default=(), repr=False)
    phi_allow_terms: tuple[str, ...] = field(default=(), repr=False)
    phi_answers: Literal["record", "block"] = "record"
    restore_answers: bool = True
    unscannable: Unscannable = "refuse"
    storage_mode: StorageMode = StorageMode.FULL
    retention_days: int = Retention().days
    minimum_retention_days: int = 0
    """How old a person's content has to be before it is erased at their request: what the law has kept so long."""
    legal_hold: bool = False
    retention_floor_days: int | None = None
    retention_floor_until: datetime | None = None
    hold_until: datetime | None = None
    """With the two above: what of an earlier choice still bears, as `Retention` says. Nobody sets them."""
    phi_retrieval_behavior: PhiMode = PhiMode.REDACT
    allowed_tools: tuple[str, ...] = (EVERY_TOOL,)
    """Of those that the gateway runs; `<server>_*` for all of an MCP server's."""
    default_model: str | None = None
    """Answers native chats that name none; None: the installation's default does."""
    opus_enabled: bool = False
    premium_models: tuple[str, ...] = ()
    failover_enabled: bool = False
    spend_cap: int | None = None
    """Credits a period may cost at most; None: the allotment alone limits it."""
    alert_thresholds: tuple[int, ...] = ()
    """Percent of a period's limit at which the organisation is told, lowest first."""
    time_zone: str = "UTC"
    """IANA name. Billing periods begin there at midnight of the `anchor_day`: from the next period on when changed."""
    anchor_day: int = 1
    """1 to 31; in a shorter month its last day."""
    rollover_limit: int = 0
    """Unused credits that a period hands on to the next at most."""
    tier: str = DEFAULT_TIER
    """Its name in the table of rate limits. The operator's to set, not the organisation's."""

    @property
    def retention(self) -> Retention:
        return Retention(
            days=self.retention_days,
            legal_hold=self.legal_hold,
            floor_days=self.retention_floor_days,
            floor_until=self.retention_floor_until,
            hold_until=self.hold_until,
        )

    def changed(self, changes: Changes, *, now: datetime) -> "OrganizationPolicy":
        """With `changes`, one version on when they change anything. Leaving the profile `custom` drops its entities.

        Raises `ValidationFailedError` for entities without that profile, or that profile without entities, and
        for a minimum that content is not kept for.
        """
        leaves_profile = changes.get("phi_profile", self.phi_profile) != self.phi_profile
        after = replace(self, **{**({"phi_entities": None} if leaves_profile else {}), **changes})
        if after.phi_profile == Profile.CUSTOM and not after.phi_entities:
            raise ValidationFailedError("The profile `custom` needs `phi_entities`.", param="phi_entities")
        if after.phi_profile != Profile.CUSTOM and after.phi_entities is not None:
            raise ValidationFailedError("`phi_entities` goes with the profile `custom` only.", param="phi_entities")
        if after.minimum_retention_days > after.retention_days:
            sent = "minimum_retention_days" if "minimum_retention_days" in changes else "retention_days"
            message = "`minimum_retention_days` is more than `retention_days`: nothing is kept so long."
            raise ValidationFailedError(message, param=sent)
        kept = self.retention.changed(days=after.retention_days, legal_hold=after.legal_hold, now=now)
        after = replace(
            after,
            retention_floor_days=kept.floor_days,
            retention_floor_until=kept.floor_until,
            hold_until=kept.hold_until,
        )
        return self if after == self else replace(after, version=self.version + 1)


def require_acknowledged(changes: Changes, *, acknowledged: bool) -> bool:
    """Whether `changes` let PHI leave unmasked by choice. Raises `ValidationFailedError` when nobody said so (D14)."""
    leaves = (
        changes.get("phi_mode") == PhiMode.ALLOW
        or changes.get("phi_profile") == Profile.CUSTOM
        or changes.get("phi_entities") is not None
        or changes.get("phi_threshold_milli", CERTAIN) > CERTAIN
        or changes.get("unscannable") == "pass"
    )
    if leaves and not acknowledged:
        raise ValidationFailedError(
            "With this policy identifiers leave for the model provider unmasked:"
            " confirm it with `acknowledge_phi_leaves`.",
            param="acknowledge_phi_leaves",
        )
    return leaves


def read_entities(name: str, given: Iterable[Entity]) -> frozenset[Entity]:
    """The kinds of the list `name`. Raises `ValidationFailedError` for one that nobody can choose."""
    entities = tuple(given)
    for index, each in enumerate(entities):
        if each not in SELECTABLE:
            raise ValidationFailedError(f"`{name}[{index}]` is not a kind to choose.", param=f"{name}[{index}]")
    return frozenset(entities)


def read_terms(name: str, given: Iterable[str]) -> tuple[str, ...]:
    """The terms of the list `name`, trimmed, each once. Raises `ValidationFailedError`, which quotes none."""
    terms: dict[str, str] = {}
    for index, each in enumerate(given):
        if index >= MAX_TERMS:
            raise ValidationFailedError(f"`{name}` holds at most {MAX_TERMS:,} terms.", param=name)
        term = each.strip()
        if not _is_term(term):
            raise ValidationFailedError(
                f"`{name}[{index}]` must have {_SHORTEST_TERM} to {MAX_TERM_LENGTH} characters,"
                f" up to {MOST_WORDS} words close together, a letter or a digit among them and no control characters.",
                param=f"{name}[{index}]",
            )
        # They are looked for in any case.
        terms.setdefault(term.casefold(), term)
    return tuple(terms.values())


def read_tools(name: str, given: Iterable[str]) -> tuple[str, ...]:
    """What the list `name` allows, each once. Raises `ValidationFailedError`, which quotes nothing.

    Whether there are such tools is not asked: those of MCP servers come and go.
    """
    tools = tuple(dict.fromkeys(given))
    if len(tools) > MOST_TOOLS:
        raise ValidationFailedError(f"`{name}` holds at most {MOST_TOOLS} names.", param=name)
    if EVERY_TOOL in tools and len(tools) > 1:
        raise ValidationFailedError(f"In `{name}`, `{EVERY_TOOL}` stands by itself: it is every tool.", param=name)
    for index, each in enumerate(tools):
        if each != EVERY_TOOL and not _TOOL.fullmatch(each):
            raise ValidationFailedError(
                f"`{name}[{index}]` must be a tool's name, or an MCP server's id with `_*`.", param=f"{name}[{index}]"
            )
    return tools


def told(before: OrganizationPolicy, after: OrganizationPolicy) -> dict[str, JsonValue]:
    """What differs, for the audit log: from what to what. Of lists of terms only how many, they may name patients."""
    return {
        name: {"from": _told(name, getattr(before, name)), "to": _told(name, getattr(after, name))}
        for name in (each.name for each in fields(OrganizationPolicy))
        if name != "version" and getattr(before, name) != getattr(after, name)
    }


def _told(name: str, value: Any) -> JsonValue:  # noqa: ANN401 - fields differ in type
    if name in {"phi_deny_terms", "phi_allow_terms"}:
        return len(value)
    if isinstance(value, frozenset | tuple | list):
        return [*sorted(cast("Iterable[str]", value))]
    return value.isoformat() if isinstance(value, datetime) else value


def _is_term(term: str) -> bool:
    return (
        _SHORTEST_TERM <= len(term) <= MAX_TERM_LENGTH
        and any(character.isalnum() for character in term)
        and not any(unicodedata.category(character) == "Cc" for character in term)
        and is_phrase(term)
    )
