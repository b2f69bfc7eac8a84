"""Grants as they are sent, kept and shown."""

from typing import Any

import pytest

from api.manage.agent_credential_schemas import IssueCredentialRequest
from api.manage.grant_schemas import read_grants
from api.validation import validated
from gateway.agents.grants import (
    USER,
    AgentDelegate,
    DataRead,
    DataWrite,
    ExternalToolInvoke,
    Grant,
    HumanEscalate,
    ToolInvoke,
    dump,
    dump_for,
    load,
)
from gateway.errors import ValidationFailedError

ULID = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"
CANARY = "Quillfeather"


def read(*grants: Any) -> tuple[Grant, ...]:
    body: dict[str, Any] = {"name": "Night shift", "granted_scopes": [*grants]}
    wanted = validated(IssueCredentialRequest, body, unknown=ValidationFailedError)
    return read_grants("granted_scopes", wanted.granted_scopes)


@pytest.mark.parametrize(
    "grant",
    [
        DataRead(),
        DataRead(ULID, ("visit",), {"owner": USER, "ward": ["a", USER], "open": True, "at_most": 1.5}),
        DataWrite(ULID, ("visit",), ("note",)),
        ToolInvoke("web.search"),
        ExternalToolInvoke("lookup_appointment", 100, {"site": {"name": "north"}}),
        AgentDelegate(ULID, 2),
        HumanEscalate("charge_nurse"),
    ],
)
def test_a_grant_is_the_same_after_it_was_kept_and_sent_again(grant: Grant) -> None:
    assert load(dump(grant)) == grant
    assert read(dump(grant)) == (grant,)


def test_the_user_stands_in_every_filter_that_says_so() -> None:
    grant = DataRead(filters={"owner": USER, "any": [USER, {"of": USER}]})

    assert dump_for(grant, user="j.reyes")["filters"] == {"owner": "j.reyes", "any": ["j.reyes", {"of": "j.reyes"}]}


def tool(**fields: Any) -> dict[str, Any]:
    return {"type": "external.tool.invoke", "tool_id": "lookup", **fields}


def data(**fields: Any) -> dict[str, Any]:
    return {"type": "hasp.data.read", **fields}


def nested(levels: int) -> Any:
    return {"x": nested(levels - 1)} if levels else 1


@pytest.mark.parametrize(
    ("grant", "param"),
    [
        (CANARY, "granted_scopes[0]"),
        ({}, "granted_scopes[0]"),
        ({"type": CANARY}, "granted_scopes[0].type"),
        (tool(tool_id=None), "granted_scopes[0].tool_id"),
        (tool(tool_id=f"{CANARY} \x00"), "granted_scopes[0].tool_id"),
        (tool(tool_id="x" * 129), "granted_scopes[0].tool_id"),
        ({"type": "hasp.tool.invoke"}, "granted_scopes[0].tool_id"),
        (tool(**{CANARY: 1}), "granted_scopes[0]"),
        (tool(rate_limit=0), "granted_scopes[0].rate_limit"),
        (tool(rate_limit=True), "granted_scopes[0].rate_limit"),
        (tool(rate_limit=1.5), "granted_scopes[0].rate_limit"),
        (tool(constraints={}), "granted_scopes[0].constraints"),
        (tool(constraints=[CANARY]), "granted_scopes[0].constraints"),
        (tool(constraints={CANARY: USER}), "granted_scopes[0].constraints"),
        (tool(constraints={CANARY: 1e300}), "granted_scopes[0].constraints"),
        (tool(constraints={"x": [f"{CANARY} \x00"]}), "granted_scopes[0].constraints"),
        (tool(constraints={f"{CANARY} \x00": 1}), "granted_scopes[0].constraints"),
        (tool(constraints={str(n): n for n in range(21)}), "granted_scopes[0].constraints"),
        (tool(constraints={"x": CANARY * 400}), "granted_scopes[0].constraints"),
        (tool(constraints=nested(6)), "granted_scopes[0].constraints"),
        (data(filters={"owner": "{{delegating_user.name}}"}), "granted_scopes[0].filters"),
        (data(filters={"owner": f"{USER} {CANARY}"}), "granted_scopes[0].filters"),
        (data(filters={USER: CANARY}), "granted_scopes[0].filters"),
        (data(entities=[]), "granted_scopes[0].entities"),
        (data(entities=["visit", f"{CANARY}!"]), "granted_scopes[0].entities[1]"),
        (data(entities=["visit"] * 101), "granted_scopes[0].entities"),
        (data(app_id=CANARY), "granted_scopes[0].app_id"),
        ({"type": "agent.delegate", "to_agent_id": CANARY}, "granted_scopes[0].to_agent_id"),
        ({"type": "agent.delegate", "to_agent_id": ULID, "max_chain_depth": 4}, "granted_scopes[0].max_chain_depth"),
        ({"type": "human.escalate", "to_role": ""}, "granted_scopes[0].to_role"),
    ],
)
def test_a_bad_grant_is_named_and_nothing_of_it_repeated(grant: Any, param: str) -> None:
    with pytest.raises(ValidationFailedError) as refusal:
        read(grant)

    assert refusal.value.param == param
    assert CANARY not in refusal.value.text


@pytest.mark.parametrize("grants", [[], [tool()] * 21])
def test_a_credential_has_one_to_twenty_grants(grants: list[Any]) -> None:
    with pytest.raises(ValidationFailedError) as refusal:
        read(*grants)

    assert refusal.value.param == "granted_scopes"


def test_five_levels_are_not_too_deep() -> None:
    assert read(tool(constraints=nested(5)))
