"""What the words of an organisation's name are, and how far it reaches to the right."""

from gateway.phi.lexicon.words import Kind
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.organization_words import AFTER_END
from gateway.phi.rules.vocabulary import FUNCTION_WORDS


def is_only_term(word: Word) -> bool:
    return bool(word.kinds & Kind.MEDICAL) and not word.kinds & (Kind.FIRST | Kind.LAST | Kind.CITY)


def has_odd_word(words: list[Word]) -> bool:
    return any(not word.kinds & (Kind.WORD | Kind.MEDICAL) for word in words)


def run_end(document: Document, end: int) -> int:
    """`Family Medicine Associates`, `Children's Hospital of Philadelphia`: the last word that still belongs."""
    words = document.words
    if (
        end + 1 < len(words)
        and document.flat[words[end].end : words[end + 1].start] == " & "
        and words[end + 1].is_capital
    ):
        end += 1
    while end + 1 < len(words) and document.adjacent(end) and words[end + 1].lower in AFTER_END:
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
