"""Facilities, schools and firms: by a word of their kind, by name, and by what happens there."""

import re
from collections.abc import Iterator

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind, lexicon
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.employers import find_employers
from gateway.phi.rules.vocabulary import FACILITY_ENDS, FUNCTION_WORDS, GENERIC_PLACE_WORDS, phrase_set, word_set

_FACILITY_PAIRS = phrase_set(
    "nursing home, urgent care, health system, medical center, medical centre, medical group, health center, care "
    "center, surgery center, cancer center, cancer institute, heart institute, heart center, health services, health "
    "network, family practice, family medicine, assisted living, primary care, care home, medical associates, health "
    "partners, wellness center, treatment center, imaging center, birth center, dialysis center, trauma center, rehab "
    "center, rehabilitation center, health clinic, skilled nursing, senior living, physician group, day surgery, eye "
    "institute, community health, health plan, memory care, health care, recovery center, retirement community, "
    "women's center, children's center, brain institute, spine institute, medical institute, surgical center, "
    "outpatient center, internal medicine, emergency medicine, sports medicine, medical clinic, dental group, eye "
    "center, family clinic, home health, home care, hospice care, diagnostic center, kidney center, blood center, "
    "counseling center, pain center, sleep center, nursing facility, nursing center, day center, care facility, funeral "
    "home, birthing center, vein center, vision center, skin center, joint institute, breast center, infusion center, "
    "fertility center, health department, group home, halfway house, detox center, medical plaza, medical pavilion, "
    "medical office, medical campus, specialty center, surgical associates, independent living, health sciences, birth center, health campus, health alliance, care "
    "associates, radiology associates, orthopaedic institute, orthopedic institute, vascular institute, neurology "
    "associates, cardiology associates, retirement village, veterans home, mortuary services"
)
_EMPLOYER_ENDS = word_set(
    "university college school academy diner restaurant church synagogue mosque temple cathedral parish inc llc corp "
    "corporation ltd airlines airways railroad foods motors industries steel logistics bakery cafe grill brewery "
    "farms foundry plumbing construction roofing trucking electronics technologies electric petroleum supermarket "
    "prison jail shelter seminary kindergarten daycare preschool library museum hotel motel casino enterprises holdings "
    "elementary manufacturing brothers bros supply transport freight automotive trucking staffing landscaping catering "
    "ironworks sawmill dairy vineyards winery orchards market markets grocery hardware furniture pizzeria pizza bistro "
    "salon barbershop gym fitness insurance realty properties mortgage savings bancorp consulting solutions systems "
    "recovery aerospace dynamics chemicals pharmaceuticals plastics textiles apparel publishing"
)
_EMPLOYER_PAIRS = phrase_set(
    "school district, air lines, police department, fire department, high school, elementary school, middle school, "
    "unified school, post office, public schools, auto body, power plant, steel mill, law firm, credit union, and sons, "
    "auto repair, iron works, sheriff's office, port authority, community college, charter school, day school, "
    "public library, water department, transit authority, housing authority, air force, & sons"
)
_LOOSE_ENDS = word_set(
    "recovery insurance systems solutions market markets supply properties shelter transport library fitness"
)
"""Plain words too: a capitalised run before them is a firm only when it holds an odd word."""

_LAST_WORDS = FACILITY_ENDS | _EMPLOYER_ENDS | {pair.split()[1] for pair in _FACILITY_PAIRS | _EMPLOYER_PAIRS}
_OF_HEADS = word_set("university college school hospital institute church bank city town county state")
_AFTER_END = word_set(
    "associates group center centre partners clinic hospital campus facility annex pavilion institute department"
)
_RESIDENCES = word_set(
    "manor gardens acres village terrace pines oaks estates commons place house lodge villa villas court grove meadows "
    "haven heights ridge springs pointe landing crossing hall park hills woods view glen creek lakes towers"
)
_VISITS = word_set(
    "seen admitted hospitalized transferred transported discharged presented born delivered treated evaluated referred "
    "referral resident lives living resides stays staying records placement operated examined diagnosed care rehab "
    "appointment appt admission transfer came sent went brought airlifted follow-up followup up surgery snf facility "
    "works staff ed er visit visited labs drawn imaging mri ct scan bed beds stay recovering dc d/c labs scans here "
    "bounced boarded kept"
)
"""What happens at a facility: with `at`, `to`, `from` or `of` after them, a name follows."""

_PREPOSITIONS = frozenset(["at", "to", "from", "of"])
_PLACE_LABELS = word_set("facility hospital pharmacy clinic location site agency center hospice snf lab")
_FAMOUS = phrase_set(
    "cedars-sinai, cedars sinai, johns hopkins, mayo clinic, cleveland clinic, mass general, md anderson, sloan kettering, "
    "memorial sloan kettering, kaiser permanente, kaiser, mount sinai, nyu langone, geisinger, intermountain, banner health, "
    "sutter health, massachusetts general, scripps, bellevue, montefiore, upmc, ochsner, novant, duke, mayo, ucsf, ucla, "
    "stanford, vanderbilt, emory, northwell, ascension, providence, dignity health, commonspirit, trinity health, "
    "advocate aurora, atrium health, baylor scott, houston methodist, ut southwestern, penn presbyterian, beth israel, "
    "brigham and women, brigham, dana farber, dana-farber, fox chase, moffitt, city of hope, fred hutch, fred hutchinson, "
    "lurie children, nationwide children, texas children, boston children, hopkins, cooper, lahey, tufts, maine medical, "
    "dartmouth hitchcock, dartmouth-hitchcock, strong memorial, hennepin, regions, essentia, sanford, avera, unitypoint, "
    "froedtert, rush, loyola, northwestern, henry ford, beaumont, spectrum health, corewell, promedica, metrohealth, "
    "ohiohealth, wexner, carilion, inova, sentara, musc, prisma, wellstar, piedmont, grady, shands, adventhealth, "
    "baycare, jackson memorial, tampa general, ut health, parkland, memorial hermann, ben taub, lbj, seton, methodist, "
    "christus, integris, mercy, ssm, bjc, barnes-jewish, nebraska medicine, uchealth, denver health, swedish, virginia mason, "
    "harborview, ohsu, legacy, sharp, scripps, hoag, city of hope, loma linda, alta bates, highland, zuckerberg"
)
_SHOPS = phrase_set(
    "walgreens, cvs, rite aid, kroger pharmacy, quest diagnostics, labcorp, quest, planned parenthood, davita, fresenius, "
    "brookdale, sunrise, genesis, encompass, kindred, concentra, minuteclinic, medexpress, carbon health, one medical, "
    "duane reade, walmart pharmacy, costco pharmacy, publix pharmacy, safeway pharmacy, express scripts, optumrx, bioreference, "
    "american red cross, shriners, st jude, the joint, fastmed, nextcare, aspen dental, visiting angels, amedisys, vitas"
)
_KNOWN = _FAMOUS | _SHOPS
_KNOWN_STARTS = {name.split()[0] for name in _KNOWN}
_SAINTS = frozenset(["st", "saint"])
_GENERALS = word_set("regional general memorial presbyterian methodist baptist adventist lutheran deaconess")
"""Words that end the short names of hospitals: `Mercy General`."""

_BRANCH = re.compile(
    r"\s(?:on|at)\s(?:the\scorner\sof\s)?(?:\d{1,3}(?:st|nd|rd|th)|[A-Z][a-z]+|first|second|third|fourth|fifth|sixth|main)\b"
    r"(?:\s(?:St|Street|Ave|Avenue|Rd|Road|Blvd|Dr|Drive|Ln|Lane|Pkwy|Hwy)\b)?"
)
_MARKS = _SAINTS | _GENERALS | _LAST_WORDS | _PREPOSITIONS | _PLACE_LABELS | _KNOWN_STARTS
_MAX_RUN = 5
_LONGEST_PHRASE = 6


def find_organizations(document: Document) -> Iterator[Span]:
    words = document.words
    caseless = document.is_caseless
    for index in [
        index
        for index, word in enumerate(words)
        if word.lower in _MARKS or (word.kinds & Kind.STARTS_PHRASE and (word.is_capital or caseless))
    ]:
        word = words[index]
        lower = word.lower
        if lower in _LAST_WORDS:
            yield from _by_kind(document, index)
        elif lower == "of":
            if index and words[index - 1].lower in _OF_HEADS:
                yield from _of_place(document, index)
        if lower in _SAINTS or lower in _GENERALS:
            yield from _by_form(document, index)
        if (word.is_capital or caseless) and (lower in _KNOWN_STARTS or _starts_phrase(words, index)):
            yield from _by_name(document, index)
        if not caseless and (lower in _PREPOSITIONS or lower in _PLACE_LABELS) and _leads_to_capital(words, index):
            yield from _by_visit(document, index)
    yield from find_employers(document)


def _starts_phrase(words: list[Word], index: int) -> bool:
    if not words[index].kinds & Kind.STARTS_PHRASE or index + 1 == len(words):
        return False
    return bool(words[index + 1].kinds & Kind.CONTINUES_PHRASE)


def _by_kind(document: Document, index: int) -> Iterator[Span]:
    """`Mercy Hospital`, `Red Rock Eye Institute`, `Lee and Sons`."""
    words = document.words
    word = words[index]
    pair = f"{words[index - 1].lower} {word.lower}" if index else ""
    length = 2 if pair in _FACILITY_PAIRS or pair in _EMPLOYER_PAIRS else 1
    if word.lower in FACILITY_ENDS or pair in _FACILITY_PAIRS:
        entity = Entity.FACILITY
    elif word.lower in _EMPLOYER_ENDS or pair in _EMPLOYER_PAIRS:
        entity = Entity.EMPLOYER
    else:
        return
    start = _run_start(document, index, length)
    if start is None or (word.lower in _LOOSE_ENDS and not _has_odd_word(words[start:index])):
        return
    if entity is Entity.EMPLOYER and start and words[start - 1].lower == "the":
        start -= 1
    yield Span(words[start].start, words[_run_end(document, index)].end, entity, 800)


def _has_odd_word(words: list[Word]) -> bool:
    return any(not word.kinds & (Kind.WORD | Kind.MEDICAL) for word in words)


def _run_start(document: Document, end: int, type_words: int) -> int | None:
    """Where the proper name begins whose last word is a type word, None when there is no name before it."""
    words = document.words
    first = end - type_words + 1
    if not document.is_caseless and not words[end].is_capital:
        return _lower_type(document, first)
    start = first
    while start > 0 and first - start < _MAX_RUN and _belongs(document, start - 1):
        start -= 1
    while start < first and _is_generic(document, start):
        start += 1
    named = words[start:first]
    if not any(word.lower not in GENERIC_PLACE_WORDS and not _is_only_term(word) for word in named):
        return None
    return start


def _is_only_term(word: Word) -> bool:
    return bool(word.kinds & Kind.MEDICAL) and not word.kinds & (Kind.FIRST | Kind.LAST | Kind.CITY)


def _is_generic(document: Document, at: int) -> bool:
    word = document.words[at]
    if word.lower == "our" and at + 1 < len(document.words) and document.words[at + 1].lower == "lady":
        return False
    return word.lower in GENERIC_PLACE_WORDS or word.lower in FUNCTION_WORDS


def _run_end(document: Document, end: int) -> int:
    """`Family Medicine Associates`, `Children's Hospital of Philadelphia`: the last word that still belongs."""
    words = document.words
    while end + 1 < len(words) and document.adjacent(end) and words[end + 1].lower in _AFTER_END:
        if not words[end + 1].is_capital:
            break
        end += 1
    if (
        end + 2 < len(words)
        and words[end + 1].lower in {"of", "at"}
        and document.adjacent(end)
        and document.adjacent(end + 1)
    ):
        place = words[end + 2]
        named = place.is_capital and not document.is_caseless and not place.kinds & Kind.MEDICAL
        if named and place.lower not in FUNCTION_WORDS and (place.kinds & Kind.CITY or not place.kinds & Kind.WORD):
            return end + 2
    return end


def _lower_type(document: Document, first: int) -> int | None:
    """`our Houston clinic`: a town or a name in capitals before a type word in small letters."""
    if first == 0:
        return None
    word = document.words[first - 1]
    near = document.flat[word.end : document.words[first].start] == " "
    if not near or not word.is_capital or document.is_caseless:
        return None
    start = first - 1
    if word.kinds & Kind.CITY and not word.kinds & Kind.WORD:
        while start and document.words[start - 1].is_capital and document.adjacent(start - 1):
            pair = f"{document.words[start - 1].lower} {document.words[start].lower}"
            if not lexicon().get(pair, 0) & Kind.CITY:
                break
            start -= 1
        return start
    return None


def _belongs(document: Document, index: int) -> bool:
    """Whether a word continues, to the left, the name that the word after it is part of."""
    word, after = document.words[index], document.words[index + 1]
    gap = document.flat[word.end : after.start]
    if gap.strip() not in {"", ".", "&", "'s", "'S", "-", "'"} or (
        gap.strip() == "." and word.lower not in {"st", "mt", "ft"}
    ):
        return False
    if document.is_caseless:
        joins = word.lower in {"of", "or"} and index > 0 and bool(document.words[index - 1].kinds & Kind.STARTS_PHRASE)
        return joins or (word.lower not in FUNCTION_WORDS and not _is_only_term(word)) or word.lower == "our"
    if word.is_capital:
        return word.lower not in FUNCTION_WORDS or word.lower == "our"
    return word.lower in {"of", "and", "or", "the"} and index > 0 and document.words[index - 1].is_capital


def _of_place(document: Document, index: int) -> Iterator[Span]:
    """`University of Utah`, `University of Indiana Medical Center`."""
    words = document.words
    end = index + 1
    while end < len(words) and end - index < _MAX_RUN and words[end].is_capital and document.adjacent(end - 1):
        end += 1
    if end > index + 1 and words[index - 1].is_capital and not words[index + 1].kinds & Kind.WORD:
        yield Span(words[index - 1].start, words[end - 1].end, Entity.EMPLOYER, 750)


def _by_name(document: Document, index: int) -> Iterator[Span]:
    """Facilities by their whole name, and ones known by a name that is also used of methods and guidelines."""
    words = document.words
    stop = min(len(words), index + _LONGEST_PHRASE)
    name = words[index].lower
    listed = index if name in _KNOWN else -1
    whole = -1
    kinds = lexicon()
    for at in range(index + 1, stop):
        if document.flat[words[at - 1].end : words[at].start].strip() not in {"", ".", "'s", "'S", "&", "-"}:
            break
        name = f"{name} {words[at].lower}"
        if name in _KNOWN:
            listed = at
        if kinds.get(name, 0) & Kind.FACILITY and _is_written_as_name(document, index, at):
            whole = at
    visited = _is_visited(document, index)
    if whole > index:
        odd = _has_odd_word(words[index : whole + 1])
        people = all(word.kinds & (Kind.FIRST | Kind.LAST) for word in words[index : whole + 1])
        score = (
            700 if visited or (odd and not people and not document.is_caseless) else LIKELY if odd and not people else 0
        )
        if score:
            yield Span(words[index].start, words[whole].end, Entity.FACILITY, score)
            return
    if listed >= 0:
        end = words[_run_end(document, listed)].end
        if branch := _BRANCH.match(document.flat, end):
            end, visited = branch.end(), visited or words[index].lower in _SHOPS
        yield Span(words[index].start, end, Entity.FACILITY, 650 if visited else LIKELY)


def _by_form(document: Document, index: int) -> Iterator[Span]:
    """`St. Bartholomew's`, `to Renown Regional`: hospitals without the word."""
    words = document.words
    word = words[index]
    if word.lower in _SAINTS:
        saint = words[index + 1] if index + 1 < len(words) else None
        if saint is None or not saint.is_capital or not word.is_capital or not saint.kinds & (Kind.FIRST | Kind.LAST):
            return
        after = document.flat[saint.end : saint.end + 7].lower()
        if after.startswith("'s") and after[2:] != " wort":
            yield Span(word.start, saint.end + 2, Entity.FACILITY, 650)
        return
    before = words[index - 1] if index else None
    if before is None or not document.adjacent(index - 1) or not (word.is_capital or document.is_caseless):
        return
    if not before.is_capital and not document.is_caseless or before.lower in FUNCTION_WORDS or _is_only_term(before):
        return
    if before.lower not in GENERIC_PLACE_WORDS and _is_visited(document, index - 1):
        yield Span(before.start, word.end, Entity.FACILITY, 650)


def _is_written_as_name(document: Document, first: int, last: int) -> bool:
    if document.is_caseless:
        return True
    return all(word.is_capital or word.lower in {"of", "the", "at", "and"} for word in document.words[first : last + 1])


def _is_visited(document: Document, index: int) -> bool:
    """`seen at`, `transferred to`, `records from`, `pharmacy:` just before word `index`."""
    words = document.words
    if index == 0:
        return False
    before = words[index - 1]
    gap = document.flat[before.end : words[index].start].strip()
    if before.lower == "the" and index > 1 and not gap:
        before, index = words[index - 2], index - 1
        gap = document.flat[before.end : words[index].start].strip()
    if gap == ":":
        return before.lower in _PLACE_LABELS
    if gap or before.lower not in _PREPOSITIONS:
        return False
    if before.lower == "at":
        return True
    return any(word.lower in _VISITS for word in words[max(0, index - 7) : index - 1])


def _leads_to_capital(words: list[Word], index: int) -> bool:
    return index + 1 < len(words) and (words[index + 1].is_capital or words[index + 1].lower == "the")


def _by_visit(document: Document, index: int) -> Iterator[Span]:
    """`discharged to Golden Acres`: words in capitals after what happens at a facility, when they can be a name."""
    words = document.words
    first = index + 1
    if not _is_visited(document, first):
        return
    if words[first].lower == "the":
        first += 1
    end = first
    while end < len(words) and end - first < _MAX_RUN and _continues_name(document, first, end):
        end += 1
    while end > first + 1 and words[end - 1].text.isupper():
        end -= 1
    name = words[first:end]
    if len(name) == 1 and words[index].lower == "at" and _is_odd(name[0]):
        yield Span(name[0].start, name[0].end, Entity.FACILITY, 600)
    if len(name) < 2 or any(_is_only_term(word) or word.lower in FUNCTION_WORDS for word in (name[0], name[-1])):
        return
    if name[-1].lower in _RESIDENCES or _is_named_after(name):
        if any(word.lower not in GENERIC_PLACE_WORDS for word in name[:-1]):
            yield Span(words[first].start, words[end - 1].end, Entity.FACILITY, 600)


def _is_odd(word: Word) -> bool:
    return not word.kinds & Kind.LISTED and word.text.istitle() and len(word.text) > 3


def _is_named_after(name: list[Word]) -> bool:
    """`Sunrise of Millbrook`, `Penn Presbyterian`: no words of a service or a department among them."""
    return (
        name[0].lower not in GENERIC_PLACE_WORDS
        and not (name[0].kinds & Kind.FIRST and not name[0].kinds & (Kind.WORD | Kind.CITY))
        and not any(_is_only_term(word) for word in name)
        and not all(word.kinds & (Kind.FIRST | Kind.LAST | Kind.CITY) or len(word.lower) < 3 for word in name)
        and not all(word.kinds & Kind.WORD for word in name)
    ) or (
        len(name) > 2 and name[1].lower == "of" and bool(name[2].kinds & Kind.CITY or not name[2].kinds & Kind.LISTED)
    )


def _continues_name(document: Document, first: int, at: int) -> bool:
    words = document.words
    if at > first and not document.adjacent(at - 1):
        return False
    word = words[at]
    if word.is_capital:
        return "\n" not in document.folded[words[at - 1].end : word.start] or at == first
    return word.lower == "of" and at > first and at + 1 < len(words) and words[at + 1].is_capital
