"""What counts as masked, and what as a false alarm."""

import pytest

from bench.phi.samples import Label, Sample, sets, spread
from bench.phi.scoring import Found, Masked, Tally, measure


def sample(text: str, *labels: Label, kind: str = "phi", template: str = "note") -> Sample:
    return Sample(id="s", kind=kind, template=template, text=text, spans=list(labels))


def name(start: int, end: int) -> Label:
    return Label(start=start, end=end, type="NAME")


def tally(each: Sample, *regions: tuple[int, int]) -> Tally:
    return measure([each], lambda _: Found([Masked(*region, "PERSON") for region in regions], 0.001)).whole


MARIA = sample("Seen: Maria Lopez.", name(6, 17))


def test_a_label_masked_in_two_parts_is_covered() -> None:
    assert tally(MARIA, (6, 11), (12, 17)).cover == 1


def test_a_label_half_masked_is_touched_and_not_covered() -> None:
    found = tally(MARIA, (6, 11))
    assert (found.cover, found.touch) == (0, 1)


def test_one_visible_letter_is_a_leak() -> None:
    found = tally(MARIA, (6, 16))
    assert (found.unleaked, found.leaks) == (0, ["s NAME: 'Maria Lopez'"])


def test_a_mask_beside_a_label_is_a_false_alarm() -> None:
    found = tally(MARIA, (0, 4), (6, 17))
    assert (found.precision, found.alarms) == (0.5, ["s PERSON: 'Seen'"])


def test_what_may_be_masked_or_kept_counts_neither_way() -> None:
    state = sample("from Ohio", Label(start=5, end=9, type="IGNORE"))
    assert (tally(state, (5, 9)).precision, tally(state).cover) == (1, None)


def test_only_a_phi_free_text_can_be_masked_in_vain() -> None:
    assert tally(MARIA, (0, 4)).over is None
    assert tally(sample("Foley catheter", kind="neg"), (0, 5)).over == 1
    assert tally(sample("Foley catheter", kind="neg")).over == 0


def test_a_kind_that_no_label_has_is_not_measured() -> None:
    found = tally(MARIA, (6, 17))
    assert (found.cover_of("NAME"), found.cover_of("SSN")) == (1, None)


@pytest.mark.parametrize(
    ("each", "queries"),
    [
        (sample("x", template="tune-query-3"), 1),
        (sample("x", template="held-q12"), 1),
        (sample("x", template="dev-phi-3"), 0),
        (sample("short", kind="neg"), 1),
        (sample("long " * 60, kind="neg"), 0),
    ],
)
def test_queries_are_counted_once_more_by_themselves(each: Sample, queries: int) -> None:
    score = measure([each], lambda _: Found([], 0.0))
    assert (score.whole.texts, score.queries.texts) == (1, queries)


def test_a_subset_is_spread_over_the_whole() -> None:
    each = [sample(f"text {number}") for number in range(10)]
    assert [one.text for one in spread(each, 24)] == ["text 0", "text 3", "text 6", "text 9"]
    assert spread(each, 60) == each


def test_every_label_of_every_set_is_a_stretch_of_its_text() -> None:
    for samples in sets().values():
        assert len({each.id for each in samples}) == len(samples)
        for each in samples:
            for label in each.spans:
                stretch = each.text[label.start : label.end]
                assert stretch.strip() == stretch, each.id
                assert any(map(str.isalnum, stretch)), each.id
            assert all(a.end <= b.start for a, b in zip(each.spans, each.spans[1:], strict=False)), each.id
            assert each.kind in {"phi", "neg"}
            assert each.kind == "phi" or not each.wanted
