"""What a key may give to an agent, and what an agent may hand on."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.agents.credential import Credential
from gateway.agents.grants import AgentDelegate, DataRead, ExternalToolInvoke, Grant
from gateway.agents.issuing import DelegationExceedsParentError, Wish, granted, handed_on
from gateway.audit.compliance import Gate, gate_of
from gateway.errors import ValidationFailedError
from gateway.ids import AgentId
from gateway.tenancy import KeyMode
from tests.unit.agents.test_handing_on import AGENTS, NOW, issued, make_agent

LOOKUP = ExternalToolInvoke("lookup_appointment", 100, {"site": "north"})
A, B = AGENTS


def make_root(*grants: Grant, **wish: Any) -> Credential:
    return issued(granted(Wish("Night shift", grants, **wish), make_agent(), by=KeyMode.LIVE, owner="u", now=NOW))


def refused(chain: list[Credential], to: AgentId = B, **wish: Any) -> str | None:
    """The parameter that is more than there is."""
    with pytest.raises(DelegationExceedsParentError) as refusal:
        handed_on(Wish("Child", wish.pop("grants", (LOOKUP,)), **wish), make_agent(to), chain, now=NOW)
    assert gate_of(refusal.value) is Gate.SCOPE
    return refusal.value.param


@pytest.mark.parametrize(
    ("wish", "param"),
    [
        ({"delegating_user": None}, "delegating_user"),
        ({"expires_at": NOW}, "expires_at"),
        ({"expires_at": NOW + timedelta(hours=720, seconds=1)}, "expires_at"),
        ({"grants": (LOOKUP, DataRead())}, "granted_scopes[1].type"),
    ],
)
def test_a_key_is_told_which_field_it_cannot_give(wish: dict[str, Any], param: str) -> None:
    agent = make_agent(types=("external.tool.invoke",))
    asked = replace(Wish("Night shift", (LOOKUP,), delegating_user="j.reyes"), **wish)

    with pytest.raises(ValidationFailedError) as refusal:
        granted(asked, agent, by=KeyMode.LIVE, owner=None, now=NOW)

    assert refusal.value.param == param


def test_a_key_s_owner_is_the_user_and_nobody_else() -> None:
    asked = Wish("Night shift", (LOOKUP,))

    assert granted(asked, make_agent(), by=KeyMode.LIVE, owner="j.reyes", now=NOW).delegating_user == "j.reyes"
    with pytest.raises(ValidationFailedError):
        granted(replace(asked, delegating_user="k.ito"), make_agent(), by=KeyMode.LIVE, owner="j.reyes", now=NOW)


def test_a_test_key_gives_no_live_credential() -> None:
    asked = Wish("Night shift", (LOOKUP,), mode=KeyMode.LIVE)

    with pytest.raises(ValidationFailedError, match="test key"):
        granted(asked, make_agent(), by=KeyMode.TEST, owner="u", now=NOW)


@pytest.mark.parametrize(
    ("wish", "param"),
    [
        ({"expires_at": NOW + timedelta(hours=9)}, "expires_at"),
        ({"max_concurrent_invocations": 11}, "max_concurrent_invocations"),
        ({"mode": KeyMode.TEST}, "mode"),
        ({"delegating_user": "v"}, "delegating_user"),
        ({"grants": (LOOKUP, replace(LOOKUP, rate_limit=101))}, "granted_scopes[1]"),
        ({"grants": (replace(LOOKUP, rate_limit=None),)}, "granted_scopes[0]"),
        ({"grants": (replace(LOOKUP, constraints={}),)}, "granted_scopes[0]"),
        ({"grants": (replace(LOOKUP, constraints={"site": "south"}),)}, "granted_scopes[0]"),
        ({"grants": (AgentDelegate(B, 2),)}, "granted_scopes[0]"),
    ],
)
def test_an_agent_is_told_what_of_its_wish_is_more_than_it_has(wish: dict[str, Any], param: str) -> None:
    assert refused([make_root(LOOKUP, AgentDelegate(B, 2))], **wish) == param


def test_what_is_not_said_is_what_the_parent_has_at_most() -> None:
    ends = NOW + timedelta(hours=1)
    parent = make_root(LOOKUP, AgentDelegate(B), expires_at=ends, max_concurrent_invocations=3)

    child = handed_on(Wish("Child", (LOOKUP,)), make_agent(B), [parent], now=NOW)

    assert (child.expires_at, child.max_concurrent_invocations, child.delegating_user) == (ends, 3, "u")


def test_what_a_credential_hands_on_in_its_overlap_ends_with_the_overlap() -> None:
    """Whoever has an old token, which rotation was to make worthless, makes no longer life of it."""
    retired = NOW + timedelta(minutes=10)
    parent = replace(make_root(LOOKUP, AgentDelegate(B)), retires_at=retired)

    child = handed_on(Wish("Child", (LOOKUP,)), make_agent(B), [parent], now=NOW)

    assert child.expires_at == retired
    assert refused([parent], expires_at=retired + timedelta(seconds=1)) == "expires_at"


def test_only_an_agent_that_a_grant_names_is_given_anything() -> None:
    assert refused([make_root(LOOKUP, AgentDelegate(B))], to=A) == "agent_id"
    assert refused([make_root(LOOKUP)]) == "agent_id"


def test_a_way_is_as_deep_as_the_grant_that_it_began_with() -> None:
    """The first lets B in alone, and A with another below: what it gave B does not take A's way."""
    root = make_root(LOOKUP, AgentDelegate(B, 1), AgentDelegate(A, 2))
    child = issued(handed_on(Wish("Child", (LOOKUP, AgentDelegate(A, 1))), make_agent(B), [root], now=NOW), B)

    assert refused([root, child], to=A) == "agent_id"


def test_nothing_is_handed_on_beyond_three() -> None:
    chain = [make_root(LOOKUP, AgentDelegate(B, 3))]
    for depth in (2, 1):
        wish = Wish("Child", (LOOKUP, AgentDelegate(B, depth)))
        chain.append(issued(handed_on(wish, make_agent(B), chain, now=NOW), B))
    last = issued(handed_on(Wish("Last", (LOOKUP,)), make_agent(B), chain, now=NOW), B)

    assert len(last.path) == 3
    # Even if its row said otherwise.
    assert refused([*chain, replace(last, grants=(LOOKUP, AgentDelegate(B, 3)))]) == "agent_id"
