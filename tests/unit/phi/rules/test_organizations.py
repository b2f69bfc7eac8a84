"""Facilities, schools and employers, and words of their kind without a name."""

import pytest

from tests.unit.phi.rules.marked import kinds


@pytest.mark.parametrize(
    "facility",
    [
        "Twin Rivers Regional Medical Center",
        "Mount Carmel Skilled Nursing Facility",
        "Our Lady of Grace Assisted Living",
        "University of Utah Hospital",
        "Children's Hospital of Philadelphia",
        "Lakeshore Family Medicine Associates",
        "Golden Acres",
        "Sunrise of Millbrook",
        "St. Bartholomew's",
        "Renown Regional",
        "Walgreens on Fifth",
        "UPMC",
    ],
)
def test_a_facility_is_found_whole(facility: str) -> None:
    (found,) = kinds(f"She was transferred to {facility} yesterday")
    assert found[0] == facility


def test_a_town_before_a_clinic_is_the_clinic() -> None:
    assert kinds("our Houston clinic saw 40 patients") == [("Houston clinic", "FACILITY")]


@pytest.mark.parametrize(
    ("text", "employer"),
    [
        ("She is a cashier at Piggly Wiggly now", "Piggly Wiggly"),
        ("works nights at Lee and Sons", "Lee and Sons"),
        ("Occupation: welder, Bath Iron Works", "Bath Iron Works"),
        ("Employer: Stop & Shop", "Stop & Shop"),
        ("retired from the Port Authority", "the Port Authority"),
        ("a coworker at Lockheed Martin", "Lockheed Martin"),
        ("He owns Tony's Auto Repair", "Tony's Auto Repair"),
        ("WORKS AT RACINE POLICE DEPARTMENT.", "RACINE POLICE DEPARTMENT"),
    ],
)
def test_an_employer_is_found_by_what_is_done_there(text: str, employer: str) -> None:
    assert kinds(text) == [(employer, "EMPLOYER")]


@pytest.mark.parametrize(
    "text",
    [
        "Transferred to Medical ICU from Emergency Department. Discharged to Skilled Nursing Facility.",
        "Admitted to General Surgery. Referred to Pain Management and Home Health.",
        "Follow up in Sports Clinic; Cardiac Rehab referral; Preferred Pharmacy on file.",
        "Patient works as a teacher, attends church weekly and is enrolled in the TWILIGHT trial.",
        "The clinic is closed; call the nearest urgent care or hospital.",
        "Consider Physical Therapy and Behavioral Health.",
    ],
)
def test_words_of_a_kind_without_a_name_stay(text: str) -> None:
    assert kinds(text) == []


@pytest.mark.parametrize(
    ("text", "facility"),
    [
        ("Plan from Birchwood Peds is two years old", "Birchwood Peds"),
        ("stress test at Clearwater Heart & Vascular", "Clearwater Heart & Vascular"),
        ("I go to Lantern Hill Women's Health for that", "Lantern Hill Women's Health"),
        ("Seen at Window Rock CBOC", "Window Rock CBOC"),
        ("FROM: Gonzales Memorial, fax to follow", "Gonzales Memorial"),
        ("Denial for Chillicothe ER, appeal by fax", "Chillicothe ER"),
        ("who covers Winnemucca Dialysis if she is out", "Winnemucca Dialysis"),
        ("Prefers Bitterroot Heart & Vascular", "Bitterroot Heart & Vascular"),
        ("from: las cruces behavioral health", "las cruces behavioral health"),
        ("SEEN AT PINE CREST ANNEX. CXR CLEAR.", "PINE CREST ANNEX"),
        ("cc: Loch Broom Surgery", "Loch Broom Surgery"),
    ],
)
def test_a_practice_is_found_by_its_name_and_what_is_done_there(text: str, facility: str) -> None:
    assert facility in [value for value, _ in kinds(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Peritoneal Dialysis or Home Dialysis? Refer to Outpatient Peds.",
        "Complex Regional Pain Syndrome after Hip Surgery; Mohs Surgery planned.",
        "Oxycodone ER 10 mg, Metoprolol Succinate ER daily.",
        "COMPLEX REGIONAL PAIN. START DIALYSIS. CONSULT CARDIOLOGY.",
        "Womens Health, Behavioral Health, and Mental Health services are covered.",
    ],
)
def test_a_specialty_without_a_name_stays(text: str) -> None:
    assert kinds(text) == []


@pytest.mark.parametrize(
    ("text", "employer"),
    [
        ("Write to Marigold Freight Lines HR", "Marigold Freight Lines"),
        ("Employee Health, Amberjack Semiconductor", "Amberjack Semiconductor"),
        ("Funeral home: Delacroix & Sons.", "Delacroix & Sons"),
        ("wages from Rogue Valley Water Authority", "Rogue Valley Water Authority"),
    ],
)
def test_a_firm_is_found_by_what_it_makes_or_who_owns_it(text: str, employer: str) -> None:
    assert employer in [value for value, _ in kinds(text)]


@pytest.mark.parametrize(
    ("text", "employer"),
    [
        ("Work note faxed to Tri-Borough Elevator Local 4 at noon", "Tri-Borough Elevator Local 4"),
        ("School liaison at PS 14 called", "PS 14"),
        ("Court ordered (Law Offices of Brandt Ojeda & Sze), case open", "Law Offices of Brandt Ojeda & Sze"),
        ("How should Cook, Thomas and Adams accommodate her?", "Cook, Thomas and Adams"),
        ("is a bus driver for Cook, Thomas and Adams who fell", "Cook, Thomas and Adams"),
        ("draft a note to morris group: she was under our care", "morris group"),
        ("Talked about the layoff from Harris-Martin and moving", "Harris-Martin"),
        ("paged at Harlan County School District 3 today", "Harlan County School District 3"),
    ],
)
def test_an_employer_is_found_by_number_partners_or_letter(text: str, employer: str) -> None:
    assert employer in [value for value, _ in kinds(text)]


@pytest.mark.parametrize(
    ("text", "facility"),
    [
        ("under our care at the beeches from spring", "the beeches"),
        ("He is moved from Meadow Lark back to the farm", "Meadow Lark"),
        ("Ref to Elko Endo for the root", "Elko Endo"),
        ("transfer to university of hawaii medical center", "university of hawaii medical center"),
        ("Shave done. Path to gulfview derm today", "gulfview derm"),
    ],
)
def test_a_house_where_people_stay_is_found_without_its_kind(text: str, facility: str) -> None:
    assert facility in [value for value, _ in kinds(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Weaned to PS 10 over PEEP 5. Local anesthesia, 4 cm from the margin. PS 14 on CPAP.",
        "Send a note to the patient: call us. Write a letter to insurance: denied. Email to HR: done.",
        "Should we accommodate this? The pines are tall. Consult Endo; path to derm pending.",
        "He moved from Skilled Nursing and wants rest.",
    ],
)
def test_settings_letters_and_trees_are_no_employers(text: str) -> None:
    assert kinds(text) == []
