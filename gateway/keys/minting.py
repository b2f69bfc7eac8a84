"""Which keys a key may create or change (spec D4)."""

from collections.abc import Collection

from gateway.errors import MissingScopeError, ValidationFailedError
from gateway.tenancy import KeyMode, Principal, Scope


def require_may_give(giver: Principal, *, scopes: Collection[Scope], mode: KeyMode, strict: bool) -> None:
    """Refuse when `giver` may not have a key of `scopes` and `mode` made or changed.

    A test key has no say over live ones. `control:write` comes only from a key that has it: it is not one of the
    published scopes, so nobody relies on getting it from a key that only reads. When `strict`, so does every scope.

    Raises:
        ValidationFailedError: a test key asked for a live one.
        MissingScopeError: names the first scope that `giver` lacks.
    """
    if giver.mode is KeyMode.TEST and mode is KeyMode.LIVE:
        raise ValidationFailedError("A test key can create and change test keys only.", param="mode")
    guarded = set(scopes) if strict else {Scope.CONTROL_WRITE} & set(scopes)
    if lacking := sorted(guarded - giver.scopes):
        raise MissingScopeError(param="scopes", details={"required_scope": lacking[0].value})
