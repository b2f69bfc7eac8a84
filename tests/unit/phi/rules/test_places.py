"""Street addresses, towns and counties, and words that only look like them."""

import pytest

from tests.unit.phi.rules.marked import kinds


@pytest.mark.parametrize(
    "address",
    [
        "88 Harbor View Ave, Apt 4B",
        "4410 Old Mill Rd, Suite 12",
        "14420 South 42nd Blvd #192",
        "18915 5th Lane",
        "1200 Broadway",
        "77 N. Beacon St.",
        "P.O. Box 1187",
        "RR 2 Box 56",
        "1190 County Road 12",
        "3 Cobbler's Close",
        "12 Harbour Brae",
        "47533 Smith Forges",
        "118 E. Mulberry",
        "1180 1/2 Elm",
        "20 Martin Luther King Jr. Lane",
        "lot 44, Whispering Pines MHP",
    ],
)
def test_a_street_address_is_one_span_and_no_town(address: str) -> None:
    assert kinds(f"Her home is {address}") == [(address, "STREET_ADDRESS")]


def test_a_town_follows_a_street() -> None:
    assert kinds("mail to 12 Elm St, Brookline 02446")[:2] == [
        ("12 Elm St", "STREET_ADDRESS"),
        ("Brookline", "LOCATION"),
    ]


@pytest.mark.parametrize(
    ("text", "road"),
    [
        ("im at kroger on high st til 4", "high st"),
        ("stitches at the urgent care on lavista road and one popped", "lavista road"),
        ("staying at a motel on Route 9 since the fire", "Route 9"),
        ("LIVES CHAPTER HOUSE RD, WIFE ON LINE", "CHAPTER HOUSE RD"),
        ("MVA at mile marker 41, Hwy 278 eastbound", "mile marker 41, Hwy 278 eastbound"),
    ],
)
def test_a_road_needs_no_house_number_where_somebody_is(text: str, road: str) -> None:
    assert (road, "STREET_ADDRESS") in kinds(text)


def test_a_town_after_a_road_may_be_a_plain_word() -> None:
    assert ("surprise", "LOCATION") in kinds("the pharmacy on cactus rd in surprise. thanks")


@pytest.mark.parametrize(
    "text",
    [
        "He fell on the road and was found at the wrong street.",
        "ekg shows st elevation on lead st depression and on prior st changes",
        "Given 20 IV. NOTIFIED DR after 500 ML bolus, route PO, lot 44.",
        "Signed W. Toivonen, MD, AZ. Cite in Vancouver style.",
    ],
)
def test_roads_and_towns_are_not_seen_in_orders_and_citations(text: str) -> None:
    assert [each for each in kinds(text) if each[1] in {"STREET_ADDRESS", "LOCATION"}] == []


@pytest.mark.parametrize(
    ("text", "town"),
    [
        ("The family lives in Atlanta.", "Atlanta"),
        ("I'm leaving for Eau Claire on Monday", "Eau Claire"),
        ("Grew up in Truth or Consequences.", "Truth or Consequences"),
        ("He was driving from Bakersfield with friends", "Bakersfield"),
        ("seen in Prince George's County", "Prince George's County"),
        ("crash near East Joanna.", "East Joanna"),
        ("pt lives in Bend with family", "Bend"),
        ("Yesterday in Ottumwa, Iowa", "Ottumwa"),
        ("LIVES IN BATON ROUGE", "BATON ROUGE"),
        ("Retired, lives Kalispell, 70 min away", "Kalispell"),
        ("pt from bozeman with fever", "bozeman"),
    ],
)
def test_a_town_is_found_by_what_stands_before(text: str, town: str) -> None:
    assert kinds(text) == [(town, "LOCATION")]


@pytest.mark.parametrize(
    "text",
    [
        "The San Francisco syncope rule and the Boston bowel scale.",
        "New York and California require reporting.",
        "Take 2 tablets by mouth, 1 way or another, 3 times a day in place of lunch.",
        "Strength 5/5 on the right and a 3 cm tear in the circle of the lane.",
        "Canadian CT head rule",
    ],
)
def test_words_that_look_like_places_stay(text: str) -> None:
    assert kinds(text) == []
