"""Gives each hit its placeholder, walking a request once from its beginning.

What a place becomes depends on nothing that comes after it. So a conversation
that grows keeps every byte it had, whatever is said next, and the provider's
prompt cache keeps its prefix.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from gateway.phi.findings import Entity, Finding
from gateway.phi.hits import Hit
from gateway.phi.json_text import Leaf
from gateway.phi.passages import Passage, Treatment
from gateway.phi.placeholders import Lookalike, Placeholders, lookalikes


def numbered(
    placeholders: Placeholders, passages: Sequence[Passage], hits: Sequence[Hit], *, restoring: bool
) -> list[Finding]:
    """The findings of a request, in order, each with its placeholder.

    Text of the caller's own that reads like a placeholder keeps its number from
    being given out. Where that number is a value's already, the text steps
    aside for one of its own and comes back as it was; unless answers are not
    restored: then it quotes an earlier answer and means that value. A number
    that sealed reasoning speaks of is nobody else's from there on.
    """
    by_path: dict[str, list[Hit]] = defaultdict(list)
    for hit in hits:
        by_path[hit.leaf.path].append(hit)
    findings: list[Finding] = []
    for passage in passages:
        if passage.treatment is Treatment.SEALED:
            for quoted in lookalikes(passage.text):
                if not placeholders.stands_for_a_value(quoted.body):
                    placeholders.reserve(quoted.body)
        elif passage.treatment is Treatment.CONTENT:
            for leaf in passage.leaves:
                if leaf.path not in by_path and "[" not in leaf.text:
                    continue
                hits_here = by_path.get(leaf.path, ())
                findings += _in_leaf(placeholders, leaf, hits_here, restoring=restoring, answered=passage.answered)
    return findings


def _in_leaf(
    placeholders: Placeholders, leaf: Leaf, hits: Sequence[Hit], *, restoring: bool, answered: bool
) -> Iterator[Finding]:
    for place in _in_order(hits, lookalikes(leaf.text)):
        if isinstance(place, Hit):
            yield place.finding(placeholders.of(place.span.entity, place.value, exact=leaf.is_key))
        elif not placeholders.stands_for_a_value(place.body):
            placeholders.reserve(place.body)
        elif restoring:
            typed = leaf.text[place.start : place.end]
            if answered and placeholders.was_answered(place.body, typed):
                continue
            stand_in = placeholders.of(Entity.PLACEHOLDER_TEXT, typed, exact=True)
            yield Finding(leaf.path, place.start, place.end, Entity.PLACEHOLDER_TEXT, 0, stand_in)


def _in_order(hits: Sequence[Hit], looking_alike: Sequence[Lookalike]) -> Iterator[Hit | Lookalike]:
    """Both by where they start, but for lookalikes that a hit touches: those are masked anyway."""
    at = end = 0
    for each in looking_alike:
        while at < len(hits) and hits[at].span.start < each.end:
            yield hits[at]
            end = hits[at].span.end
            at += 1
        if end <= each.start:
            yield each
    yield from hits[at:]
