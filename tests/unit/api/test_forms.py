"""Forms of uploads, however badly they are made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.files.multipart import Part, parts_of
from gateway.errors import ValidationFailedError

FORM = "multipart/form-data; boundary=b"
WORDS = (
    *(b"form-data", b"name", b"filename", b"file", b"a.txt", b"utf-8", b"idna", b"hex", b"utf-7", b"unicode_escape"),
    *(
        b";",
        b"=",
        b'"',
        b"'",
        b"*",
        b"0",
        b"\\",
        b"%",
        b"%FF",
        b"%00",
        b"%5Cud800",
        b"\xff",
        b"\x00",
        b"\xc2\xb2",
        b"\n",
    ),
)


def form(disposition: bytes) -> bytes:
    return b"--b\r\nContent-Disposition: " + disposition + b"\r\n\r\nHello\r\n--b--\r\n"


def only(disposition: bytes) -> Part:
    return parts_of(FORM, form(disposition))["file"]


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b'form-data; name="file"; filename="a.txt"', "a.txt"),
        ('form-data; name="file"; filename="Übergabe 夜.txt"'.encode(), "Übergabe 夜.txt"),
        (b"form-data; name=\"file\"; filename*=utf-8''%C3%9Cbergabe.txt", "Übergabe.txt"),
        (b'form-data; name="file"; filename="a\xff.txt"', "a\N{REPLACEMENT CHARACTER}.txt"),
        (b'form-data; name="file"', None),
    ],
)
def test_a_file_has_the_name_that_its_part_says(disposition: bytes, name: str | None) -> None:
    assert only(disposition) == Part(name, b"Hello")


def test_a_part_is_all_that_stands_between_its_delimiters() -> None:
    said = b'\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n--b'
    body = b"before\r\n--b" + said % (b"a", b"\r\n\r\n--") + said % (b"b", b"") + b"--\r\nafter"
    assert parts_of(FORM, body) == {"a": Part(None, b"\r\n\r\n--"), "b": Part(None, b"")}


@pytest.mark.parametrize(("parts", "is_taken"), [(20, True), (21, False)])
def test_a_form_has_twenty_parts_at_most(parts: int, *, is_taken: bool) -> None:
    body = b"".join(b'--b\r\nContent-Disposition: form-data; name="%d"\r\n\r\n\r\n' % each for each in range(parts))
    try:
        assert (len(parts_of(FORM, body + b"--b--")), is_taken) == (parts, True)
    except ValidationFailedError:
        assert not is_taken


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b",
        b"--b--"[:-1],
        b"--b\r\n--b--",
        b"--b\r\n\r\nHello\r\n--b--",
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n--b--',
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nHello',
        b"--b\r\nA: " + b"a" * 4_096 + b'\r\nContent-Disposition: form-data; name="a"\r\n\r\nHello\r\n--b--',
    ],
)
def test_a_form_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(ValidationFailedError):
        parts_of(FORM, body)


def test_a_name_that_is_not_in_its_encoding_is_refused() -> None:
    with pytest.raises(ValidationFailedError):
        only(b"form-data; name=\"file\"; filename*=idna''\xff")


@pytest.mark.parametrize("name", [b"name", b"filename", b"other"])
def test_a_part_of_a_name_with_an_endless_number_is_refused(name: bytes) -> None:
    with pytest.raises(ValidationFailedError):
        only(b'form-data; name="file"; ' + name + b"*" + b"9" * 4_301 + b"=a")


@pytest.mark.parametrize("told", ["boundary*" + "9" * 4_301 + "=b", 'a="' + ";" * 60_000, "a=b; " * 10_000])
def test_a_type_that_would_take_long_to_read_is_refused(told: str) -> None:
    with pytest.raises(ValidationFailedError):
        parts_of(f"multipart/form-data; {told}; boundary=b", form(b'form-data; name="file"; filename="a.txt"'))


def test_a_name_of_many_characters_is_read_in_percents_too() -> None:
    name = "\N{DROPLET}" * 251 + ".txt"
    percents = "".join(f"%{each:02X}" for each in name.encode()).encode()
    assert only(b"form-data; name=\"file\"; filename*=utf-8''" + percents).file_name == name


@given(st.lists(st.sampled_from(WORDS), max_size=14).map(b"".join))
def test_no_name_of_a_file_is_a_fault(words: bytes) -> None:
    try:
        only(b'form-data; name="file"' + words)
    except (ValidationFailedError, KeyError):
        return


@given(st.text(st.characters(max_codepoint=0xFF), max_size=60), st.binary(max_size=200))
def test_no_form_is_a_fault(content_type: str, body: bytes) -> None:
    for told in (content_type, FORM + content_type):
        try:
            parts_of(told, body)
        except ValidationFailedError:
            continue
