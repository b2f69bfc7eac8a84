"""The provider's view of a recorded exchange, rebuilt from the originals and the findings beside them."""

import re
from collections import defaultdict
from collections.abc import Sequence

from pydantic import JsonValue

from gateway.conversation import Conversation
from gateway.phi.findings import Finding
from gateway.phi.masking import Marked, Replacement, splice
from gateway.phi.slots import Reader, Rewriter, visit


def as_sent(conversation: Conversation, findings: Sequence[Finding]) -> Conversation:
    """`conversation` with the placeholders that its findings name put back in."""
    texts = _texts(conversation)
    replacements: dict[str, list[Replacement]] = defaultdict(list)
    for finding in findings:
        if finding.placeholder is not None and finding.slot in texts:
            replacements[finding.slot].append(Replacement(finding.start, finding.end, finding.placeholder))
    sent = {slot: splice(Marked(texts[slot], tuple(each))) for slot, each in replacements.items()}
    return visit(conversation, Rewriter(sent))


def without_values(answer: JsonValue, conversation: Conversation, findings: Sequence[Finding]) -> JsonValue:
    """`answer` with every value that the findings point at replaced by its placeholder, in keys and strings."""
    texts = _texts(conversation)
    values = {
        texts[finding.slot][finding.start : finding.end]: finding.placeholder
        for finding in findings
        if finding.placeholder is not None and finding.slot in texts
    }
    if not values:
        return answer
    # The longest first: a surname must not be taken out of a full name.
    pattern = re.compile("|".join(map(re.escape, sorted(values, key=len, reverse=True))))
    return _replaced(answer, pattern, values)


def _texts(conversation: Conversation) -> dict[str, str]:
    reader = Reader()
    visit(conversation, reader)
    return {leaf.path: leaf.text for passage in reader.passages for leaf in passage.leaves}


def _replaced(value: JsonValue, pattern: re.Pattern[str], values: dict[str, str]) -> JsonValue:
    match value:
        case str():
            return pattern.sub(lambda found: values[found.group()], value)
        case list():
            return [_replaced(item, pattern, values) for item in value]
        case dict():
            return {
                str(_replaced(key, pattern, values)): _replaced(item, pattern, values) for key, item in value.items()
            }
        case _:
            return value
