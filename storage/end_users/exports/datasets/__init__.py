"""The sets of an export, each read behind a cursor as far as one query goes."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from gateway.end_users.exports import Dataset
from storage.end_users.exports.datasets.inferences import read_conversations, read_inferences
from storage.end_users.exports.datasets.profile import read_profile
from storage.end_users.exports.datasets.traces import read_audit, read_findings, read_usage
from storage.end_users.exports.datasets.webhooks import read_webhooks
from storage.end_users.exports.subject import Scan, Source

READERS: Final[Mapping[Dataset, Callable[[Source, str], Awaitable[Scan]]]] = {
    Dataset.PROFILE: read_profile,
    Dataset.CONVERSATIONS: read_conversations,
    Dataset.INFERENCES: read_inferences,
    Dataset.FINDINGS: read_findings,
    Dataset.USAGE: read_usage,
    Dataset.AUDIT: read_audit,
    Dataset.WEBHOOKS: read_webhooks,
}
"""The second argument is the cursor behind which to begin; an empty one is before the first record."""
