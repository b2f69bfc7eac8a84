"""Every code that a request can be refused with has an audit entry that a test provokes, or a reason to have none."""

from collections.abc import Iterator
from itertools import chain

import api.main
from gateway.errors import GatewayError
from tests.api import test_agent_credential_verdicts as credentials
from tests.api import test_agent_verdicts as agents
from tests.api import test_app_verdicts as apps
from tests.api import test_end_user_erasures as erasures
from tests.api import test_end_user_exports as exports
from tests.api import test_file_verdicts as files
from tests.api import test_hatz_verdicts as chats
from tests.api import test_webhook_verdicts as webhooks
from tests.api.test_every_verdict import CALLS, CONTROLLED

assert api.main  # every error class is imported by now

NOT_AUDITED = {
    "METHOD_NOT_ALLOWED": "nobody's key is looked at: it asks nothing of any organisation",
    "INTERNAL_ERROR": "a fault of ours, in the logs with its request id",
    "AUDIT_KEY_NOT_ACTIVE": "no request is answered with it",
    "TIME_STAMP_UNAVAILABLE": "no request is answered with it",
}
ALONE = {
    "RATE_LIMITED",
    "IDEMPOTENCY_IN_PROGRESS",
    "IDEMPOTENCY_NOT_REPLAYABLE",
    "BAA_NOT_OFFERED",
    "CREDENTIAL_REVOKED",
    "UPLOAD_LINK_INVALID",
    "RETRIEVAL_PHI_BLOCKED",
}
"""Each has a test of its own."""


def test_there_is_no_code_without_an_entry_or_a_reason() -> None:
    ours = {each.code for each in _kinds_of(GatewayError) if not each.__module__.startswith("tests.")}

    of_agents = {*agents.CONTROLLED, *credentials.CONTROLLED, *credentials.BY_AGENTS}
    of_apps = {*apps.CONTROLLED, *chats.CONTROLLED, *files.CONTROLLED}
    of_people = {*erasures.CONTROLLED, *exports.CONTROLLED}
    assert ours == {*CALLS, *CONTROLLED, *webhooks.CONTROLLED, *of_apps, *of_people, *of_agents, *NOT_AUDITED, *ALONE}


def _kinds_of(error: type[GatewayError]) -> Iterator[type[GatewayError]]:
    for each in error.__subclasses__():
        yield from chain([each], _kinds_of(each))
