"""Chats in the background, with activities that do as they are told."""

import pytest
from temporalio.client import Client

from activities.chat_run import ChatRun
from gateway.harness.run import MOST_ROUNDS
from tests.replay.chat_runs import ScriptedChats, working
from workflows.chat_run import ChatWorkflows, workflow_id
from workflows.search_attributes import ORGANIZATION, STATE


async def run(client: Client, name: str) -> tuple[ScriptedChats, str, str | None]:
    """What was asked of the activities, how it ended, and what operators see of it."""
    scripted, chat = ScriptedChats(), ChatRun("01ORG", name)
    workflows, calls = working(client, scripted)
    async with workflows, calls:
        runs = ChatWorkflows(client)
        await runs.start(chat)
        await runs.start(chat)
        if name == "chat-run-cancelled":
            await scripted.began.wait()
            await runs.cancel(chat)
        handle = client.get_workflow_handle(workflow_id(name))
        state: str = await handle.result()
    shown = (await handle.describe()).typed_search_attributes
    assert shown.get(ORGANIZATION) == "01ORG"
    return scripted, state, shown.get(STATE)


async def test_rounds_and_tools_follow_each_other_until_the_model_asks_for_none(client: Client) -> None:
    scripted, state, shown = await run(client, "chat-run-with-tools")

    assert (state, shown) == ("completed", "done")
    assert [(step.number, step.is_last) for step in scripted.rounds] == [(0, False), (1, False), (2, False)]
    assert sorted((use.round, use.number) for use in scripted.uses) == [(0, 0), (0, 1), (1, 0)]
    assert [ending.state for ending in scripted.endings] == ["completed"]


async def test_a_model_that_never_stops_is_told_to_in_its_last_round(client: Client) -> None:
    scripted, state, _ = await run(client, "chat-run-that-never-stops")

    assert state == "completed"
    assert [step.is_last for step in scripted.rounds] == [False] * (MOST_ROUNDS - 1) + [True]
    assert len(scripted.uses) == MOST_ROUNDS - 1


async def test_a_step_that_fails_for_good_ends_the_run_with_its_code(client: Client) -> None:
    scripted, state, shown = await run(client, "chat-run-with-a-failure")

    assert (state, shown) == ("failed", "failed")
    assert [(ending.code, ending.message) for ending in scripted.endings] == [("AI_CREDITS_EXHAUSTED", "refused")]
    assert len(scripted.rounds) == 1


async def test_a_step_that_fails_for_a_while_is_tried_again(client: Client) -> None:
    scripted, state, _ = await run(client, "chat-run-after-a-failure")

    assert (state, len(scripted.uses), len(scripted.rounds)) == ("completed", 2, 2)


async def test_a_run_that_nobody_wants_any_more_ends_with_what_runs_of_it(client: Client) -> None:
    scripted, state, shown = await run(client, "chat-run-cancelled")

    assert (state, shown) == ("cancelled", "cancelled")
    assert len(scripted.rounds) == 1


@pytest.mark.parametrize("name", ["chat-run-that-is-over"])
async def test_a_run_that_has_ended_is_not_run(client: Client, name: str) -> None:
    scripted, state, _ = await run(client, name)

    assert (state, scripted.rounds) == ("failed", [])
