"""Every history kept replays with today's code and production's converter."""

import base64
import json
import re
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from activities.holds import HoldActivities
from tests.replay.record import HISTORIES, KEYS, NAMESPACE
from workflows import codec
from workflows.app_run import RunApp
from workflows.books_proof import ProveBooks
from workflows.budget_reset import BudgetReset
from workflows.budget_upkeep import BudgetUpkeep
from workflows.chat_run import RunChat
from workflows.credential_cascade import CredentialCascade
from workflows.credential_lifecycle import CredentialLifecycle
from workflows.credential_upkeep import CredentialUpkeep
from workflows.end_user_erasure import EraseEndUser
from workflows.end_user_export import ExportEndUser
from workflows.end_user_upkeep import EndUserUpkeep
from workflows.file_processing import ProcessFile
from workflows.hold_sweep import HoldSweep
from workflows.idempotency_upkeep import IdempotencyUpkeep
from workflows.key_notices import KeyNotices
from workflows.options import QUICK_WRITE
from workflows.outbox_relay import OutboxRelay
from workflows.provider_probe import ProbeProviders
from workflows.refusal_summary import RefusalSummary
from workflows.retention_purge import RetentionPurge
from workflows.webhook_delivery import WebhookDelivery
from workflows.webhook_dispatch import WebhookDispatch
from workflows.webhook_replay import ReplayPage, ReplayWebhooks

FILES = sorted(HISTORIES.glob("*.json"))


@workflow.defn(name="hold.sweep", sandboxed=False)  # a sandbox would import pytest
class Reordered:
    """The sweep without its search attributes: what replay must notice."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity_method(HoldActivities.expire_page, **QUICK_WRITE)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_a_kept_history_replays(file: Path) -> None:
    await _replayer(
        BudgetReset,
        BudgetUpkeep,
        CredentialCascade,
        CredentialLifecycle,
        CredentialUpkeep,
        EndUserUpkeep,
        EraseEndUser,
        ExportEndUser,
        HoldSweep,
        IdempotencyUpkeep,
        KeyNotices,
        OutboxRelay,
        ProbeProviders,
        ProcessFile,
        ProveBooks,
        RefusalSummary,
        RetentionPurge,
        RunApp,
        RunChat,
        ReplayPage,
        ReplayWebhooks,
        WebhookDelivery,
        WebhookDispatch,
    ).replay_workflow(_history(file))


async def test_a_changed_order_of_steps_is_noticed() -> None:
    with pytest.raises(NondeterminismError):
        await _replayer(Reordered).replay_workflow(_history(HISTORIES / "hold-sweep-three-pages.json"))


def test_every_workflow_has_a_history() -> None:
    first_events = [json.loads(file.read_text())["events"][0] for file in FILES]
    types = {event["workflowExecutionStartedEventAttributes"]["workflowType"]["name"] for event in first_events}

    assert types == {
        "app.run",
        "books.proof",
        "budget.reset",
        "budget.upkeep",
        "chat.run",
        "credential.cascade",
        "credential.lifecycle",
        "credential.upkeep",
        "file.processing",
        "gdpr.erasure",
        "gdpr.export",
        "gdpr.upkeep",
        "hold.sweep",
        "idempotency.upkeep",
        "key.notices",
        "outbox.relay",
        "provider.probe",
        "refusal.summary",
        "retention.purge",
        "webhook.delivery",
        "webhook.dispatch",
        "webhook.replay",
        "webhook.replay_page",
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_payloads_of_a_kept_history_are_ciphertext(file: Path) -> None:
    encodings = {base64.b64decode(found) for found in re.findall(r'"encoding":\s*"([^"]+)"', file.read_text())}

    assert b"binary/encrypted" in encodings
    assert encodings <= {b"binary/encrypted", b"json/plain"}  # search attributes are never encrypted
    assert not re.search("expired|answered", file.read_text())


def _replayer(*workflows: type) -> Replayer:
    return Replayer(
        workflows=workflows,
        namespace=NAMESPACE,
        data_converter=codec.data_converter(KEYS, NAMESPACE),
        header_codec_behavior=codec.HEADERS,
    )


def _history(file: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(file.stem, file.read_text())
