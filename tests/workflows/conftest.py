"""A client of the time-skipping server that encrypts as production does."""

import uuid
from collections.abc import Mapping

import pytest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from workflows import codec, outbox_relay, schedules, webhook_dispatch

KEYS = {1: bytes(range(32))}


def encrypting(client: Client, keys: Mapping[int, bytes]) -> Client:
    """The same connection, clock and namespace with our converter."""
    config = client.config()
    config["data_converter"] = codec.data_converter(keys, client.namespace)
    config["header_codec_behavior"] = codec.HEADERS
    return Client(**config)


@pytest.fixture
def client(temporal_env: WorkflowEnvironment) -> Client:
    return encrypting(temporal_env.client, KEYS)


@pytest.fixture
def task_queue() -> str:
    return f"test-{uuid.uuid4()}"


async def clear(client: Client) -> None:
    """Take away what `schedules.ensure` made, where it is there."""
    for clearing in (
        client.get_schedule_handle(schedules.AUDIT_CHECKPOINT).delete(),
        client.get_schedule_handle(schedules.BAA_UPKEEP).delete(),
        client.get_schedule_handle(schedules.BOOKS_PROOF).delete(),
        client.get_schedule_handle(schedules.BUDGET_UPKEEP).delete(),
        client.get_schedule_handle(schedules.CREDENTIAL_UPKEEP).delete(),
        client.get_schedule_handle(schedules.END_USER_UPKEEP).delete(),
        client.get_schedule_handle(schedules.HOLD_SWEEP).delete(),
        client.get_schedule_handle(schedules.IDEMPOTENCY_UPKEEP).delete(),
        client.get_schedule_handle(schedules.KEY_NOTICES).delete(),
        client.get_schedule_handle(schedules.PROVIDER_PROBE).delete(),
        client.get_schedule_handle(schedules.RETENTION_PURGE).delete(),
        client.get_schedule_handle(schedules.REFUSAL_SUMMARY).delete(),
        client.get_workflow_handle(outbox_relay.WORKFLOW_ID).terminate(),
        *(client.get_workflow_handle(webhook_dispatch.workflow_id(shard)).terminate() for shard in range(2)),
    ):
        try:
            await clearing
        except RPCError:
            continue
