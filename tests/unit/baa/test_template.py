"""Versions of the agreement's text: never changed, found by hash, each explained against the one before."""

import pytest

from gateway.baa.outline import Rank, outline
from gateway.baa.template import Template, UnknownTemplateError, current_template, template_of, templates

PUBLISHED = {
    "2026-01": "2374e0e3b0f9c745713dac9e0a6d6c2d44e5e82a19e423d50c40d40e08f8156d",
    "2026-11": "759dfdc4425248ca5bc15d34661874f489499cd42a0f661a17d3ae9382d9019b",
}

REQUIRED = {
    "45 CFR 164.504(e)(2)(i): permitted uses": "164.504(e)",
    "164.504(e)(2)(ii)(B): safeguards, and the Security Rule (164.314(a)(2)(i)(A))": "Subpart C of 45 CFR Part 164",
    "164.504(e)(2)(ii)(C): reports of breaches": "164.410",
    "164.314(a)(2)(i)(C): reports of security incidents": "security incident",
    "164.504(e)(2)(ii)(D): subcontractors": "164.502(e)(1)(ii)",
    "164.314(a)(2)(i)(B): subcontractors, electronically": "164.308(b)(2)",
    "164.504(e)(2)(ii)(E): access": "164.524",
    "164.504(e)(2)(ii)(F): amendment": "164.526",
    "164.504(e)(2)(ii)(G): accounting": "164.528",
    "164.504(e)(2)(ii)(H): obligations carried out": "carry out an obligation",
    "164.504(e)(2)(ii)(I): books to the Secretary": "available to the Secretary",
    "164.504(e)(2)(ii)(J): return or destroy": "destroys",
    "164.504(e)(2)(iii): termination": "violated a material term",
    "164.502(b): minimum necessary": "164.502(b)",
}


def test_no_published_version_has_changed() -> None:
    assert {template.version: template.sha256 for template in templates()} == PUBLISHED


def test_the_newest_version_is_the_current_one() -> None:
    assert current_template().version == max(PUBLISHED)


@pytest.mark.parametrize("template", templates(), ids=lambda template: template.version)
def test_a_version_is_found_by_its_hash(template: Template) -> None:
    assert template_of(template.sha256) == template


def test_an_unknown_hash_is_of_no_version() -> None:
    with pytest.raises(UnknownTemplateError):
        template_of("0" * 64)


def test_every_version_but_the_first_says_what_is_new() -> None:
    first, *later = templates()

    assert not first.changes
    assert all(template.changes for template in later)


@pytest.mark.parametrize("words", REQUIRED.values(), ids=REQUIRED.keys())
def test_the_current_text_has_what_the_rule_asks_for(words: str) -> None:
    assert words in " ".join(current_template().text.split())


@pytest.mark.parametrize("template", templates(), ids=lambda template: template.version)
def test_the_outline_loses_no_word(template: Template) -> None:
    parts = outline(template)
    words = [parts.title.upper(), parts.edition]
    for part in parts.parts:
        run_in = f"{part.heading}." if part.heading and part.rank is not Rank.SECTION else part.heading
        words += [part.mark, run_in, part.text]

    assert " ".join(" ".join(words).split()) == " ".join(template.text.split())


def test_sections_and_clauses_are_numbered_without_a_gap() -> None:
    parts = [part for part in outline(current_template()).parts if part.rank in (Rank.SECTION, Rank.CLAUSE)]
    expected: list[str] = []
    section = clause = 0
    for part in parts:
        section, clause = (section + 1, 0) if part.rank is Rank.SECTION else (section, clause + 1)
        expected.append(f"{section}.{clause}" if clause else f"{section}.")

    assert [part.mark for part in parts] == expected


def test_every_section_that_the_text_refers_to_exists() -> None:
    import re

    text = " ".join(current_template().text.split())
    marks = {part.mark.rstrip(".") for part in outline(current_template()).parts}
    lists = re.findall(r"[Ss]ections? ((?:\d{1,2}(?:\.\d{1,2})?(?:, | and )?)+)", text)

    assert {mark for each in lists for mark in re.split(r", | and ", each) if mark} <= marks
