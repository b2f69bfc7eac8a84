"""Which keys a key may make or change."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import GatewayError, MissingScopeError, ValidationFailedError
from gateway.ids import ApiKeyId, new_ulid
from gateway.keys.api_key import ApiKey, KeyChanges
from gateway.keys.minting import Reach, lendable, reach_of, require_mode, require_within
from gateway.keys.networks import all_within, read_networks
from gateway.tenancy import KeyMode, Scope

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OFFICE = read_networks("f", ["192.0.2.0/24", "2001:db8::/32"])


def reach(*scopes: Scope, mode: KeyMode = KeyMode.LIVE, **bounds: Any) -> Reach:
    return Reach(frozenset(scopes), mode, **bounds)


def make_key(of: Reach, **fields: Any) -> ApiKey:
    key_id = ApiKeyId(new_ulid())
    return ApiKey(
        id=key_id,
        name="k",
        prefix="hasp_key_live_",
        last_four="7KQD",
        scopes=tuple(sorted(of.scopes)),
        mode=of.mode,
        created_at=NOON,
        family=key_id,
        expires_at=of.expires_at,
        networks=of.networks,
        credit_cap=of.credit_cap,
        **fields,
    )


def test_a_published_scope_is_given_by_a_key_that_lacks_it_unless_strict() -> None:
    require_within(reach(Scope.CONTROL_READ), reach(Scope.AI_CHAT), strict=False)
    with pytest.raises(MissingScopeError) as refused:
        require_within(reach(Scope.CONTROL_WRITE), reach(Scope.AI_CHAT), strict=True)

    assert refused.value.details == {"required_scope": "ai:chat"}


@pytest.mark.parametrize("strict", [False, True])
def test_writing_is_given_only_by_a_key_that_has_it(strict: bool) -> None:
    require_within(reach(Scope.CONTROL_WRITE), reach(Scope.CONTROL_WRITE), strict=strict)
    with pytest.raises(MissingScopeError):
        require_within(reach(Scope.CONTROL_READ), reach(Scope.CONTROL_WRITE), strict=strict)


def test_a_test_key_gives_no_live_one() -> None:
    require_mode(KeyMode.TEST, KeyMode.TEST)
    with pytest.raises(ValidationFailedError):
        require_within(reach(mode=KeyMode.TEST), reach(), strict=False)


@pytest.mark.parametrize(
    ("limit", "wanted", "param"),
    [
        ({"expires_at": NOON}, {"expires_at": NOON}, None),
        ({"expires_at": NOON}, {"expires_at": NOON + timedelta(microseconds=1)}, "expires_at"),
        ({"expires_at": NOON}, {}, "expires_at"),
        ({"networks": OFFICE}, {"networks": OFFICE[:1]}, None),
        ({"networks": OFFICE}, {"networks": read_networks("f", ["192.0.2.128/25", "2001:db8:1::/48"])}, None),
        ({"networks": OFFICE}, {"networks": read_networks("f", ["192.0.2.0/24", "198.51.100.7"])}, "ip_allowlist"),
        ({"networks": OFFICE}, {"networks": read_networks("f", ["192.0.0.0/16"])}, "ip_allowlist"),
        ({"networks": OFFICE[:1]}, {"networks": OFFICE[1:]}, "ip_allowlist"),
        ({"networks": OFFICE}, {}, "ip_allowlist"),
        ({"credit_cap": 5}, {"credit_cap": 5}, None),
        ({"credit_cap": 5}, {"credit_cap": 6}, "credit_cap"),
        ({"credit_cap": 0}, {}, "credit_cap"),
        ({}, {"expires_at": NOON, "networks": OFFICE, "credit_cap": 0}, None),
    ],
)
def test_where_minting_is_strict_each_bound_is_kept_and_named(
    limit: dict[str, Any], wanted: dict[str, Any], param: str | None
) -> None:
    passed: list[str | None] = []
    for strict in (False, True):
        try:
            require_within(reach(**limit), reach(**wanted), strict=strict)
        except ValidationFailedError as refused:
            passed.append(refused.param)

    assert passed == ([] if param is None else [param])


def test_a_key_in_its_grace_outlives_it_in_no_other() -> None:
    retiring = make_key(reach(expires_at=NOON + timedelta(days=9)), retires_at=NOON)

    assert lendable(retiring).expires_at == NOON
    assert lendable(retiring, to=make_key(reach())).expires_at == NOON
    assert lendable(retiring, to=retiring) == reach_of(retiring)


def test_networks_are_within_two_halves_of_what_holds_them() -> None:
    halves = read_networks("f", ["192.0.2.0/25", "192.0.2.128/25"])

    assert all_within(read_networks("f", ["192.0.2.0/24"]), halves)
    assert not all_within(read_networks("f", ["192.0.2.0/23"]), halves)


_ends = st.none() | st.integers(0, 4).map(lambda days: NOON + timedelta(days=days))
_places = st.sampled_from(["192.0.2.0/24", "192.0.2.0/25", "192.0.2.9", "10.0.0.0/8", "::/0"])
_networks = st.lists(_places, max_size=3).map(lambda texts: read_networks("f", texts))
_caps = st.none() | st.integers(0, 4)
_bounds = st.fixed_dictionaries({}, optional={"expires_at": _ends, "networks": _networks, "credit_cap": _caps})
_reaches = st.builds(
    Reach,
    scopes=st.frozensets(st.sampled_from([Scope.AI_CHAT, Scope.CONTROL_READ, Scope.CONTROL_WRITE])),
    mode=st.sampled_from(KeyMode),
    expires_at=_ends,
    networks=_networks,
    credit_cap=_caps,
)
_acts = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(["mint", "change", "rotate"]), st.integers(0, 9), _reaches, _bounds),
    max_size=12,
)


@settings(max_examples=500)
@given(root=_reaches, stranger=_reaches, acts=_acts)
def test_no_chain_of_mints_changes_and_rotations_reaches_further_than_where_it_began(
    root: Reach, stranger: Reach, acts: list[tuple[int, str, int, Reach, KeyChanges]]
) -> None:
    """The holder of `root` may use every key whose plaintext it was shown; a stranger's is only there."""
    keys, held = [make_key(root), make_key(stranger)], [0]
    for by, act, at, wanted, changes in acts:
        giver, target = keys[held[by % len(held)]], at % len(keys)
        try:
            if act == "mint":
                require_within(lendable(giver), wanted, strict=True)
                held.append(len(keys))
                keys.append(make_key(wanted))
                continue
            limit, now = lendable(giver, to=keys[target]), reach_of(keys[target])
            after = now.changed(changes) if act == "change" else now
            for each in (now, after):
                require_within(limit, each, strict=True)
        except GatewayError:
            continue
        changed = replace(keys[target], **changes) if act == "change" else make_key(now)
        if act == "change":
            keys[target] = changed
        else:
            held.append(len(keys))
            keys.append(changed)

    for index in held:
        require_within(root, reach_of(keys[index]), strict=True)
