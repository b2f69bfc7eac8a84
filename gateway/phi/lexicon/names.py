"""People's names: the United States census by frequency, and lists of the world's names."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from gateway.phi.lexicon.sources import dictionary, plain, source
from gateway.phi.lexicon.words import Kind

_COMMON_FIRST_NAMES = 600
_COMMON_LAST_NAMES = 4000
_LOCALES_OF_A_COMMON_NAME = 4
_SHORTEST = 3
_GIVEN = re.compile(r"(first|middle)\w*names?\w*")
_FAMILY = re.compile(r"last\w*names?\w*")


def census(sources: Path) -> dict[str, int]:
    """The 1990 census; the head of each list is common."""
    kinds: dict[str, int] = {}
    for name in ("dist.male.first", "dist.female.first"):
        for rank, word in enumerate(_census(sources, name)):
            kinds[word] = kinds.get(word, 0) | Kind.FIRST | (Kind.COMMON_FIRST if rank < _COMMON_FIRST_NAMES else 0)
    for rank, word in enumerate(_census(sources, "dist.all.last")):
        kinds[word] = kinds.get(word, 0) | Kind.LAST | (Kind.COMMON_LAST if rank < _COMMON_LAST_NAMES else 0)
    return kinds


def locales(sources: Path) -> dict[str, int]:
    """Given and family names of some eighty countries, in Latin letters."""
    words = set(dictionary(sources, "american-english-small"))
    given: Counter[str] = Counter()
    family: Counter[str] = Counter()
    for module in _locale_files(sources):
        first, last = _names_in(module)
        given.update(first)
        family.update(last)
    kinds: dict[str, int] = {}
    for word, count in given.items():
        common = count >= _LOCALES_OF_A_COMMON_NAME and word not in words
        kinds[word] = Kind.FIRST | (Kind.COMMON_FIRST if common else 0)
    for word in family:
        kinds[word] = kinds.get(word, 0) | Kind.LAST
    # Short words of everyday English are somebody's name somewhere; such a list says nothing about them here.
    return {word: bits for word, bits in kinds.items() if word not in words or len(word) > _SHORTEST}


def world(sources: Path) -> dict[str, int]:
    """A noisy list that does not tell given from family names."""
    listed = source(sources, "list.txt").read_text("utf-8").split(",")
    return {word: Kind.LAST for name in listed if (word := plain(name.strip())).isalpha() and len(word) >= _SHORTEST}


def _census(sources: Path, name: str) -> Iterator[str]:
    for line in source(sources, name).read_text("ascii").splitlines():
        if line.strip():
            yield line.split()[0].lower()


def _locale_files(sources: Path) -> list[Path]:
    return sorted(path for path in sources.rglob("providers/person/*/__init__.py") if path.is_file())


def _names_in(module: Path) -> tuple[set[str], set[str]]:
    """Given and family names that a module assigns to variables named for them."""
    first: set[str] = set()
    last: set[str] = set()
    for variable, value in _assigned(ast.parse(module.read_text("utf-8"))):
        if _GIVEN.fullmatch(variable):
            first |= set(_words(value))
        elif _FAMILY.fullmatch(variable):
            last |= set(_words(value))
    return first, last


def _assigned(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(module):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value


def _words(value: ast.expr) -> Iterator[str]:
    for node in ast.walk(value):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for word in re.split(r"[\s-]+", plain(node.value)):
                if word.isascii() and word.isalpha() and len(word) > 1:
                    yield word
