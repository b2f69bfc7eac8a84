"""Detected spans of passages as hits in slots: what counts, and where each of it stands."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import PhiInToolSchemaError, TooLargeError
from gateway.phi.detector import DetectorError, Span
from gateway.phi.findings import Finding
from gateway.phi.json_text import Leaf
from gateway.phi.outcomes import Outcomes
from gateway.phi.passages import Passage, Treatment
from gateway.phi.screening import Screening
from gateway.phi.selection import Selection
from gateway.phi.verdicts import Verdict

_MAX_FINDINGS = 100_000
"""Each is recorded: this many are about 10 MB."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A span inside one leaf, as offsets in that leaf's text."""

    leaf: Leaf
    span: Span

    @property
    def value(self) -> str:
        return self.leaf.text[self.span.start : self.span.end]

    def finding(self, placeholder: str | None) -> Finding:
        span = self.span
        return Finding(self.leaf.path, span.start, span.end, span.entity, span.score_milli, placeholder)


@dataclass(frozen=True, slots=True)
class Hits:
    """Of one request: `fixed` are in what cannot be masked, identifiers and signed reasoning."""

    content: list[Hit]
    fixed: list[Hit]
    seen: set[str]
    """Paths of content that was judged in an earlier request."""

    @property
    def findings(self) -> list[Finding]:
        """All, as places that are left as they are."""
        return [hit.finding(None) for hit in (*self.content, *self.fixed)]


def select(passages: Sequence[Passage], verdicts: Sequence[Verdict], screening: Screening, outcomes: Outcomes) -> Hits:
    """What of `verdicts` counts; `outcomes` remember it for the next turn of the same conversation.

    Raises `PhiInToolSchemaError` for PHI in a definition, and `TooLargeError` for more than 100,000 findings.
    """
    hits = Hits([], [], set())
    selection = Selection(screening)
    link = outcomes.beginning(screening)
    for passage, verdict in zip(passages, verdicts, strict=True):
        spans = verdict.spans
        match passage.treatment:
            case Treatment.CONTENT:
                link = outcomes.link(link, verdict, answered=passage.answered)
                if outcome := outcomes.get(link):
                    selection.recall(passage.text, outcome)
                else:
                    outcome = selection.of_content(passage.text, spans, answered=passage.answered)
                    outcomes.keep(link, outcome)
                counting = outcome.counting
                hits.content.extend(_in_leaves(passage, counting))
                if counting and not verdict.is_new:
                    hits.seen.update(leaf.path for leaf in passage.leaves)
                if len(hits.content) > _MAX_FINDINGS:
                    raise TooLargeError(
                        f"The request has more than {_MAX_FINDINGS:,} places with protected health information.",
                        param="messages",
                    )
            case Treatment.IDENTIFIER | Treatment.SEALED:
                hits.fixed.extend(
                    _in_leaves(passage, selection.of_fixed(passage.text, spans, spelled_out=passage.spelled_out))
                )
            case Treatment.DEFINITION:
                if selection.of_definition(passage.text, spans, spelled_out=passage.spelled_out):
                    raise PhiInToolSchemaError(param=passage.path)
    return hits


def _in_leaves(passage: Passage, spans: Sequence[Span]) -> list[Hit]:
    """Spans cut to the leaves they touch; both are in order.

    Raises `DetectorError` for a span in none: what was found but can neither be masked nor named must not pass.
    """
    hits: list[Hit] = []
    leaves = passage.leaves
    at = 0
    for span in spans:
        while at < len(leaves) and leaves[at].start + len(leaves[at].text) <= span.start:
            at += 1
        touched, before = at, len(hits)
        while touched < len(leaves) and leaves[touched].start < span.end:
            leaf = leaves[touched]
            start, end = max(span.start - leaf.start, 0), min(span.end - leaf.start, len(leaf.text))
            if start < end:
                hits.append(Hit(leaf, Span(start, end, span.entity, span.score_milli)))
            touched += 1
        if len(hits) == before:
            raise DetectorError("A finding is in no slot.")
    return hits
