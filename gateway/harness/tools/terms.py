"""What a use of a tool costs, and how long it may take."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Terms:
    """`surcharge` in credits a use."""

    surcharge: int
    timeout_s: float


# A credit is a token of a middling model; a search costs whoever runs it about a cent.
_SHIPPED: Mapping[str, Terms] = {
    "calculator": Terms(0, 5),
    "knowledge_search": Terms(0, 15),
    "web_search": Terms(3000, 15),
    "web_fetch": Terms(500, 20),
    "code_execution": Terms(1000, 60),
}
OTHER = Terms(500, 30)
"""Of a tool that the operator brought."""


def terms_of(tool: str, settings: Settings, listed: Terms | None = None) -> Terms:
    """Those of `tool`: as the operator's settings say, else as `listed`, else as shipped."""
    terms = listed or _SHIPPED.get(tool, OTHER)
    return Terms(
        settings.tool_surcharges.get(tool, terms.surcharge), settings.tool_timeouts_s.get(tool, terms.timeout_s)
    )
