"""The PHI guard: a conversation in; the conversation as a provider may see it, a report and the way back out."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import assert_never

from gateway.completion import AnswerBlock
from gateway.conversation import Conversation, RedactedThinking, Sampling, Thinking, Turn
from gateway.errors import FeatureNotEligibleError, UnavailableError, ValidationFailedError
from gateway.phi.aside import aside
from gateway.phi.calls import with_numbered_calls
from gateway.phi.cited import documents_of
from gateway.phi.detector import Detector, DetectorError, Span
from gateway.phi.findings import Entity, Finding
from gateway.phi.hits import Hits, select
from gateway.phi.masking import InlineMasker, Marked, Masker, Replacement, splice
from gateway.phi.numbering import numbered
from gateway.phi.outcomes import Outcomes
from gateway.phi.passages import Passage, Reader, Rewriter
from gateway.phi.placeholders import Placeholders
from gateway.phi.report import PhiReport, ScreenBlockedError, phi_of
from gateway.phi.restore import Restorer
from gateway.phi.screening import Screening
from gateway.phi.selection import Selection
from gateway.phi.slots import visit
from gateway.phi.verdicts import Verdict, Verdicts
from gateway.tenancy import Access, PhiMode, Policy

_CHARACTERS = 100
"""Characters that are walked in the time of one finding."""


@dataclass(frozen=True, slots=True)
class Screened:
    """`conversation` is what may be sent; the caller's own object when nothing was masked."""

    conversation: Conversation
    report: PhiReport
    restorer: Restorer
    placeholders: Mapping[str, str] = field(repr=False)
    """Originals by placeholder body (`NAME_1`), also when the answer is not restored. A person's data."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """What the guard sees in one text. The findings' slot is `text`."""

    findings: tuple[Finding, ...]
    redacted: str


class Guard:
    """Between requests it remembers places and kinds, never a text: what belongs to one lives in what it returns."""

    def __init__(self, detector: Detector, masker: Masker | None = None) -> None:
        self._verdicts = Verdicts(detector)
        self._outcomes = Outcomes()
        self._masker = masker or InlineMasker()

    async def screen(
        self, conversation: Conversation, access: Access, known: Mapping[str, str] | None = None
    ) -> Screened:
        """Finds PHI everywhere in `conversation` and does what the organisation's policy says about it.

        `known` are originals by placeholder body from earlier turns, which keep their numbers.

        Raises `ScreenBlockedError` in block mode, `PhiInToolSchemaError` for
        PHI in tool definitions and output schemas in every mode,
        `TooLargeError` for more than one request may hold,
        `FeatureNotEligibleError` for content that cannot be read,
        `ValidationFailedError` for PHI in an identifier or in signed reasoning, which cannot be masked,
        and `UnavailableError` when the scan did not end well: nothing passes unscanned.
        """
        policy = access.policy
        conversation = with_numbered_calls(conversation)
        reader = await _read(conversation)
        _refuse_files(reader, policy)
        screened = await self._screened(conversation, reader.passages, access, known)
        if not reader.files:
            return screened
        return replace(screened, report=replace(screened.report, unscanned=len(reader.files)))

    async def _screened(
        self,
        conversation: Conversation,
        passages: Sequence[Passage],
        access: Access,
        known: Mapping[str, str] | None,
    ) -> Screened:
        policy = access.policy
        hits = await self._hits(passages, access.policy.screening, access.principal.org)
        match policy.phi_mode:
            case PhiMode.BLOCK:
                if found := hits.findings:
                    raise ScreenBlockedError(PhiReport.of(PhiMode.BLOCK, "none", found), found)
            case PhiMode.ALLOW:
                if found := hits.findings:
                    return _unchanged(conversation, PhiReport.of(PhiMode.ALLOW, "allowed", found))
            case PhiMode.REDACT:
                if hits.fixed:
                    raise ValidationFailedError(
                        "An identifier or signed reasoning must not contain protected health information.",
                        param=hits.fixed[0].leaf.path,
                    )
                if hits.content or known:
                    placeholders = Placeholders(known or {})
                    return await self._redact(conversation, passages, hits, placeholders, policy)
            case _:
                assert_never(policy.phi_mode)
        return _unchanged(conversation, PhiReport.of(policy.phi_mode, "none", []))

    async def inspect(self, text: str, access: Access) -> Inspected:
        """What redact mode would do to `text`, whatever the organisation's mode. Raises as `screen` does."""
        reader = Reader()
        reader.text("text", text)
        hits = await self._hits(reader.passages, access.policy.screening, access.principal.org)
        findings = await self._numbered(reader.passages, hits, Placeholders({}), restoring=True)
        masked = await self._masked_texts(reader.passages, findings, hits.seen)
        return Inspected(tuple(findings), masked.get("text", text))

    async def census(self, texts: Sequence[str], screening: Screening, *, org: str) -> Mapping[Entity, int]:
        """How many of each kind of PHI there are in `texts` by an organisation's screening. Raises as `review` does."""
        reader = Reader()
        for place, text in enumerate(texts):
            reader.text(f"text[{place}]", text)
        hits = await self._hits(reader.passages, screening, org)
        return Counter(each.entity for each in phi_of(hits.findings))

    async def masked(self, texts: Sequence[str], screening: Screening, *, org: str) -> Sequence[str]:
        """`texts` with unnumbered placeholders (`[NAME]`) by an organisation's screening. Raises as `review` does."""
        paths = [f"text[{place}]" for place in range(len(texts))]
        reader = Reader()
        for path, text in zip(paths, texts, strict=True):
            reader.text(path, text)
        hits = await self._hits(reader.passages, screening, org)
        findings = [hit.finding(f"[{hit.span.entity.label}]") for hit in hits.content]
        masked = await self._masked_texts(reader.passages, findings, hits.seen)
        return [masked.get(path, text) for path, text in zip(paths, texts, strict=True)]

    async def review(self, blocks: Sequence[AnswerBlock], access: Access) -> tuple[Finding, ...]:
        """PHI that a model itself wrote in `blocks`, which are as they came: with placeholders in them.

        Slots are `answer.content[0].text` and so on. Raises `UnavailableError` when the scan did not end well.
        """
        reader = await _read(Conversation((Turn("assistant", _readable(blocks)),), Sampling(max_tokens=1)))
        hits = await self._hits(reader.passages, access.policy.screening, access.principal.org)
        return tuple(replace(each, slot=each.slot.replace("messages[0]", "answer", 1)) for each in hits.findings)

    async def scrub(self, text: str) -> str:
        """`text` with unnumbered placeholders (`[NAME]`), for texts of others that must not quote a patient."""
        (verdict,) = await self._detect([text], tenant="")
        return await self._without(text, Selection(Screening()).of_content(text, verdict.spans).counting)

    async def scrub_definition(self, text: str) -> str:
        """As `scrub`, of what a programmer wrote of a tool: without what `screen` would refuse there."""
        (verdict,) = await self._detect([text], tenant="")
        return await self._without(text, Selection(Screening()).of_definition(text, verdict.spans))

    async def _without(self, text: str, spans: Sequence[Span]) -> str:
        stand_ins = tuple(Replacement(s.start, s.end, f"[{s.entity.label}]") for s in spans)
        (scrubbed,) = await self._mask([Marked(text, stand_ins)])
        return scrubbed

    async def _hits(self, passages: Sequence[Passage], screening: Screening, org: str) -> Hits:
        texts = [each.text for each in passages]
        verdicts = await self._detect(texts, tenant=org)
        work = len(texts) + sum(len(each.spans) for each in verdicts) + sum(map(len, texts)) // _CHARACTERS
        terms = len(screening.deny_terms) + len(screening.allow_terms)
        try:
            return await aside(work + terms, select, passages, verdicts, screening, self._outcomes)
        except DetectorError as failure:
            raise UnavailableError(retry_after_s=failure.retry_after_s) from failure

    async def _redact(
        self,
        conversation: Conversation,
        passages: Sequence[Passage],
        hits: Hits,
        placeholders: Placeholders,
        policy: Policy,
    ) -> Screened:
        restoring = policy.restore_answers
        findings = await self._numbered(passages, hits, placeholders, restoring=restoring)
        masked = await self._masked_texts(passages, findings, hits.seen)
        structured = conversation.sampling.output_schema is not None
        sent = await aside(len(passages), visit, conversation, Rewriter(passages, masked))
        return Screened(
            conversation=sent,
            report=PhiReport.of(PhiMode.REDACT, "redacted" if findings else "none", findings),
            restorer=Restorer(
                placeholders.values if restoring else {}, structured=structured, documents=documents_of(sent)
            ),
            placeholders=placeholders.values,
        )

    async def _numbered(
        self, passages: Sequence[Passage], hits: Hits, placeholders: Placeholders, *, restoring: bool
    ) -> list[Finding]:
        work = len(passages) + len(hits.content) + sum(len(each.text) for each in passages) // _CHARACTERS
        return await aside(work, numbered, placeholders, passages, hits.content, restoring=restoring)

    async def _masked_texts(
        self, passages: Sequence[Passage], findings: Sequence[Finding], seen: Set[str]
    ) -> dict[str, str]:
        """The slots that `findings` change, by path. What was masked before needs no engine to do it again."""
        marked = await aside(len(findings), _marked, passages, findings)
        masked = {path: splice(each) for path, each in marked.items() if path in seen}
        if new := {path: each for path, each in marked.items() if path not in seen}:
            masked |= zip(new, await self._mask(list(new.values())), strict=True)
        return masked

    async def _mask(self, texts: Sequence[Marked]) -> Sequence[str]:
        try:
            return await self._masker.mask(texts)
        except DetectorError as failure:
            raise UnavailableError(retry_after_s=failure.retry_after_s) from failure

    async def _detect(self, texts: Sequence[str], *, tenant: str) -> Sequence[Verdict]:
        if not texts:
            return ()
        try:
            return await self._verdicts.of(texts, tenant=tenant)
        except DetectorError as failure:
            raise UnavailableError(retry_after_s=failure.retry_after_s) from failure


async def _read(conversation: Conversation) -> Reader:
    reader = Reader()
    await aside(sum(len(turn.blocks) for turn in conversation.turns), visit, conversation, reader)
    return reader


def _unchanged(conversation: Conversation, report: PhiReport) -> Screened:
    return Screened(conversation, report, Restorer({}), {})


def _refuse_files(reader: Reader, policy: Policy) -> None:
    if reader.files and (policy.phi_mode is PhiMode.BLOCK or policy.unscannable == "refuse"):
        raise FeatureNotEligibleError(
            "Images and documents that cannot be scanned for protected health information are not accepted.",
            param=reader.files[0],
        )
    if reader.disguised:
        raise ValidationFailedError("This must be an image or a PDF, in base64.", param=reader.disguised[0])


def _readable(blocks: Sequence[AnswerBlock]) -> tuple[AnswerBlock, ...]:
    """What of an answer is text: the seals on its reasoning are the vendor's own."""
    return tuple(
        replace(block, signature="") if isinstance(block, Thinking) else block
        for block in blocks
        if not isinstance(block, RedactedThinking)
    )


def _marked(passages: Sequence[Passage], findings: Sequence[Finding]) -> dict[str, Marked]:
    """What there is to mask, by path."""
    replacements: dict[str, list[Replacement]] = defaultdict(list)
    for finding in findings:
        replacements[finding.slot].append(Replacement(finding.start, finding.end, finding.placeholder or ""))
    originals = {leaf.path: leaf.text for each in passages for leaf in each.leaves if leaf.path in replacements}
    return {path: Marked(originals[path], tuple(each)) for path, each in replacements.items()}
