"""The PHI guard: a conversation in; the conversation as a provider may see it, a report and the way back out."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

from gateway.conversation import Conversation
from gateway.errors import (
    FeatureNotEligibleError,
    PhiBlockedError,
    PhiInToolSchemaError,
    TooLargeError,
    UnavailableError,
    ValidationFailedError,
)
from gateway.phi.aside import aside
from gateway.phi.detector import CERTAIN, Detector, DetectorError, Span
from gateway.phi.findings import CIRCUMSTANTIAL, Finding
from gateway.phi.json_text import Leaf
from gateway.phi.masking import InlineMasker, Marked, Masker, Replacement
from gateway.phi.placeholders import Placeholders
from gateway.phi.propagation import Propagation
from gateway.phi.restore import Restorer
from gateway.phi.slots import Access, Passage, Reader, Rewriter, visit
from gateway.tenancy import PhiMode, Policy

_MAX_FINDINGS = 100_000
"""Each is recorded: this many are about 10 MB."""


@dataclass(frozen=True, slots=True)
class PhiReport:
    """What the guard found and did, without any of the text. `redaction_count` is 0 unless `action` is redacted."""

    mode: PhiMode
    action: Literal["none", "redacted", "allowed"]
    entity_types: tuple[str, ...]
    redaction_count: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Screened:
    """`conversation` is what may be sent; the caller's own object when nothing was masked."""

    conversation: Conversation
    report: PhiReport
    restorer: Restorer


class ScreenBlockedError(PhiBlockedError):
    """The block mode's refusal, with the findings for the record."""

    def __init__(self, report: PhiReport) -> None:
        super().__init__(param=report.findings[0].slot, details={"entity_types": list(report.entity_types)})
        self.report = report


@dataclass(frozen=True, slots=True)
class _Hit:
    """A span inside one leaf, as offsets in that leaf's text."""

    leaf: Leaf
    span: Span

    @property
    def value(self) -> str:
        return self.leaf.text[self.span.start : self.span.end]

    def finding(self, placeholder: str | None) -> Finding:
        span = self.span
        return Finding(self.leaf.path, span.start, span.end, span.entity, span.score_milli, placeholder)


class Guard:
    """Stateless between requests: whatever belongs to one lives in what `screen` returns."""

    def __init__(self, detector: Detector, masker: Masker | None = None) -> None:
        self._detector = detector
        self._masker = masker or InlineMasker()

    async def screen(self, conversation: Conversation, policy: Policy) -> Screened:
        """Finds PHI everywhere in `conversation` and does what `policy` says about it.

        Raises `ScreenBlockedError` in block mode, `PhiInToolSchemaError` for
        PHI in tool definitions and output schemas in every mode,
        `TooLargeError` for more than one request may hold,
        `FeatureNotEligibleError` for content that cannot be read,
        `ValidationFailedError` for PHI in an identifier or in signed reasoning, which cannot be masked,
        and `UnavailableError` when the scan did not end well: nothing passes unscanned.
        """
        reader = Reader()
        visit(conversation, reader)
        _refuse_unscannable(reader, policy)
        detected = await self._detect([each.text for each in reader.passages])
        try:
            hits, fixed_hits = await aside(sum(map(len, detected)), _sort, reader.passages, detected)
        except DetectorError as failure:
            raise UnavailableError from failure
        match policy.phi_mode:
            case PhiMode.BLOCK:
                if found := hits + fixed_hits:
                    raise ScreenBlockedError(_report(PhiMode.BLOCK, "none", [hit.finding(None) for hit in found]))
            case PhiMode.ALLOW:
                if found := hits + fixed_hits:
                    report = _report(PhiMode.ALLOW, "allowed", [hit.finding(None) for hit in found])
                    return Screened(conversation, report, Restorer({}))
            case PhiMode.REDACT:
                if fixed_hits:
                    raise ValidationFailedError(
                        "An identifier or signed reasoning must not contain protected health information.",
                        param=fixed_hits[0].leaf.path,
                    )
                if hits:
                    return await self._redact(conversation, reader.passages, hits, restoring=policy.restore_answers)
            case _:
                assert_never(policy.phi_mode)
        return Screened(conversation, _report(policy.phi_mode, "none", []), Restorer({}))

    async def scrub(self, text: str) -> str:
        """`text` with unnumbered placeholders (`[NAME]`), for texts of others that must not quote a patient."""
        (spans,) = await self._detect([text])
        counting = Propagation().settle(text, spans)
        stand_ins = tuple(Replacement(s.start, s.end, f"[{s.entity.label}]") for s in counting)
        (scrubbed,) = await self._mask([Marked(text, stand_ins)])
        return scrubbed

    async def _redact(
        self, conversation: Conversation, passages: Sequence[Passage], hits: list[_Hit], *, restoring: bool
    ) -> Screened:
        placeholders = Placeholders()
        findings = await aside(len(hits), _numbered, placeholders, passages, hits, restoring=restoring)
        marked = await aside(len(hits), _marked, hits, findings)
        masked = await self._mask(list(marked.values()))
        return Screened(
            conversation=visit(conversation, Rewriter(passages, dict(zip(marked, masked, strict=True)))),
            report=_report(PhiMode.REDACT, "redacted", findings),
            restorer=Restorer(placeholders.values if restoring else {}),
        )

    async def _mask(self, texts: Sequence[Marked]) -> Sequence[str]:
        try:
            return await self._masker.mask(texts)
        except DetectorError as failure:
            raise UnavailableError from failure

    async def _detect(self, texts: Sequence[str]) -> Sequence[Sequence[Span]]:
        if not texts:
            return ()
        try:
            return await self._detector.detect(texts)
        except DetectorError as failure:
            raise UnavailableError from failure


def _refuse_unscannable(reader: Reader, policy: Policy) -> None:
    if reader.unscannables and (policy.phi_mode is PhiMode.BLOCK or policy.unscannable == "refuse"):
        raise FeatureNotEligibleError(
            "Images and documents that cannot be scanned for protected health information are not accepted.",
            param=reader.unscannables[0],
        )


def _sort(passages: Sequence[Passage], detected: Sequence[Sequence[Span]]) -> tuple[list[_Hit], list[_Hit]]:
    """Hits in content and hits in what cannot be masked. Raises `PhiInToolSchemaError` for any in a definition.

    Raises `TooLargeError` for more than 100,000 findings.
    """
    hits: list[_Hit] = []
    fixed_hits: list[_Hit] = []
    propagation = Propagation()
    for passage, spans in zip(passages, detected, strict=True):
        match passage.access:
            case Access.CONTENT:
                if spans:
                    hits += _in_leaves(passage, propagation.settle(passage.text, spans))
                    if len(hits) > _MAX_FINDINGS:
                        raise TooLargeError(
                            f"The request has more than {_MAX_FINDINGS:,} places with protected health information.",
                            param="messages",
                        )
            case Access.IDENTIFIER | Access.SEALED:
                fixed_hits += _in_leaves(passage, _personal(spans))
            case Access.DEFINITION:
                if _personal(spans):
                    raise PhiInToolSchemaError(param=passage.path)
    return hits, fixed_hits


def _personal(spans: Sequence[Span]) -> list[Span]:
    """What identifies someone by itself: an example city, date or URL in a tool's description does not."""
    return [span for span in spans if span.score_milli >= CERTAIN and span.entity not in CIRCUMSTANTIAL]


def _in_leaves(passage: Passage, spans: Sequence[Span]) -> list[_Hit]:
    """Spans cut to the leaves they touch; both are in order.

    Raises `DetectorError` for a span in none: what was found but can neither be masked nor named must not pass.
    """
    hits: list[_Hit] = []
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
                hits.append(_Hit(leaf, Span(start, end, span.entity, span.score_milli)))
            touched += 1
        if len(hits) == before:
            raise DetectorError("A finding is in no slot.")
    return hits


def _numbered(
    placeholders: Placeholders, passages: Sequence[Passage], hits: Sequence[_Hit], *, restoring: bool
) -> list[Finding]:
    """Findings with their placeholders, numbered in order of appearance.

    A number that the caller's own text spells out is not given to a value.
    When answers are restored that holds for the whole request, so that such
    text comes back as it was; when they are not, earlier answers quote our
    placeholders and only text before a number's first use can claim it.
    """
    leaves = [leaf for passage in passages if passage.access is Access.CONTENT for leaf in passage.leaves]
    if restoring:
        for leaf in leaves:
            placeholders.reserve(leaf.text)
    by_path: dict[str, list[_Hit]] = defaultdict(list)
    for hit in hits:
        by_path[hit.leaf.path].append(hit)
    findings: list[Finding] = []
    for leaf in leaves:
        if not restoring:
            placeholders.reserve(leaf.text)
        findings += (
            hit.finding(placeholders.of(hit.span.entity, hit.value, exact=leaf.is_key))
            for hit in by_path.get(leaf.path, ())
        )
    return findings


def _marked(hits: Sequence[_Hit], findings: Sequence[Finding]) -> dict[str, Marked]:
    """What there is to mask, by path."""
    originals = {hit.leaf.path: hit.leaf.text for hit in hits}
    replacements: dict[str, list[Replacement]] = defaultdict(list)
    for finding in findings:
        replacements[finding.slot].append(Replacement(finding.start, finding.end, finding.placeholder or ""))
    return {path: Marked(originals[path], tuple(each)) for path, each in replacements.items()}


def _report(mode: PhiMode, action: Literal["none", "redacted", "allowed"], findings: list[Finding]) -> PhiReport:
    types = tuple(sorted({finding.entity.value for finding in findings}))
    return PhiReport(mode, action, types, len(findings) if action == "redacted" else 0, tuple(findings))
