"""Addresses of machines and mailboxes: e-mail, handles, URLs, IPv6, MAC, UDI, coordinates, patient folders.

Each rule starts at the sign that it cannot do without, so a text without that sign costs next to nothing.
"""

import ipaddress
import re
from collections.abc import Iterator
from string import ascii_letters, digits

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.rules.document import Document
from gateway.phi.rules.vocabulary import word_set

_MAILBOX = ascii_letters + digits + "._%+'-"
_HOST = ascii_letters + digits + ".-"
_DOMAIN = re.compile(r"\s?@\s?[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,5}\.[A-Za-z][A-Za-z0-9-]{1,62}")
_BARE_HOST = re.compile(r"@[A-Za-z][A-Za-z0-9-]{2,30}(?:\.\d{1,3}){0,3}(?![\w/(]|\.\w)")
_HANDLE = re.compile(r"@[A-Za-z_][A-Za-z0-9_.]{1,29}[A-Za-z0-9_](?![\w(/@])")
_HANDLE_BEFORE = re.compile(
    r"\b(?:twitter|instagram|insta|ig|tiktok|handle|facebook|fb|snap|snapchat|telegram|venmo|username|user|dm|follow\w*|tag\w*|"
    r"threads|linkedin|account|at|on|x|social|profile|cashapp|signal|discord)\W{0,3}(?:\w+\W{1,2})?\Z",
    re.IGNORECASE,
)
_SPELLED_MAIL = re.compile(
    r"(?<![\w.])[\w.+-]{1,64}\s{0,2}(?:[(\[{]\s?at\s?[)\]}]|\sat\s)\s{0,2}[\w-]{1,63}(?:\s?(?:[(\[{]\s?dot\s?[)\]}]|\sdot\s|\.)\s?[\w-]{2,63}){1,4}",
    re.IGNORECASE,
)
_SPELLED_SIGNS = frozenset(["at", "dot"])
_BRACKETED_AT = re.compile(r"[(\[{]\s?(?:at|AT)\s?[)\]}]")
_FOUR_DECIMALS = re.compile(r"\.\d{4,}")
_REST = re.compile(r"://[^\s<>\"'|\\^]+")
_WWW = re.compile(r"www\.[^\s<>\"'|\\^]+", re.IGNORECASE)
_TLD = re.compile(
    r"\.(?:(?P<sure>com|org|net|edu|gov|mil|health|care|clinic|hospital|doctor|blog|site|online|biz|info|us)"
    r"|(?P<short>io|co|me|app|dev|ai|tv|ca|uk|de|fr|eu|au|in|nz|ie|ly|gl|be|page|link|social|live|id|med|web|store|xyz|club))"
    r"(?::\d{2,5})?(?P<path>/[^\s<>\"'|\\^]*)?(?![\w.@-]*@|\w|\.\w|-\w)",
    re.IGNORECASE,
)
_TRAILING = ".,;:!?)]}>\"'"
_PUBLIC = re.compile(
    r"(?:[\w.-]+\.)?(?:cdc|nih|fda|cms|hhs|who|medicare|healthcare|usda|ahrq|va|clinicaltrials|medlineplus)\.(?:gov|int)\b"
    r"|(?:[\w.-]+\.)?(?:w3|hl7|ietf|python|mozilla|wikipedia|loinc|snomed|unitsofmeasure|json-schema|readthedocs|doi|arxiv|acc|"
    r"heart|diabetes|cancer|aafp|acog|aap|idsociety|cochranelibrary|cochrane|nejm|bmj|apache|pytorch|postgresql|nodejs|npmjs|pypi|nice|"
    r"jamanetwork|thelancet|uptodate|stackoverflow|github|gitlab|ghcr|quay|google|microsoft|amazon|amazonaws|anthropic|openai|docker|"
    r"example|schema|purl|nhs)\.(?:org|com|io|net|info|uk|dev)\b|localhost\b|127\.0\.0\.1|terminology\.|hl7\.",
    re.IGNORECASE,
)
_OF_A_PATIENT = re.compile(
    r"/(?:patients?|members?|residents?|charts?|mychart)/(?=[\w.%+-]*\d{3}|[A-Za-z]+[-_.+][A-Za-z]+|[a-z]{3,}(?:[/?#]|\Z))(?!example|search|new\b|all\b|list\b|index)"
    r"|[?&](?:mrn|ssn|dob|(?:patient|member)[_-]?(?:id|name)?|(?:last|first)[_-]?name)=[\w%+-]*\w{3}",
    re.IGNORECASE,
)
"""A path or a question that names one person, whoever the host belongs to."""

_MAC = re.compile(r"[:-][0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){4}(?![\w:-])")
_CISCO_MAC = re.compile(r"\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![\w.])")
_TWO_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:")
_IPV6 = re.compile(r"(?<![\w:])[0-9A-Fa-f:]{2,38}[0-9A-Fa-f:](?<!\w:)(?:%\w{1,10})?(?:/\d{1,3})?(?![\w]|:\w)")
_IPV6_COLONS = 2
_UDI = re.compile(r"\(01\)\s?\d{14}(?:\s?\(\d{2,4}\)\s?[A-Za-z0-9./_-]{1,22}){0,8}")
_PARCEL = re.compile(r"1Z(?: ?[0-9A-Z]){16}(?![0-9A-Za-z])")
_MASKED = re.compile(r"(?<![\w*#])(?:[xX*]{3,16}|[xX*#]{2,4}(?:[- ][xX*#]{2,4})+)[- ]?(\d{2,6})(?![\d%*#])")
_MASKS = ("**", "xx", "XX", "##")
_COORDINATES = re.compile(
    r"(?<![\w.])[-+]?\d{1,2}\.\d{4,}\s?\u00b0?\s?[NSns]?\s?[,;/ ]\s{0,2}[-+]?\d{1,3}\.\d{4,}(?:\s?\u00b0?\s?[EWew]\b)?"
)
_AXIS_BEFORE = re.compile(r"\b(?:lat|latitude|lon|long|longitude|lng)\W{1,4}\Z", re.IGNORECASE)
_DEGREE_SIGNS = digits + "-+"
_DEGREES = re.compile(
    r"\d{1,3}\s?\u00b0\s?\d{1,2}(?:\.\d+)?\s?['\u2032]\s?(?:\d{1,2}(?:\.\d+)?\s?[\"\u2033]\s?)?[NSEWnsew]\b"
)
_FOLDER = re.compile(
    r"[/\\](?P<sure>patients?|pts|members?|clients?|residents?|charts?)[/\\](?P<name>[^/\\\s\"'<>|:*?]{2,60})"
    r"|[/\\](?:users?|home|profiles?)[/\\](?P<user>[A-Za-z][\w.-]{2,30})(?=[/\\])",
    re.IGNORECASE,
)
SYSTEM_USERS = word_set(
    "public shared default admin root user app ubuntu me runner postgres mysql redis nginx apache www-data daemon "
    "nobody system service sa dba guest anonymous test tester demo git jenkins docker airflow celery oracle mongo"
)
"""Accounts of programs and roles, which name nobody."""


def find_patterns(document: Document) -> Iterator[Span]:
    text = document.flat
    if "@" in text:
        yield from _mail(document.folded)
    if document.mentions(_SPELLED_SIGNS) and ("dot" in document.vocabulary or _BRACKETED_AT.search(text)):
        for match in _SPELLED_MAIL.finditer(text):
            yield Span(match.start(), match.end(), Entity.EMAIL_ADDRESS, 850)
    yield from _urls(text)
    if ":" in text or "-" in text:
        yield from _machines(text)
    if document.has_digit:
        yield from _marked_numbers(text)
        yield from _positions(text)
    if "/" in text or "\\" in text:
        yield from _folders(text)


def is_of_a_patient(address: str) -> bool:
    """Whether a path or a question in `address` names one person, as portals and charts have them."""
    return _OF_A_PATIENT.search(address) is not None


def _mail(text: str) -> Iterator[Span]:
    at = -1
    floor = 0
    while (at := text.find("@", at + 1)) >= 0:
        mailbox = text[max(floor, at - 66) : at]
        spaced = mailbox.endswith(" ") and text[at + 1 : at + 2] == " "
        name = mailbox[:-1] if spaced else mailbox
        start = at - spaced - (len(name) - len(name.rstrip(_MAILBOX)))
        domain = _DOMAIN.match(text, at - spaced)
        if domain and start < at - spaced:
            floor = domain.end()
            yield Span(start, floor, Entity.EMAIL_ADDRESS, 990)
        elif (
            start < at and (host := _BARE_HOST.match(text, at)) and any(map(str.isalpha, text[start:at])) and not spaced
        ):
            yield Span(start, host.end(), Entity.EMAIL_ADDRESS, LIKELY)
        elif start == at and (handle := _HANDLE.match(text, at)):
            yield from _handle(text, handle)


def _handle(text: str, handle: re.Match[str]) -> Iterator[Span]:
    """`@drlopez_md`; a decorator or an at-rule of some program stands alone on its line."""
    start = handle.start()
    if start and text[start - 1] not in " (\"':,[\n\t":
        return
    said = _HANDLE_BEFORE.search(text, max(0, start - 32), start)
    odd = any(map(str.isdigit, handle[0]))
    if said or (start and text[start - 1] != "\n"):
        yield Span(start, handle.end(), Entity.OTHER_ID, 800 if said or odd else LIKELY)


def _urls(text: str) -> Iterator[Span]:
    if "://" in text:
        for match in _REST.finditer(text):
            scheme = text[max(0, match.start() - 12) : match.start()]
            start = match.start() - (len(scheme) - len(scheme.rstrip(ascii_letters + digits + "+")))
            if start < match.start():
                yield _url(text, start, match.end(), 950)
    if "www." in text or "WWW." in text:
        for match in _WWW.finditer(text):
            yield _url(text, match.start(), match.end(), 950)
    if "." in text:
        for match in _TLD.finditer(text):
            before = text[max(0, match.start() - 120) : match.start()]
            start = match.start() - (len(before) - len(before.rstrip(_HOST)))
            while start < match.start() and not text[start].isalnum():
                start += 1
            if (
                start == match.start()
                or text[start - 1 : start] in {"@", "/", "_"}
                or (match["short"] and not match["path"])
            ):
                continue
            yield _url(text, start, match.end(), 800 if match["path"] and len(match["path"]) > 1 else LIKELY)


def _url(text: str, start: int, end: int, score: int) -> Span:
    address = text[start:end].rstrip(_TRAILING)
    host = address.split("://", 1)[-1]
    if score > LIKELY and _PUBLIC.match(host) and not is_of_a_patient(host):
        score = LIKELY
    return Span(start, start + len(address), Entity.URL, score)


def _machines(text: str) -> Iterator[Span]:
    for match in _MAC.finditer(text):
        start = match.start() - 2
        if start >= 0 and _is_hex(text[start : start + 2]) and not text[max(0, start - 1) : start].isalnum():
            yield Span(start, match.end(), Entity.DEVICE_ID, 900)
    if _TWO_COLONS.search(text):
        for match in _IPV6.finditer(text):
            if match[0].count(":") >= _IPV6_COLONS and _is_ipv6(match[0].split("/")[0].split("%")[0]):
                yield Span(match.start(), match.end(), Entity.IP_ADDRESS, 900)


def _is_hex(text: str) -> bool:
    return all(sign in "0123456789abcdefABCDEF" for sign in text)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return any(map(str.isdigit, text))


def _marked_numbers(text: str) -> Iterator[Span]:
    if "(01)" in text:
        for match in _UDI.finditer(text):
            yield Span(match.start(), match.end(), Entity.DEVICE_ID, 950)
    if "1Z" in text:
        for match in _PARCEL.finditer(text):
            yield Span(match.start(), match.end(), Entity.OTHER_ID, 900)
    if any(sign in text for sign in _MASKS):
        for match in _MASKED.finditer(text):
            yield Span(match.start(1), match.end(1), Entity.US_SSN, 900)
    if "." in text:
        for match in _CISCO_MAC.finditer(text):
            start = match.start() - 4
            if start >= 0 and _is_hex(text[start : match.start()]) and any(map(str.isalpha, match[0])):
                yield Span(start, match.end(), Entity.DEVICE_ID, 800)


def _positions(text: str) -> Iterator[Span]:
    """Geographic coordinates."""
    for decimals in _FOUR_DECIMALS.finditer(text):
        before = text[max(0, decimals.start() - 4) : decimals.start()]
        start = decimals.start() - len(before) + len(before.rstrip(_DEGREE_SIGNS))
        pair = _COORDINATES.match(text, start)
        if pair or _AXIS_BEFORE.search(text, max(0, start - 14), start):
            yield Span(start, pair.end() if pair else decimals.end(), Entity.LOCATION, 850)
    if "\u00b0" in text:
        for match in _DEGREES.finditer(text):
            yield Span(match.start(), match.end(), Entity.LOCATION, 850)


def _folders(text: str) -> Iterator[Span]:
    for match in _FOLDER.finditer(text):
        if match["sure"]:
            name = match["name"].rstrip(_TRAILING)
            if any(map(str.isdigit, name)) or "_" in name or "-" in name:
                yield Span(match.start("name"), match.start("name") + len(name), Entity.OTHER_ID, 750)
        elif match["user"].lower() not in SYSTEM_USERS:
            yield Span(match.start("user"), match.end("user"), Entity.OTHER_ID, LIKELY)
