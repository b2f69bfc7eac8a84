from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowFailureError
from temporalio.converter import DataConverter
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from tests.workflows import leaky
from tests.workflows.conftest import KEYS, encrypting
from workflows.codec import EncryptionCodec, PayloadError

CANARY = "Zebulon Quackenbush 987-65-4321"
OTHER_KEY = bytes(range(100, 132))


class _WithHeader(Interceptor):
    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        return _HeaderSetter(next)


class _HeaderSetter(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> Any:  # noqa: A002 - the SDK's name
        header = DataConverter.default.payload_converter.to_payload(CANARY)
        input.headers = {**input.headers, "trace": header}
        return await super().start_workflow(input)


async def test_nothing_readable_rests_in_a_history(
    client: Client, temporal_env: WorkflowEnvironment, task_queue: str
) -> None:
    everything = await _leak(client, temporal_env, task_queue)

    assert CANARY.encode() not in everything
    assert b"Quackenbush" not in everything


async def test_without_the_codec_the_same_search_finds_it(temporal_env: WorkflowEnvironment, task_queue: str) -> None:
    """The control: what the test above looks through does hold every leak."""
    everything = await _leak(temporal_env.client, temporal_env, task_queue)

    leaks = ("failed with", "refused", "caused by", "about")
    assert all(f"{leak} {CANARY}".encode() in everything for leak in leaks)
    assert everything.count(CANARY.encode()) >= 10


async def test_a_fault_in_workflow_code_is_not_readable_either(
    client: Client, temporal_env: WorkflowEnvironment, task_queue: str
) -> None:
    """It fails the workflow's task, not the workflow: another path through the SDK."""
    async with _worker(client, task_queue):
        started = await client.start_workflow(leaky.Faulty.run, CANARY, id=f"f/{task_queue}", task_queue=task_queue)
        handle = temporal_env.client.get_workflow_handle(started.id)
        failures = (
            event.workflow_task_failed_event_attributes.failure
            async for event in handle.fetch_history_events(wait_new_event=True)
            if event.HasField("workflow_task_failed_event_attributes")
        )
        failure = await anext(failures)
        await handle.terminate()

    assert (failure.message, failure.application_failure_info.type) == ("Encoded failure", "KeyError")
    assert CANARY.encode() not in failure.SerializeToString()


async def test_a_failing_activity_is_retried_and_its_failure_read(client: Client, task_queue: str) -> None:
    """A codec that broke failure details once left workflows stuck (sdk-python#1191)."""
    async with _worker(client, task_queue):
        handle = await client.start_workflow(leaky.Leaky.run, CANARY, id=f"leaky/{task_queue}", task_queue=task_queue)
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()

    refused = failed.value.cause.__cause__
    assert isinstance(failed.value.cause, ActivityError)
    assert isinstance(refused, ApplicationError)
    assert (refused.message, refused.type, refused.details) == (f"refused {CANARY}", "REFUSED", (CANARY,))


async def test_a_workflow_started_before_a_rotation_ends_after_it(
    client: Client, temporal_env: WorkflowEnvironment, task_queue: str
) -> None:
    handle = await client.start_workflow(leaky.Echo.run, CANARY, id=f"echo/{task_queue}", task_queue=task_queue)

    rotated = encrypting(temporal_env.client, {**KEYS, 2: OTHER_KEY})
    async with _worker(rotated, task_queue):
        assert await rotated.get_workflow_handle(handle.id, result_type=str).result() == CANARY
    with pytest.raises(PayloadError, match="codec key 2"):
        await handle.result()


@given(data=st.binary(max_size=200), encoding=st.binary(max_size=20))
async def test_every_payload_comes_back_as_it_was(data: bytes, encoding: bytes) -> None:
    codec = EncryptionCodec(KEYS, "hasp")
    payload = Payload(metadata={"encoding": encoding}, data=data)

    assert await codec.decode(await codec.encode([payload])) == [payload]


async def test_the_newest_key_encrypts_and_old_ones_still_decrypt() -> None:
    old = await EncryptionCodec({1: OTHER_KEY}, "hasp").encode([_payload()])
    rotated = EncryptionCodec({1: OTHER_KEY, 7: KEYS[1]}, "hasp")

    assert (await rotated.encode([_payload()]))[0].metadata["encryption-key-id"] == b"7"
    assert await rotated.decode(old) == [_payload()]


async def test_an_unknown_key_is_named() -> None:
    sealed = await EncryptionCodec({3: OTHER_KEY}, "hasp").encode([_payload()])

    with pytest.raises(PayloadError, match="codec key 3, which is not in this process's keyring"):
        await EncryptionCodec(KEYS, "hasp").decode(sealed)


async def test_a_payload_of_another_namespace_is_refused() -> None:
    sealed = await EncryptionCodec(KEYS, "hasp").encode([_payload()])

    with pytest.raises(PayloadError, match="does not open"):
        await EncryptionCodec(KEYS, "elsewhere").decode(sealed)


async def test_a_readable_payload_is_refused() -> None:
    with pytest.raises(PayloadError, match="not encrypted"):
        await EncryptionCodec(KEYS, "hasp").decode([_payload()])


@pytest.mark.parametrize("kept", [0, 5, 20])
async def test_a_payload_cut_short_is_refused(kept: int) -> None:
    (sealed,) = await EncryptionCodec(KEYS, "hasp").encode([_payload()])
    sealed.data = sealed.data[:kept]

    with pytest.raises(PayloadError, match="does not open with codec key 1"):
        await EncryptionCodec(KEYS, "hasp").decode([sealed])


async def test_a_payload_changed_in_one_bit_is_refused() -> None:
    (sealed,) = await EncryptionCodec(KEYS, "hasp").encode([_payload()])
    sealed.data = sealed.data[:-1] + bytes([sealed.data[-1] ^ 1])

    with pytest.raises(PayloadError, match="does not open with codec key 1"):
        await EncryptionCodec(KEYS, "hasp").decode([sealed])


async def test_a_payload_without_a_key_version_is_refused() -> None:
    (sealed,) = await EncryptionCodec(KEYS, "hasp").encode([_payload()])
    sealed.metadata["encryption-key-id"] = b"newest"

    with pytest.raises(PayloadError, match="names no codec key"):
        await EncryptionCodec(KEYS, "hasp").decode([sealed])


def _payload() -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=b'"text"')


def _worker(client: Client, task_queue: str) -> Worker:
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[leaky.Leaky, leaky.Echo, leaky.Faulty],
        activities=[leaky.leak, leaky.refuse],
    )


async def _leak(client: Client, temporal_env: WorkflowEnvironment, task_queue: str) -> bytes:
    """Run the leaky workflow to its failure; all that Temporal keeps of it, as raw bytes."""
    config = client.config()
    config["interceptors"] = [*config["interceptors"], _WithHeader()]
    starter = Client(**config)
    workflow_id = f"leaky/{task_queue}"
    async with _worker(client, task_queue):
        handle = await starter.start_workflow(
            leaky.Leaky.run,
            CANARY,
            id=workflow_id,
            task_queue=task_queue,
            memo={"note": CANARY},
            static_summary=CANARY,
            static_details=CANARY,
        )
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    raw = temporal_env.client.get_workflow_handle(workflow_id)
    history = await raw.fetch_history()
    described = await raw.describe()
    return (
        b"".join(event.SerializeToString() for event in history.events) + described.raw_description.SerializeToString()
    )
