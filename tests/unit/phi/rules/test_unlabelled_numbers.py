"""Identifiers that no label stands before, and what has their form without being one."""

import pytest

from gateway.phi.detector import CERTAIN, LIKELY
from gateway.phi.rules.scan import scan
from tests.unit.phi.rules.marked import kinds, leaks, shaped


@pytest.mark.parametrize(
    "marked",
    [
        "Pls compare w/ chart <<4471-2>> and old chart <<90817-5>> (#<<33812-6>>).",
        "please tell apart Jane Doe (<<7-23-2011>>, <<32483-9>>) and Amy Lee",
        "Jane Doe, bed 6 (Amberly, J, <<0-77-415>>)",
    ],
)
def test_a_record_number_with_a_short_tail_is_hidden(marked: str) -> None:
    assert leaks(marked) == []


def test_a_number_with_the_check_digit_of_a_loinc_code_stays() -> None:
    assert shaped("LOINC 2345-7, chart review of 718-7 and 33914-3 in Jane Doe") == []


@pytest.mark.parametrize(
    "marked",
    [
        "Ms. Okafor (<<3/4/61>>, <<kt4471882>>) and Ms. Bell (<<1961-03-04>>, <<00A4492>>) share a room.",
        "Jane Doe: MMR <<L577-4505>>, kit <<MT 2026 0448 19>>, cane <<ZK-118>>, accession <<26DP-881>>, <<66-K-019>>",
        "Jane Doe (<<13 Jun 1957>>, <<175 317 01>>) and her son (<<44 71 88 20>>)",
        "Jane Doe, held for <<pat-77c1b0>>, nurse <<x4471>>",
        "Jane Doe logged in as <<jdoe61>>",
        "Jane Doe was opened by user=<<hkoenig>> from <<10.44.18.2>>",
    ],
)
def test_identifiers_near_a_person_need_no_label(marked: str) -> None:
    assert leaks(marked) == []


@pytest.mark.parametrize(
    "marked",
    [
        "session=<<0f8e1c2a-71b3-4c0d-9f6e-aa12bc34de56>> of Jane Doe",
        "patient=<<9d2c11f0-5e0a-4b7e-a1c4-66bd70f0a3d2>>",
        '{"resourceType": "Patient", "id": "<<8f14e45f-ceea-467f-a8f2-2f6d1b9b3c10>>"}',
    ],
)
def test_a_uuid_of_somebody_is_hidden(marked: str) -> None:
    assert leaks(marked) == []


@pytest.mark.parametrize(
    "text",
    [
        "commit 8f14e45f-ceea-467f-a8f2-2f6d1b9b3c10 of Jane Doe",
        "patient=00000000-0000-0000-0000-000000000000",
    ],
)
def test_a_uuid_of_a_program_stays(text: str) -> None:
    assert shaped(text) == []


def test_a_uuid_alone_is_only_doubtful() -> None:
    [span] = scan("trace=0f8e1c2a-71b3-4c0d-9f6e-aa12bc34de56")
    assert LIKELY <= span.score_milli < CERTAIN


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ssn_917448123", "917448123"),
        ("scan_ssn_917448123.pdf", "917448123"),
        ("mrn-4471882_final.docx", "4471882"),
    ],
)
def test_in_a_file_name_the_value_is_hidden_and_its_label_stays(text: str, value: str) -> None:
    assert [found for found, _ in kinds(text)] == [value]


@pytest.mark.parametrize(
    "marked",
    [
        "Veteran, last 4 <<0966>>, seen in clinic",
        "VETERAN HAROLD B LAST FOUR <<7719>> CALLED",
        "SSN ends in <<four four one two>>. No phone",
        "last four is <<1984>>",
    ],
)
def test_the_last_four_of_a_social_security_number_are_hidden_in_any_phrasing(marked: str) -> None:
    assert leaks(marked) == []


@pytest.mark.parametrize(
    "marked",
    [
        "tan F250 plate <<4KR 19Z>>; silver van plate <<88M-KTE>> behind the store",
        "plate no. <<TX KLM 4471>>; tag# <<4RT 882>>; crashed car <<WQD 4221>>",
    ],
)
def test_plates_with_few_figures_are_hidden_whole(marked: str) -> None:
    assert leaks(marked) == []


@pytest.mark.parametrize(
    "marked",
    [
        "new id is <<zgp 881 402 77>>. i will be gone",
        "Re: Williams, Amanda // ID <<W267 137972>> // seen",
        "mbr Halvard | id <<9008-1127*02>> | tried",
        "blood type card # <<OP 4471 8>>. ok",
        "pacemaker serial: <<RVX 7710-32K>> or",
    ],
)
def test_a_value_in_several_groups_is_hidden_to_its_end(marked: str) -> None:
    assert leaks(marked) == []


@pytest.mark.parametrize(
    "text",
    [
        "image tag 2.14.0-rc.3, v3.8.1-beta.2, bump axios 1.6.2 to 1.7.4; bump lodash 4.17.20 to 4.17.21",
        "shift 0700-1900, 2200-0600 coverage",
        "user=postgres host=db; author=unknown; owner=root",
        "a truck with 12000 lbs; car 2019 model; Merge pull request #1234",
        "hep B 10 mcg; MMR at 12 months; Tdap 0.5 mL; Prevnar 20, Gardasil 9",
        "standards NPSG.03.06.01, 45 CFR 164.514, CMS 482.24",
        "vitals: 98 72 16 99; 120 80 98 16",
        "PID|1|\nOBR|1||X|80053^CMP",
        "kill PID 12345; model gpt-4-0613; a study of 45000 adults; SELECT name FROM t WHERE id = 12345",
    ],
)
def test_versions_shifts_system_users_and_amounts_stay(text: str) -> None:
    assert shaped(text) == []
