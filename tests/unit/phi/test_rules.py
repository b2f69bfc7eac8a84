"""What the rules find, and what they leave alone. All people and numbers are invented."""

import json
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.phi.detector import CERTAIN
from gateway.phi.rules.scan import scan


def found(text: str) -> list[tuple[str, str]]:
    return [(text[s.start : s.end], s.entity.value) for s in scan(text) if s.score_milli >= CERTAIN]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SSN 078-05-1120", [("078-05-1120", "US_SSN")]),
        ("ssn: 123456789", [("123456789", "US_SSN")]),
        ("last 4 of her SSN: 4821", [("4821", "US_SSN")]),
        ("call (617) 555-0199 x22", [("(617) 555-0199 x22", "PHONE_NUMBER")]),
        ("fax it to 617.555.0133", [("617.555.0133", "FAX_NUMBER")]),
        ("mail a.b+c@clinic.example now", [("a.b+c@clinic.example", "EMAIL_ADDRESS")]),
        ("from 10.2.3.4 and fe80::1", [("10.2.3.4", "IP_ADDRESS"), ("fe80::1", "IP_ADDRESS")]),
        ("see https://portal.example/p/77.", [("https://portal.example/p/77", "URL")]),
        ("born January 1st, 1970", [("January 1st, 1970", "DATE_TIME")]),
        ("on the 5th of March", [("the 5th of March", "DATE_TIME")]),
        (
            "seen 12JAN2021, again 2021-02-03T10:22:00Z",
            [("12JAN2021", "DATE_TIME"), ("2021-02-03T10:22:00Z", "DATE_TIME")],
        ),
        ("admitted 3/14 with pneumonia", [("3/14", "DATE_TIME")]),
        ("a 93-year-old woman", [("93", "AGE_OVER_89")]),
        ("MRN#8837261", [("8837261", "MEDICAL_RECORD_NUMBER")]),
        ("Medical Record No. AB-4471-9", [("AB-4471-9", "MEDICAL_RECORD_NUMBER")]),
        ("Insurance ID XYZ123456789", [("XYZ123456789", "HEALTH_PLAN_ID")]),
        ("card 4111 1111 1111 1112", [("4111 1111 1111 1112", "CREDIT_CARD")]),
        ("VIN 1HGCM82633A004352", [("1HGCM82633A004352", "VEHICLE_ID")]),
        ("DL# D1234567", [("D1234567", "US_DRIVER_LICENSE")]),
        (
            "88 Harbor View Ave, Apt 4B, Boise, ID 83702",
            [("88 Harbor View Ave, Apt 4B", "STREET_ADDRESS"), ("Boise", "LOCATION"), ("83702", "US_ZIP")],
        ),
        ("Dr. Siobhan O'Malley", [("Siobhan O'Malley", "PERSON")]),
        ("seen by Ms. Nguyen with her son Tuan", [("Nguyen", "PERSON"), ("Tuan", "PERSON")]),
        ("Patient OKAFOR, CHIDI was here", [("OKAFOR, CHIDI", "PERSON")]),
        ("Priyanka Chatterjee, RN", [("Priyanka Chatterjee", "PERSON")]),
        ("my name is josé álvarez", [("josé álvarez", "PERSON")]),
        ("transferred to Mount Carmel Hospital", [("Mount Carmel Hospital", "FACILITY")]),
        ("employed by Harlow Foundry", [("Harlow Foundry", "EMPLOYER")]),
        ('{"family": "Love", "zip": "60073"}', [("Love", "PERSON"), ("60073", "US_ZIP")]),
    ],
)
def test_identifiers_are_found_whole(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Explain Cushing's syndrome, Bell's palsy and Lewy body dementia.",
        "A 45-year-old man, BP 150/90, HR 98, SpO2 97% on room air, strength 5/5, Apgars 8/9.",
        "Start vancomycin 15 mg/kg IV q12h; take 1/2 tablet twice a day for 7-10 days.",
        "Na 138, K 4.2, BUN 15, WBC 7.2, Plt 250, A1c 5.7, T3N0M0, Gleason 4+3.",
        "ICD-10 M54.50 and J45.909, CPT 99214 or 99213, NDC not needed.",
        "Summarize the 2021 AHA guideline; compare 2019-2023 data. Version 1.25.3 runs on port 8080.",
        "Blood cultures grew Staphylococcus aureus and E. coli.",
        "Assessment and Plan: 1. Hypertension - Continue Amlodipine. 2. Hyperlipidemia - Start Atorvastatin.",
        "PHYSICAL EXAM: General: Alert and oriented x3. Lungs: Clear. Abdomen: Soft.",
        "def get_user(user_id: int) -> User: return session.query(User).first()",
        "The clinic is closed on weekends; call the nearest urgent care or hospital.",
        "May I take Tylenol with Advil?",
    ],
)
def test_clinical_and_everyday_text_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_hl7_fields_are_found_by_position() -> None:
    text = "PID|1||88417706^^^A^MR||OKAFOR^CHIDI^B||19800402|M|||12 Harbor View St^^Boise^ID^83702||208-555-0147"
    assert [kind for _, kind in found(text)] == [
        "MEDICAL_RECORD_NUMBER", "PERSON", "DATE_TIME", "STREET_ADDRESS", "LOCATION", "US_ZIP", "PHONE_NUMBER",
    ]  # fmt: skip


def test_table_cells_are_found_by_their_column() -> None:
    text = "name,dob,member_id\nChidi Okafor,04/02/1980,9944603101\nMo Love,05/12/2016,2ZH0YG6XP47"
    assert [kind for _, kind in found(text)] == ["PERSON", "DATE_TIME", "HEALTH_PLAN_ID"] * 2


def test_json_inside_text_is_read_by_its_keys() -> None:
    record = {"patient": {"name": "Mo Rich", "mrn": "77-12-9", "phone": "208.555.0147", "city": "Boise"}}
    assert [value for value, _ in found(json.dumps(record))] == ["Mo Rich", "77-12-9", "208.555.0147", "Boise"]


def test_a_name_is_found_again_in_part() -> None:
    text = "Patient Chidi Okafor was seen. Okafor feels well; chidi wants to go home."
    assert [value for value, _ in found(text)] == ["Chidi Okafor", "Okafor", "chidi"]


def test_accents_and_case_keep_offsets() -> None:
    text = "Ünïcödé “quotes” \u2013 Patient İlker Şahin, MRN 8837261 💊"
    assert ("8837261", "MEDICAL_RECORD_NUMBER") in found(text)
    assert ("İlker Şahin", "PERSON") in found(text)


def test_a_value_across_a_window_edge_is_found() -> None:
    for shift in range(-20, 20, 3):
        text = "word " * ((8192 + shift) // 5) + "SSN 078-05-1120 " + "word " * 3000
        assert ("078-05-1120", "US_SSN") in found(text)


@pytest.mark.parametrize(
    "unit",
    ["a", "1", "1-", "A ", "a@", "a.", "12345 ", "Jan ", "(", "^A", '"a":', "[", "\\", "1 Main ", "University of "],
)
def test_no_text_costs_more_than_its_length(unit: str) -> None:
    def cost(size: int) -> float:
        text = (unit * size)[:size]
        began = time.process_time()
        scan(text)
        return time.process_time() - began

    scan("warm")
    assert cost(64_000) < max(6 * cost(16_000), 0.5) + 0.5


def test_scanning_twice_gives_the_same() -> None:
    text = "Patient Chidi Okafor, MRN 8837261, lives in Boise."
    assert scan(text) == scan(text)


FRAGMENTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["Dr. ", "Patient: ", "MRN ", "Lopez, ", "Maria", " St. ", "A.", "May 5", "3/4", "'s", "-", ","]),
    st.sampled_from(["Boise, ID ", "83702", "PID|1||", "^", "|", "\n", "[NAME_1]", "name,dob\n", '{"zip":']),
    st.sampled_from(["University of ", " County", "works at ", "the "]),
)


@given(st.lists(FRAGMENTS, max_size=25).map("".join))
def test_any_text_scans_to_ordered_spans_inside_it(text: str) -> None:
    spans = scan(text)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(left.end <= right.start for left, right in pairwise(spans))
