"""No chain of delegations widens anything, whatever is asked for: held against a judge of single acts."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

from hypothesis import event, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from gateway.agents.agent import Agent, AgentStatus, RevocationPolicy
from gateway.agents.credential import Credential
from gateway.agents.grants import (
    DEEPEST,
    AgentDelegate,
    DataRead,
    DataWrite,
    ExternalToolInvoke,
    Grant,
    HumanEscalate,
    ToolInvoke,
)
from gateway.agents.issuing import DelegationExceedsParentError, NewCredential, Wish, granted, handed_on
from gateway.ids import AgentId, CredentialId, new_ulid
from gateway.tenancy import KeyMode
from tests.unit.agents.judge import Act, Escalate, HandOn, Read, Use, Write, allows

NOW = datetime(2026, 11, 22, tzinfo=UTC)
AGENTS = tuple(AgentId(f"0000000000000000000000000{letter}") for letter in "AB")
APPS, ENTITIES, FIELDS, WORDS = "ab", ("visit", "chart"), ("note", "date"), ("u", "v")
VALUES: tuple[JsonValue, ...] = (1, True, "1")
RECORDS: tuple[dict[str, JsonValue], ...] = tuple(
    {name: value for name, value in zip("xy", pair, strict=True) if value is not ...}
    for pair in product((..., *VALUES), repeat=2)
)
ACTS: tuple[Act, ...] = (
    *(Read(app, entity, record) for app, entity, record in product(APPS, ENTITIES, RECORDS)),
    *(Write(app, entity, field) for app, entity, field in product(APPS, ENTITIES, FIELDS)),
    *(Use(tool, True, 1, {}) for tool in WORDS),
    *(Use(tool, False, nth, how) for tool, nth, how in product(WORDS, range(1, 5), RECORDS)),
    *map(Escalate, WORDS),
)
WAYS = tuple(HandOn(agents) for length in range(1, DEEPEST + 2) for agents in product(AGENTS, repeat=length))


def some(among: Sequence[str]) -> st.SearchStrategy[tuple[str, ...] | None]:
    return st.none() | st.lists(st.sampled_from(among), min_size=1, max_size=2).map(tuple)


apps = st.none() | st.sampled_from(APPS)
conditions = st.sampled_from(RECORDS)
words = st.sampled_from(WORDS)
rates = st.none() | st.integers(1, 3)
delegates = st.builds(AgentDelegate, st.sampled_from(AGENTS), st.integers(1, DEEPEST))
grants: st.SearchStrategy[Grant] = st.one_of(
    st.builds(DataRead, apps, some(ENTITIES), conditions),
    st.builds(DataWrite, apps, some(ENTITIES), some(FIELDS)),
    st.builds(ToolInvoke, words),
    st.builds(ExternalToolInvoke, words, rates, conditions),
    st.builds(HumanEscalate, words),
)


def like(given: Grant) -> st.SearchStrategy[Grant]:
    """As it is, or less in some respect, or more: or hardly anything would be handed on."""
    same: st.SearchStrategy[Grant] = st.just(given)
    match given:
        case AgentDelegate():
            return st.just(AgentDelegate(given.to_agent_id, max(1, given.max_chain_depth - 1))) | delegates
        case DataRead(app_id, entities, filters):
            more = conditions.map(lambda each: DataRead(app_id, entities, {**filters, **each}))
            return same | more | st.builds(DataRead, apps, some(ENTITIES), st.just(filters))
        case DataWrite(_, entities):
            return same | st.builds(DataWrite, apps, st.just(entities), some(FIELDS))
        case ExternalToolInvoke(tool, rate, constraints):
            more = conditions.map(lambda each: ExternalToolInvoke(tool, rate, {**constraints, **each}))
            return same | more | st.builds(ExternalToolInvoke, st.just(tool), rates, st.just(constraints))
        case _:
            return same


def wishes(each: st.SearchStrategy[Grant], *, always: tuple[Grant, ...] = ()) -> st.SearchStrategy[Wish]:
    return st.builds(
        Wish,
        name=st.just("Night shift"),
        grants=st.lists(each, min_size=1, max_size=3).map(lambda more: (*always, *more)),
        max_concurrent_invocations=st.none() | st.integers(1, 20),
        expires_at=st.none() | st.integers(1, 60).map(lambda hours: NOW + timedelta(hours=hours)),
    )


USUAL: tuple[Grant, ...] = (
    ExternalToolInvoke("u", 2, {"x": 1}),
    *(AgentDelegate(agent, DEEPEST) for agent in AGENTS),
)
roots = wishes(grants | delegates, always=USUAL)


def _oddly(wish: Wish, mode: KeyMode | None, user: str) -> Wish:
    return replace(wish, mode=mode, delegating_user=user)


def children(above: Sequence[Grant]) -> st.SearchStrategy[Wish]:
    rights = [each for each in above if isinstance(each, AgentDelegate)]
    lower = tuple(
        replace(each, max_chain_depth=each.max_chain_depth - 1) for each in rights if each.max_chain_depth > 1
    )
    each = st.sampled_from([each for each in above if each not in rights] or [*above]).flatmap(like)
    asked = st.one_of(wishes(each), wishes(each, always=lower), wishes(each, always=lower))
    modes = st.sampled_from([None, *KeyMode])
    odd = st.builds(_oddly, asked, modes, words)
    return st.one_of(asked, asked, odd, wishes(st.sampled_from([*above]).flatmap(like)), wishes(grants | delegates))


def make_agent(agent: AgentId = AGENTS[0], *, hours: int = 8, types: tuple[str, ...] | None = None) -> Agent:
    return Agent(
        id=agent,
        name="Triage",
        description=None,
        owner=None,
        capabilities=(),
        default_expiry_hours=hours,
        default_revocation_policy=RevocationPolicy.KILL,
        allowed_scope_types=types,
        allowed_models=None,
        credit_cap=None,
        credits_used=0,
        status=AgentStatus.ACTIVE,
        epoch=0,
        version=1,
        created_at=NOW,
        updated_at=NOW,
        archived_at=None,
    )


def issued(new: NewCredential, agent: AgentId = AGENTS[0]) -> Credential:
    made = CredentialId(new_ulid())
    return Credential(
        id=made,
        agent_id=agent,
        name=new.name,
        description=None,
        mode=new.mode,
        last_four="7K2M",
        grants=new.grants,
        delegating_user=new.delegating_user,
        path=new.path,
        family=made,
        replaces=None,
        revocation_policy=new.revocation_policy,
        max_concurrent_invocations=new.max_concurrent_invocations,
        issued_by=None,
        created_at=NOW,
        expires_at=new.expires_at,
    )


def could_hand_on(chain: Sequence[Credential], act: HandOn) -> bool:
    """Whether all of `chain` let the last one have credentials of those agents below it."""
    agents = [each.agent_id for each in chain]
    return all(allows(each.grants, HandOn((*agents[place + 1 :], *act.agents))) for place, each in enumerate(chain))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_chain_of_delegations_ever_widens_anything(data: st.DataObject) -> None:
    root = data.draw(roots)
    chain = [issued(granted(root, make_agent(), by=KeyMode.LIVE, owner="u", now=NOW))]
    for _ in range(DEEPEST + 2):
        parent, to = (
            chain[-1],
            make_agent(data.draw(st.sampled_from(AGENTS)), hours=data.draw(st.sampled_from([1, 720]))),
        )
        try:
            new = handed_on(data.draw(children(parent.grants)), to, chain, now=NOW)
        except DelegationExceedsParentError:
            continue
        child = issued(new, to.id)

        assert could_hand_on(chain, HandOn((to.id,)))
        assert child.path == (*parent.path, parent.id)
        assert len(child.path) <= DEEPEST
        assert child.expires_at <= parent.expires_at
        assert child.max_concurrent_invocations <= parent.max_concurrent_invocations
        assert (child.mode, child.delegating_user) == (parent.mode, parent.delegating_user)
        assert [act for act in ACTS if allows(child.grants, act) and not allows(parent.grants, act)] == []
        ways = [way for way in WAYS if could_hand_on([*chain, child], way)]
        assert [way for way in ways if not could_hand_on(chain, HandOn((to.id, *way.agents)))] == []
        chain.append(child)
    event(f"chain of {len(chain)}")
