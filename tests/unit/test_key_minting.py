"""Which keys a key may make or change."""

import pytest

from gateway.errors import MissingScopeError, ValidationFailedError
from gateway.ids import ApiKeyId, OrganizationId
from gateway.keys.minting import require_may_give
from gateway.tenancy import KeyMode, Principal, Scope


def giver(*scopes: Scope, mode: KeyMode = KeyMode.LIVE) -> Principal:
    return Principal(OrganizationId("ORG"), ApiKeyId("KEY"), frozenset(scopes), mode)


def test_a_published_scope_is_given_by_a_key_that_lacks_it_unless_strict() -> None:
    require_may_give(giver(Scope.CONTROL_READ), scopes=[Scope.AI_CHAT], mode=KeyMode.LIVE, strict=False)
    with pytest.raises(MissingScopeError) as refused:
        require_may_give(giver(Scope.CONTROL_WRITE), scopes=[Scope.AI_CHAT], mode=KeyMode.LIVE, strict=True)

    assert refused.value.details == {"required_scope": "ai:chat"}


@pytest.mark.parametrize("strict", [False, True])
def test_writing_is_given_only_by_a_key_that_has_it(strict: bool) -> None:
    require_may_give(giver(Scope.CONTROL_WRITE), scopes=[Scope.CONTROL_WRITE], mode=KeyMode.LIVE, strict=strict)
    with pytest.raises(MissingScopeError):
        require_may_give(giver(Scope.CONTROL_READ), scopes=[Scope.CONTROL_WRITE], mode=KeyMode.LIVE, strict=strict)


def test_a_test_key_gives_no_live_one() -> None:
    require_may_give(giver(mode=KeyMode.TEST), scopes=[], mode=KeyMode.TEST, strict=False)
    with pytest.raises(ValidationFailedError):
        require_may_give(giver(mode=KeyMode.TEST), scopes=[], mode=KeyMode.LIVE, strict=False)
