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
        "The patient's medical record number at our facility is <<4471882>>.",
        "What ICD code fits my patient admitted <<3/14/2026>> (MRN <<AB-4471>>) with DKA?",
        "Draft appeal for member <<W884471200>>, denial dated <<Feb 12>>, ref <<DN-20931>>.",
        "My pt, DOB <<7.4.61>>, had a stroke on <<the 2nd of January>>; TPA window?",
        "Interpret this ABG for bed 4, acct <<990-112-3344>>: 7.32/50/70.",
        "Pt phone <<(212) 555 0142>>; can I text results? email is <<jdoe.72@hotmail.co>>",
        "A <<98>>-year-old from zip <<10027>> fell on <<11/30>>; head CT needed?",
        "Write a letter to fax <<212.555.0188>> re: claim no. <<88-22109-C>>, loss date <<06Jun2025>>.",
        "Her account number with the billing office is <<77120-33>>; please summarise.",
        "Summarize: <<01/09>> cough, <<01/12>> fever, <<01/15>> CXR RLL infiltrate.",
        "Translate for patient: your appointment is <<Friday, January 16th>> at 3:00 pm, code <<88X2Z1>>.",
        "Is warfarin ok? 91-day INR log; he is <<90>> years old; SSN last 4 <<0091>>.",
        "Device: Medtronic Micra, serial <<MCR441209S>>; MRI safe? implanted <<Aug 2021>>",
        "CC: rash. Onset <<12/2>>. Seen by derm <<12/9>>. Bx <<12/16>> path no <<SS-26-00118>>.",
        "S: <<92>>yo widow c/o dizziness x2d, last seen <<1/12>> by Dr. Ng. Ph <<617-555-0199>>. O: 132/84, 98.2, 72.",
        (
            "OP NOTE <<2/3/24>> Surgeon: Ng. EBL 50. Implants: DePuy Attune size 5, lot <<9912345>>; cement "
            "lot <<DMX044>>."
        ),
        "Discharge: <<February 3rd 2024>>. Pharmacy: CVS #1234 ph <<(617) 555-0123>>, NCPDP <<2212345>>.",
        "Advance directive on file (dated <<5/6/2019>>). HCP daughter <<617.555.0144>> cell.",
        "Hx: appendectomy <<6/88>>, stent <<10/2014>>, flu vax <<10/1/23>>, Tdap <<2016-05-04>>.",
        (
            "Dear Sir, policyholder Maria Lopez (policy number <<HX-2210-88812>>, effective <<1 January 2024>"
            ">) requests..."
        ),
        "RE: Maria Lopez | DOB: <<3/14/1952>> | Claim: <<7712-AB-0044>> | DOL: <<12/1/2023>> | Our file: <<24-1182>>",
        "Date of Injury: <<12-01-2023>>  SS#: <<123-45-6789>>  Employer FEIN: <<04-1234567>>",
        "Patient called <<3/4>> at 3:45pm from <<617-555-0199>> re: refill of Rx<<#8812347>>.",
        "Sent via MyChart on <<3/4/2024>> 10:12 AM by mlopez. Message ID <<MSG-0012347>>.",
        "Barcode under the label: <<0044771203>>. Old chart under <<MR 88-12-34>>.",
        "Lab: specimen ID <<H24-0012>>, ordered by NPI <<1234567893>>, CLIA <<22D0081234>>, client # <<MA004471>>.",
        "ED arrival <<03/04/24>> 02:11; triage 02:15; EMS run sheet <<#2024-004471>>; Medic 12.",
        "CD of images mailed, tracking # <<1Z 999 AA1 01 2345 6784>>, attn records, fax <<617/555-0177>>",
        "Home O2 via Lincare acct <<44-7712-88>>; concentrator s/n <<INV-00921-K>>; CPAP modem <<K12345678901>>.",
        "Tobacco: quit <<3/2010>>. EtOH none since <<New Year's Eve>>. Wed. <<3/6>> group at 10.",
        "Cardiac device check <<2/28>>: Boston Sci SN <<123456>>, battery 5.5 yrs.",
        "Confirm: Lopez, DOB <<3/14>>, phone ending in <<0199>>, zip <<02139>>, card ending <<x4471>>.",
        'text msg from <<+16175550199>>: "this is maria, dob <<031452>>, need my a1c from <<feb 3>>"',
        "Insurance: Medicare A/B <<1EG4TE5MK73>>; supp: AARP <<012345678-11>>; Part D Humana <<H12345678>>",
        (
            "Employee health: badge <<#00912>>, hire date <<6/1/2011>>, PPD placed <<3/4/24>> L forearm lot "
            "<<C6123AA>> 0 mm on <<3/6/24>>."
        ),
        "Family: mother d. <<94>> (CVA), MGF lived to <<98>>, sister 67 A&W, aunt age <<91>>.",
        "Autopsy no. <<A24-118>>; ME case <<2024-01188>>; pronounced <<3/4/24>> 0412; time of death 0412.",
        "Birth: <<3/4/24>> at 0412, 3200 g. Mother MRN <<00447712>>. Baby band # <<8812>>.",
        "Court order <<24MH00112>> dated <<March 1, 2024>>; guardian ad litem bar <<#661234>>.",
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
