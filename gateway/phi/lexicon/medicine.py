"""Words of clinical text that look like names when capitalised: drugs, eponyms, terms."""

import bz2
import io
import pickle
import re
from pathlib import Path
from typing import cast

from gateway.phi.lexicon.sources import plain, source
from gateway.phi.lexicon.words import Kind

_LISTED = Path(__file__).with_name("medical.txt")
_SHORTHAND = Path(__file__).with_name("shorthand.txt")
_SHORTEST = 4
_OPEN_DATA = frozenset(["drugbank_id", "medline_plus_id"])


def listed() -> dict[str, int]:
    """What this project lists by hand."""
    return _read(_LISTED)


def shorthand() -> dict[str, int]:
    """Words cut short, which are terms even where somebody somewhere is called so."""
    return _read(_SHORTHAND)


def _read(path: Path) -> dict[str, int]:
    lines = path.read_text("utf-8").splitlines()
    words = (word.strip() for line in lines for word in plain(line.partition("#")[0]).split(","))
    return {word: Kind.MEDICAL for word in words if word}


def drugs(sources: Path) -> dict[str, int]:
    """Substances and brands of DrugBank's open vocabulary and MedlinePlus, each a single word."""
    packed = bz2.decompress(source(sources, "drug_ner_dictionary.pkl.bz2").read_bytes())
    found = cast("dict[str, dict[str, list[str]]]", _PlainData(io.BytesIO(packed)).load())
    known = {name for name, facts in found["drug_canonical_to_data"].items() if _OPEN_DATA & set(facts)}
    return {
        word: Kind.MEDICAL
        for variant, canonical in found["drug_variant_to_canonical"].items()
        if (word := plain(variant)).isalpha() and len(word) >= _SHORTEST and known & set(canonical)
    }


def code_book(sources: Path) -> dict[str, int]:
    """Every word of the ICD-10-CM tabular list."""
    text = next(sources.rglob("icd10c-tabular-*.xml")).read_text("utf-8")
    described = " ".join(re.findall(r"<(?:desc|note)>([^<]*)</", text))
    return dict.fromkeys(re.findall(r"[a-z]{4,}", plain(described)), Kind.MEDICAL)


class _PlainData(pickle.Unpickler):
    """Reads dictionaries, lists and strings, and refuses everything that would run code."""

    def find_class(self, module_name: str, global_name: str, /) -> object:
        raise pickle.UnpicklingError(f"{module_name}.{global_name} is not plain data")
