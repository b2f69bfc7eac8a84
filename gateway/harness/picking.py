"""Which tools a message looks like it needs: by its words, in microseconds, without asking anybody (spec U26)."""

import re
from collections.abc import Sequence
from functools import lru_cache

from gateway.harness.tool import ServerTool

_SIGNS = {
    "calculator": re.compile(
        r"\d\s*[-+*/^%\u00d7\u00f7]\s*\d|\b(calculat\w*|comput\w*|how (?:many|much)|percent\w*|average|sum|total"
        r"|multipl\w*|divid\w*|square root|interest|convert)\b|\d\s*%"
    ),
    "code_execution": re.compile(
        r"\b(python|script|program|code|execute|plot|simulat\w*|algorithm|regex|csv|parse)\b|```"
    ),
    "knowledge_search": re.compile(
        r"\b(file|files|document\w*|upload\w*|attach\w*|pdf|policy|policies|guideline\w*|handbook|manual|protocol"
        r"|procedure|according to|our|knowledge)\b"
    ),
    "web_fetch": re.compile(r"https?://|\bwww\.|\b(web ?page|website|url|link|article)\b"),
    "web_search": re.compile(
        r"\b(search|google|look up|find out|latest|newest|news|today|yesterday|this (?:week|month|year)|current\w*"
        r"|recent\w*|who (?:is|was|are)|where (?:is|can)|when (?:is|was|did)|online|on the (?:web|internet)|price of"
        r"|weather|20[2-9]\d)\b"
    ),
}
"""What in a message speaks for a shipped tool."""

_WORD = re.compile(r"[a-z0-9]{4,}")
_COMMON = frozenset(
    (
        *("about", "after", "also", "anything", "because", "been", "before", "being", "between", "could", "does"),
        *("each", "every", "find", "from", "give", "gives", "have", "into", "just", "like", "make", "more", "most"),
        *("need", "only", "other", "over", "please", "should", "some", "such", "tell", "tells", "than", "that"),
        *("their", "them", "then", "there", "these", "they", "this", "those", "through", "tool", "uses", "using"),
        *("very", "want", "well", "were", "what", "when", "where", "which", "while", "will", "with", "would", "your"),
    )
)
_READ_CHARS = 20_000


def picked(message: str, tools: Sequence[ServerTool]) -> tuple[ServerTool, ...]:
    """Those of `tools` that `message` speaks for, in their order; none where it speaks for none."""
    text = message[:_READ_CHARS].lower()
    words = frozenset(_WORD.findall(text)) - _COMMON
    return tuple(tool for tool in tools if _speaks_for(tool, text, words))


def _speaks_for(tool: ServerTool, text: str, words: frozenset[str]) -> bool:
    if tool.name.lower() in text:
        return True
    if sign := _SIGNS.get(tool.name):
        return sign.search(text) is not None
    return bool(_words(tool.name) & words) or len(_words(tool.description) & words) > 1


@lru_cache(maxsize=2048)
def _words(of_a_tool: str) -> frozenset[str]:
    return frozenset(_WORD.findall(of_a_tool.lower())) - _COMMON
