"""Which keys a key may make or change (spec D4, D30)."""

from dataclasses import dataclass, replace
from datetime import datetime

from gateway.errors import MissingScopeError, ValidationFailedError
from gateway.keys.api_key import ApiKey, KeyChanges
from gateway.keys.networks import Network, all_within
from gateway.tenancy import KeyMode, Scope


@dataclass(frozen=True, slots=True)
class Reach:
    """What a key may be used for, until when, from where and for how much. None and no networks: without a bound."""

    scopes: frozenset[Scope]
    mode: KeyMode
    expires_at: datetime | None = None
    networks: tuple[Network, ...] = ()
    credit_cap: int | None = None
    owner: str | None = None
    """On whose behalf it issues credentials of agents; None: of anybody whom it names."""

    def changed(self, changes: KeyChanges) -> "Reach":
        return replace(
            self,
            expires_at=changes.get("expires_at", self.expires_at),
            networks=changes.get("networks", self.networks),
            credit_cap=changes.get("credit_cap", self.credit_cap),
            owner=changes.get("owner", self.owner),
        )


def reach_of(key: ApiKey) -> Reach:
    return Reach(frozenset(key.scopes), key.mode, key.expires_at, key.networks, key.credit_cap, key.owner)


def lendable(giver: ApiKey, *, to: ApiKey | None = None) -> Reach:
    """What `giver` has to give. A key in its grace outlives it in no other key; changed (`to`), it stays what it is."""
    own = reach_of(giver)
    return own if to is not None and to.id == giver.id else replace(own, expires_at=giver.ends_at)


def require_within(limit: Reach, wanted: Reach, *, strict: bool) -> None:
    """Refuse when who has `limit` to give may not have a key of `wanted` made or changed.

    A test key has no say over live ones. `control:write` comes only from a key that has it: it is not one of the
    published scopes, so nobody relies on getting it from a key that only reads; and who acts for one user makes none
    with it that acts for others. When `strict`, every scope comes from who has it, and the key ends no later, works
    from nowhere else and may spend no more than its giver.

    Raises:
        ValidationFailedError: names the bound that is passed.
        MissingScopeError: names the first scope that is lacking.
    """
    require_mode(limit.mode, wanted.mode)
    guarded = wanted.scopes if strict else wanted.scopes & {Scope.CONTROL_WRITE}
    if lacking := sorted(guarded - limit.scopes):
        raise MissingScopeError(param="scopes", details={"required_scope": lacking[0].value})
    if limit.owner is not None and Scope.CONTROL_WRITE in wanted.scopes and wanted.owner != limit.owner:
        raise ValidationFailedError(
            "A key that has an owner gives `control:write` to, and changes, only keys of the same owner.", param="owner"
        )
    if strict:
        _require_bounds(limit, wanted)


def require_mode(giver: KeyMode, wanted: KeyMode) -> None:
    """Raises `ValidationFailedError` when a test key asks for a live one, or would change it."""
    if giver is KeyMode.TEST and wanted is KeyMode.LIVE:
        raise ValidationFailedError("A test key can create, change and revoke test keys only.", param="mode")


def _require_bounds(limit: Reach, wanted: Reach) -> None:
    if limit.expires_at is not None and (wanted.expires_at is None or wanted.expires_at > limit.expires_at):
        raise ValidationFailedError(
            "A key that ends gives, and changes, only keys that end no later.", param="expires_at"
        )
    if not all_within(wanted.networks, limit.networks):
        raise ValidationFailedError(
            "A key that is bound to networks gives, and changes, only keys that are bound within them.",
            param="ip_allowlist",
        )
    if limit.credit_cap is not None and (wanted.credit_cap is None or wanted.credit_cap > limit.credit_cap):
        raise ValidationFailedError(
            "A key with a credit cap gives, and changes, only keys whose cap is no higher.", param="credit_cap"
        )
