"""The whole scan: hidden characters, escapes, windows, placeholders."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.phi.rules.scan import scan
from tests.unit.phi.rules.marked import certain, kinds, leaks


@pytest.mark.parametrize(
    "marked",
    [
        (
            "PATIENT INFORMATION\nName: Maria Lopez\nMRN:\n<<00123456>>\nDOB:\n<<03/14/1952>>\nAccount "
            "Number:\n<<88123345>>\nSSN:\n<<123-45-6789>>\nPhone:\n<<617-555-0199>>"
        ),
        "MRN        DOB          Acct\n<<00123456>>   <<03/14/1952>>   <<88123345>>",
        (
            "Lab slip\nAccession # <<24-0099812>>\nCollected <<03/14/24>> 0830\nReported <<03/15/24>> 1420\n"
            "WBC 12.4 H 4.0-11.0\nPlt 250 150-400"
        ),
        (
            "Implant log: Medtronic, Model <<W1DR01>>, SN: <<RNB123456H>>, Lead <<5076-52>> S/N <<PJN7712345>"
            ">, implanted <<14 Feb 2023>>"
        ),
        "Tracking <<1Z999AA10123456784>> ; FedEx tracking number <<7712 3456 7890>>; order #<<112-4471882-9981234>>",
        "Enrollment form: Subscriber #: <<YRP 882 A 44712>>; Plan code <<H1234-005>>; Group# <<76-411-22>>",
        "Blood unit <<W0412 23 123456>>; donor ID <<D-88123>>; kit <<K4471882>>; wristband <<77123345>>",
        "Uber driver plate <<8XYZ123>> hit her; insurance claim no <<01-4471-882>>, adjuster ext. <<4471>>",
        "Patient's ID number is <<4471-882-1>>; his Medicaid number: <<12345678901>>; Her member number is <<ZGP123>>",
        "MRN<<00123456>> DOB<<03/14/1952>> Acct:<<88123345>> Phone:<<6175550199>> Fax<<6175550133>>",
        "Call back number is <<617 555-0199>> after 5. My work number <<5550144>>. Text me on <<617.5550133>>",
        "Her birthday is <<March 14>> and anniversary <<6/20/1975>>. Born <<Mar. 1952>>. Graduated in 2019.",
        "Appointment moved from <<Mon 3/4>> to <<Fri, March 8th>> at 2:30pm. Then <<4/1>>, <<4/15>> and <<4/29>>.",
        "Chemo C1D1 <<3/14>>, C2D1 <<4/4>>; CT <<5/2>>; echo <<(6/1)>>; Hgb 9.2 (<<3/14>>) -> 8.8 (<<3/16>>)",
        "s/p CABG <<6/2019>>, PCI <<03-2021>>, THA <<Nov 2022>>, DVT in summer 2018, flu shot <<10/23>>",
    ],
)
def test_shapes_inside_everyday_notes_are_hidden(marked: str) -> None:
    assert leaks(marked) == []


@pytest.mark.parametrize(
    "marked",
    [
        "https://portal.example/p?name=<<Maria%20Lopez>>&dob=<<03%2F14%2F1952>> and mail <<maria&#64;example.org>>",
        "form: patient=<<Maria+Lopez>>&mrn=<<00123456>>&dob=<<03%2F14%2F1952>>&phone=<<617%2D555%2D0199>>",
        (
            "SSN <<1\u200b2\u200b3-4\u200b5-6\u200b7\u200b8\u200b9>> and MRN <<00\u00ad12\u00ad3456>> phone "
            "<<\uff16\uff11\uff17-\uff15\uff15\uff15-\uff10\uff11\uff19\uff19>>"
        ),
        (
            "DOB: <<\u0660\u0663/\u0661\u0664/\u0661\u0669\u0665\u0662>> phone <<617 555 0199>> tel <<617"
            "\u2011555\u20110199>>"
        ),
    ],
)
def test_hidden_characters_and_escapes_hide_nothing_from_the_rules(marked: str) -> None:
    assert leaks(marked) == []


def test_a_span_covers_the_hidden_characters_inside_it() -> None:
    assert kinds("SSN 078\u200b-05-\u00ad1120.") == [("078\u200b-05-\u00ad1120", "US_SSN")]


def test_combining_accents_do_not_cut_a_name() -> None:
    assert ("Jose\u0301 A\u0301lvarez", "PERSON") in kinds("Dr. Jose\u0301 A\u0301lvarez")


def test_a_placeholder_is_never_masked_again() -> None:
    assert certain("Patient [NAME_1], MRN [MRN_2], seen [DATE_12].") == []


def test_overlapping_findings_leave_no_remainder() -> None:
    text = "Policy: INV-2024-03-14-AB, plate 7ABC123"
    assert kinds(text)[0][0] == "INV-2024-03-14-AB"


def test_a_value_on_the_edge_of_a_window_is_found_whole() -> None:
    for shift in range(-24, 24, 5):
        text = "word " * ((8192 + shift) // 5) + "SSN 078-05-1120 " + "word " * 300
        assert ("078-05-1120", "US_SSN") in kinds(text)


@given(st.text(alphabet="19/-.:;@%&\\\"'()+#=<>|,aAxM \n\t\u200b\u0301\u00e9", max_size=400))
def test_any_text_scans_to_ordered_spans_inside_it(text: str) -> None:
    spans = scan(text)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(left.end <= right.start for left, right in pairwise(spans))
