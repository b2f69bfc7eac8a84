"""What is remembered of texts that were scanned, and for whom."""

from collections.abc import Sequence
from dataclasses import replace
from unittest.mock import ANY

from gateway.phi.detector import Span
from gateway.phi.inline import RuleDetector
from gateway.phi.verdicts import Verdict, Verdicts

TEXTS = ["Patient Maria Lopez, SSN 917-44-8123", "Nothing here.", "Ünïcode: José Álvarez, MRN 00153497 💊"]


class Counting:
    def __init__(self) -> None:
        self.seen: list[str] = []

    async def detect(self, texts: Sequence[str]) -> Sequence[Sequence[Span]]:
        self.seen += texts
        return await RuleDetector().detect(texts)


async def test_a_text_is_scanned_once() -> None:
    inner = Counting()
    verdicts = Verdicts(inner)
    first = await verdicts.of([*TEXTS, TEXTS[0]], tenant="a")
    assert inner.seen == TEXTS
    assert all(verdict.is_new for verdict in first)
    again = [replace(verdict, is_new=False) for verdict in first]
    assert await verdicts.of([*TEXTS, TEXTS[0]], tenant="a") == again
    assert await verdicts.of(["New.", *TEXTS], tenant="a") == [Verdict(ANY, (), is_new=True), *again[:-1]]
    assert inner.seen == [*TEXTS, "New."]


async def test_no_tenant_learns_from_what_another_one_sent() -> None:
    inner = Counting()
    verdicts = Verdicts(inner)
    ours, theirs = [await verdicts.of(TEXTS, tenant=tenant) for tenant in ("a", "b")]
    assert [verdict.spans for verdict in ours] == [verdict.spans for verdict in theirs]
    assert not {verdict.key for verdict in ours} & {verdict.key for verdict in theirs}
    assert inner.seen == [*TEXTS, *TEXTS]


async def test_the_memory_is_bounded_and_forgets_the_oldest() -> None:
    inner = Counting()
    verdicts = Verdicts(inner, max_entries=2)
    for text in ("a", "b", "c", "b", "a"):
        await verdicts.of([text], tenant="a")
    assert inner.seen == ["a", "b", "c", "a"]
    tiny = Verdicts(inner, max_bytes=10)
    assert (await tiny.of(TEXTS, tenant="a"))[0].spans


async def test_no_text_is_kept() -> None:
    verdicts = Verdicts(RuleDetector())
    await verdicts.of(TEXTS, tenant="a")
    assert "Lopez" not in repr(vars(verdicts))
