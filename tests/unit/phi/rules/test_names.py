"""People's names by what stands around them, and words that only look like names. All people are invented."""

import time

import pytest

from gateway.phi.detector import CERTAIN
from gateway.phi.rules.document import Document
from gateway.phi.rules.names import find_names
from gateway.phi.rules.organizations import find_organizations
from gateway.phi.rules.places import find_places
from gateway.phi.rules.scan import scan
from tests.unit.phi.rules.marked import kinds


def people(text: str) -> list[str]:
    return [value for value, entity in kinds(text) if entity == "PERSON"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mr. and Mrs. Delgado arrived.", ["Delgado"]),
        ("Drs. Chen and Patel rounded.", ["Chen", "Patel"]),
        ("Seen by Drs. Osei, Lindqvist and Brannigan.", ["Osei", "Lindqvist", "Brannigan"]),
        ("Referred by Dr van der Berg.", ["van der Berg"]),
        ("Dr. Lane saw him.", ["Lane"]),
        ("baby girl Ramirez was born", ["Ramirez"]),
    ],
)
def test_a_title_makes_a_name_of_what_follows(text: str, expected: list[str]) -> None:
    assert people(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Spoke with pt's dtr Kim re: plan.", ["Kim"]),
        ("His mother, Ludmila, was present.", ["Ludmila"]),
        ("Lives with husband Gustavo and kids (Mateo, Lucia, and Inez).", ["Gustavo", "Mateo", "Lucia", "Inez"]),
        ("RN Yolanda gave report to RN Thuy.", ["Yolanda", "Thuy"]),
        ("Charge: Latoya. Sitter: Bobby.", ["Latoya", "Bobby"]),
        ("lvm for shaniqua re: results", ["shaniqua"]),
        ("s/w petrossian today", ["petrossian"]),
        ("Handoff from Denise to night team.", ["Denise"]),
        ("Per Johanna, the wound vac was changed.", ["Johanna"]),
        ("Questions -> Hugo", ["Hugo"]),
        ("Bed 12 Willis: NPO", ["Willis"]),
        ("@Samantha please review", ["Samantha"]),
    ],
)
def test_a_role_or_a_word_of_dealing_with_people_makes_a_name(text: str, expected: list[str]) -> None:
    assert people(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Karl, a teacher, reports knee pain.", ["Karl"]),
        ("Delgado's potassium is 6.1", ["Delgado"]),
        ("this is tamika, darnell's mom", ["tamika", "darnell"]),
        ("Stout in 412, 62yo, upset.", ["Stout"]),
        ("Can Douglas take Depakote?", ["Douglas"]),
        ("Will was last seen in clinic.", ["Will"]),
        ("1. Whitaker - POD2, advance diet.", ["Whitaker"]),
        ("Gonzalez is refusing meds", ["Gonzalez"]),
        ("violet at bedside.", ["violet"]),
    ],
)
def test_what_is_said_of_people_makes_a_name_of_what_precedes(text: str, expected: list[str]) -> None:
    assert people(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Thanks, Priya", ["Priya"]),
        ("See you then!\nBest,\nAnjali", ["Anjali"]),
        ("Sincerely,\n\nEleanor Voss", ["Eleanor Voss"]),
        ("Hi Kelsey, please call", ["Kelsey"]),
    ],
)
def test_a_letter_opens_and_closes_with_a_name(text: str, expected: list[str]) -> None:
    assert people(text) == expected


@pytest.mark.parametrize(
    "name",
    [
        "Chukwuemeka Adeyemi",
        "Nguyen Thi Hoa",
        "Wojciech Szczepanski",
        "Siobhan O'Brien-Kowalczyk",
        "Omar Al-Rashid",
        "Mei-Ling Wu",
        'William "Bill" Hathaway',
        "Robert (Bobby) Tran",
        "J. Krishnamurthy",
        "Venkataraghavan Subramaniam",
        "Delgado, Ana M.",
    ],
)
def test_names_of_many_forms_and_countries_are_found_whole(name: str) -> None:
    assert people(f"Today {name} came for a refill.") == [name]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("open Maria_Lopez_2026.pdf", ["Maria_Lopez"]),
        ("open Lopez_Maria_labs.docx", ["Lopez_Maria"]),
        ("open MariaLopez.docx", ["MariaLopez"]),
        ("open patricia-gomez-ct.pdf", ["patricia-gomez"]),
    ],
)
def test_file_names_hide_the_name_in_them(text: str, expected: list[str]) -> None:
    assert people(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rivers, Pat - bipolar I disorder", ["Rivers, Pat"]),
        ("Burns, Michael - acute cholecystitis", ["Burns, Michael"]),
        ("price, bill dob pending", ["price, bill"]),
        ("D. Church and Jun P. are on the list", ["D. Church", "Jun P."]),
    ],
)
def test_plain_words_are_names_where_only_a_name_can_stand(text: str, expected: list[str]) -> None:
    assert people(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Explain Wilson disease, the Kaiser score, a Foley catheter and Hickman line care.",
        "Perform Lachman, McMurray and Thompson tests; Hawkins and Neer negative.",
        "Staphylococcus epidermidis, Candida glabrata and Clostridioides difficile were considered.",
        "Patient on Coumadin, Toprol XL, Lipitor, Latuda and Singulair. Levemir FlexPen is empty.",
        "Kaplan-Meier curves, Cox regression and the Mann-Whitney U test were used.",
        "Consultant Nephrologist to review. Notify Provider. Thanks, Team.",
        "Echo: LVEF 55%, mild MR. EKG: sinus rhythm. Taken to the ED for GERD.",
        "Compare Ranson, Glasgow and Child-Pugh; SPRINT, DAPA-CKD and the Framingham study.",
        "Vent at 12000 ms. Likely cause? Found 104 rows. SortedSet and MaxLen are classes.",
        "my ana is positive and my mom takes eliquis and lopressor",
        "Clark level IV, Breslow 0.8, Fitzpatrick III, Mohs planned.",
        "May will be busy, so plan for April. Mark the date and bill the insurer.",
        "Vena cava filter, linea alba, tinea versicolor, pityriasis rosea.",
    ],
)
def test_terms_that_look_like_names_stay(text: str) -> None:
    assert people(text) == []


@pytest.mark.parametrize(
    "unit",
    ["Al ", "1 A ", "St. St. ", "Lopez, ", "van de ", "New ", 'A "B" ', "Mr. and ", "Mercy General ", "I.", "a-b-"],
)
def test_runs_of_one_word_cost_no_more_than_their_length(unit: str) -> None:
    def cost(size: int) -> float:
        document = Document((unit * size)[:size])
        began = time.process_time()
        places = [*find_places(document), *find_organizations(document)]
        list(find_names(document, places))
        return time.process_time() - began

    def best(size: int) -> float:
        return min(cost(size) for _ in range(3))

    cost(512)
    assert best(8192) < 6 * best(2048) + 0.3


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("SON CHASE NOTIFIED", "CHASE"),
        ("lives w/ brother Ace in town", "Ace"),
        ('mother\'s boyfriend "Ace" gave a changing history', "Ace"),
        ("Ms Wednesday Blackburn wants records", "Wednesday Blackburn"),
        ("Copies: Fuller, Sarah, by mail", "Fuller, Sarah"),
        ("Copies: Falco, Juan Jose G, by mail", "Falco, Juan Jose G"),
        ("Trend for Xiong, Pa Houa please", "Xiong, Pa Houa"),
        ("Is it safe for Mrs. St. Clair to fly?", "St. Clair"),
        ("Chase came with both parents", "Chase"),
        ("Faith is making progress", "Faith"),
        ("Rm 7 to OR at 9 w/ Kowalski.", "Kowalski"),
        ("Could gabapentin explain Kovacs's palpitations?", "Kovacs"),
    ],
)
def test_a_plain_word_or_a_listed_one_is_a_name_by_its_use(text: str, name: str) -> None:
    assert name in people(text)


@pytest.mark.parametrize(
    "text",
    [
        "the albuterol isnt doin nothing, use it til friday, hold warf, vit K 2.5, PT eval pending",
        "N Engl J Med. 2019. J Am Coll Cardiol. Pupils fixed. TOD 0318. Mg, Phos, lactate. Kayexalate given.",
        "Set MAX_TOKENS=4096 and restart. Bot: Hi! User: hello",
        "Rovsing, Murphy, Cullen, Kehr, Blumberg - match each sign",
        "Cullen, Grey Turner, Kehr - match each sign",
        "who covers dialysis if the pt is VA but 91",
    ],
)
def test_shorthand_journals_and_lists_of_eponyms_stay(text: str) -> None:
    assert people(text) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("kit sealed by A. Whitehorse RN", "A. Whitehorse"),
        ("findings phoned to the ED by A Rangaswamy.", "A Rangaswamy"),
        ("alert to koenig and M Yazzie-Brown RN", "M Yazzie-Brown"),
        ("k.brandt: yes, smear w schistos", "k.brandt"),
        ("meant for bed 6 (Amberly, J)", "Amberly, J"),
        ("| Lopez-Lund, I | 10/5 | no |", "Lopez-Lund, I"),
        ("should J.T. get tPA", "J.T."),
        ("subject 112 and patient R-B-K missed the visit; patient R-B-K", "R-B-K"),
        ("who is login hkoenig", "hkoenig"),
    ],
)
def test_a_name_is_found_with_initials_for_the_rest(text: str, name: str) -> None:
    assert name in people(text)


@pytest.mark.parametrize(
    "text",
    [
        "E. coli and C. difficile and S. aureus; vitamin A, B and K; hepatitis A, B.",
        "A. Small bowel: normal. C. Assessment done by A team.",
        "U.S. patients should I.V. fluids fail; user guide and login page; tech support by a vendor.",
    ],
)
def test_letters_of_lists_and_species_are_nobodys_initials(text: str) -> None:
    assert people(text) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Indication: pain, 19M Oduya, Tobenna. No prior", "Oduya, Tobenna"),
        ("pcp fuller, last seen in the fall", "fuller"),
        ("PRESTON POWELL AND CHASE. WEIGHT 50 KG", "CHASE"),
        ("summarise: CROSS, EVAN admitted with dka", "CROSS, EVAN"),
        ("Mr. Theophilus Gantry, 87, is sleeping", "Theophilus Gantry"),
        ("soap note: chase 12yo, sore throat", "chase"),
        ("signing out:\n4 - Whitehead, chf, lasix", "Whitehead"),
    ],
)
def test_age_sex_and_company_make_a_name_of_a_plain_word(text: str, name: str) -> None:
    assert name in people(text)


@pytest.mark.parametrize("verb", ["Page", "Book", "Cancel", "Tell", "Call", "Ask", "Shorten", "Bathe"])
def test_a_plain_word_before_a_name_neither_hides_the_name_nor_joins_it(verb: str) -> None:
    assert people(f"{verb} Maria Lopez for tomorrow") == ["Maria Lopez"]


@pytest.mark.parametrize(
    "verb", ["Summarise", "Analyse", "Prioritise", "Anonymize", "Deidentify", "De-identify", "Bill"]
)
def test_an_instruction_before_a_name_stays_readable(verb: str) -> None:
    assert people(f"Hello.\n{verb} John Smith's chart") == ["John Smith"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Call Marisol Quintanilla-Vega", ["Marisol Quintanilla-Vega"]),
        ("Cancel Lopez, Maria for tomorrow", ["Lopez, Maria"]),
        ("Book J. Smith for Monday", ["J. Smith"]),
        ("PAGE MARIA LOPEZ NOW", ["MARIA LOPEZ"]),
        ("Will Maria Lopez need a refill?", ["Maria Lopez"]),
    ],
)
def test_names_of_every_form_are_found_after_an_instruction(text: str, expected: list[str]) -> None:
    assert people(text) == expected


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Grace Young was seen", "Grace Young"),
        ("Bill Parker called", "Bill Parker"),
        ("Mark Chen, 54", "Mark Chen"),
        ("Page Johnson was seen", "Page Johnson"),
        ("Bill John Smith called", "Bill John Smith"),
        ("Hope Maria Lopez was seen", "Hope Maria Lopez"),
        ("Mary Jane Watson was seen", "Mary Jane Watson"),
    ],
)
def test_a_given_name_that_is_a_word_too_stays_in_its_name(text: str, name: str) -> None:
    assert people(text) == [name]


@pytest.mark.parametrize(
    "text",
    [
        "Explain the Ivor Lewis esophagectomy",
        "Child-Pugh B",
        "Patient is Child-Pugh C.",
        "Child-Pugh B cirrhosis",
        "Salter-Harris II",
        "Rocky Mountain spotted fever",
    ],
)
def test_an_operation_or_disease_called_after_somebody_stays(text: str) -> None:
    assert people(text) == []


def test_a_patient_before_an_operation_is_no_eponym() -> None:
    assert people("Maria Lopez colonoscopy 3/4") == ["Maria Lopez"]


def test_a_line_of_instructions_takes_time_in_step_with_its_length() -> None:
    def cost(words: int) -> float:
        text = "Page Book Cancel Tell Maria " * words
        begun = time.process_time()
        people(text)
        return time.process_time() - begun

    cost(100)
    assert cost(4000) < 20 * max(cost(500), 0.005)


@pytest.mark.parametrize("verb", ["Summarise", "Analyse", "Organising", "Prioritised"])
def test_a_verb_in_british_spelling_is_a_word(verb: str) -> None:
    text = f"{verb}: patient Maria Lopez is here."
    assert [text[span.start : span.end] for span in scan(text) if span.score_milli >= CERTAIN] == ["Maria Lopez"]
