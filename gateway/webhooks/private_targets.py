"""The switch for local development, with which webhooks may go anywhere."""

import structlog
from structlog.typing import FilteringBoundLogger

from gateway.settings import Settings

_log: FilteringBoundLogger = structlog.get_logger(__name__)


def warn_of_private_targets(settings: Settings) -> None:
    """Whoever starts a process with the switch for local development must not overlook it."""
    if settings.webhook_allow_private:
        _log.warning("webhooks_may_go_to_private_networks", cause="HASP_WEBHOOK_ALLOW_PRIVATE")
