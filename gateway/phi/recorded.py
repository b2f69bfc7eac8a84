"""The provider's view of a recorded exchange, rebuilt from the originals and the findings beside them."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from gateway.conversation import Conversation
from gateway.phi.calls import with_numbered_calls
from gateway.phi.findings import Finding
from gateway.phi.masking import Marked, Replacement, splice
from gateway.phi.passages import Passage, Reader, Rewriter
from gateway.phi.slots import visit


def as_sent(conversation: Conversation, findings: Sequence[Finding]) -> Conversation:
    """`conversation` with the placeholders that its findings name put back in."""
    conversation = with_numbered_calls(conversation)
    passages = _passages(conversation)
    texts = _texts(passages)
    replacements: dict[str, list[Replacement]] = defaultdict(list)
    for finding in findings:
        if finding.placeholder is not None and finding.slot in texts:
            replacements[finding.slot].append(Replacement(finding.start, finding.end, finding.placeholder))
    sent = {slot: splice(Marked(texts[slot], tuple(each))) for slot, each in replacements.items()}
    return visit(conversation, Rewriter(passages, sent))


def without_values(answer: JsonValue, placeholders: Mapping[str, str]) -> JsonValue:
    """`answer` with every value that restoring put in taken out again, in keys and strings."""
    if not placeholders:
        return answer
    bodies = {value: body for body, value in placeholders.items()}
    # In structured answers they stand as JSON spells them.
    bodies |= {json.dumps(value, ensure_ascii=False)[1:-1]: body for value, body in bodies.items()}
    # The longest first: a surname must not be taken out of a full name.
    pattern = re.compile("|".join(map(_whole, sorted(bodies, key=len, reverse=True))))
    return _replaced(answer, pattern, bodies)


def _whole(value: str) -> str:
    """A pattern for `value` where it is no part of a longer word or number."""
    before = r"(?<![^\W_])" if value[:1].isalnum() else ""
    after = r"(?![^\W_])" if value[-1:].isalnum() else ""
    return f"{before}{re.escape(value)}{after}"


def _passages(conversation: Conversation) -> Sequence[Passage]:
    reader = Reader()
    visit(conversation, reader)
    return reader.passages


def _texts(passages: Sequence[Passage]) -> dict[str, str]:
    return {leaf.path: leaf.text for passage in passages for leaf in passage.leaves}


def _replaced(value: JsonValue, pattern: re.Pattern[str], bodies: Mapping[str, str]) -> JsonValue:
    match value:
        case str():
            return pattern.sub(lambda found: f"[{bodies[found.group()]}]", value)
        case list():
            return [_replaced(item, pattern, bodies) for item in value]
        case dict():
            return {
                str(_replaced(key, pattern, bodies)): _replaced(item, pattern, bodies) for key, item in value.items()
            }
        case _:
            return value
