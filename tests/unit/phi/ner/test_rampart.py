"""The model itself: its files, its tokenizer, and long texts."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.phi.ner.rampart import Rampart
from gateway.phi.ner.recognizer import ModelError
from gateway.phi.ner.wordpiece import WordPiece

DATA = Path(__file__).parents[4] / "gateway" / "phi" / "data"
FILES = ("rampart.onnx.gz", "rampart-vocabulary.txt.xz")


@pytest.fixture(scope="module")
def rampart() -> Rampart:
    return Rampart()


def read(rampart: Rampart, *sentences: str) -> list[list[tuple[str, str]]]:
    found = rampart.recognize(sentences)
    return [
        [(mention.kind, sentence[mention.start : mention.end]) for mention in mentions if mention.score > 0.8]
        for sentence, mentions in zip(sentences, found, strict=True)
    ]


def test_given_and_family_names_are_one_mention(rampart: Rampart) -> None:
    assert read(rampart, "Oluwaseun Adeyemi-Brown drove here from Poughkeepsie.") == [
        [("person", "Oluwaseun Adeyemi-Brown"), ("place", "Poughkeepsie")]
    ]


def test_offsets_hold_with_accents_and_without_a_capital(rampart: Rampart) -> None:
    assert read(rampart, "i met José Núñez today", "Labs 💊 fine, says Anirudh.") == [
        [("person", "José Núñez")],
        [("person", "Anirudh")],
    ]


@pytest.mark.parametrize("words", [0, 50, 98, 101, 110, 120, 124, 130, 245, 2000])
def test_a_name_is_found_wherever_a_long_sentence_is_cut(rampart: Rampart, words: int) -> None:
    sentence = "well " * words + "my name is Oluwaseun Adeyemi and I live here" + " now" * 200
    assert ("person", "Oluwaseun Adeyemi") in read(rampart, sentence)[0]


def test_sentences_without_words_have_no_mentions(rampart: Rampart) -> None:
    assert read(rampart, "", " \n", "--- 💊 ---") == [[], [], []]
    assert read(rampart) == []


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_model_that_was_changed_is_not_loaded(tmp_path: Path, name: str) -> None:
    for each in FILES:
        shutil.copy(DATA / each, tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"{name} is not the one that was shipped"):
        Rampart(tmp_path)


def test_a_missing_file_of_the_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"rampart\.onnx\.gz cannot be read"):
        Rampart(tmp_path)


def test_the_api_does_not_load_what_its_scanners_do() -> None:
    heavy = ("numpy", "onnxruntime", "spacy", "presidio_analyzer")
    program = f"import sys, api.main; print(*(name for name in {heavy} if name in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout.strip()) == (0, ""), ran.stderr


VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "jose", "-", "x", "漢", "字", "#"]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("unaffable", [(4, 0, 2), (5, 2, 5), (6, 5, 9)]),
        ("José-X", [(7, 0, 4), (8, 4, 5), (9, 5, 6)]),
        ("漢字 #", [(10, 0, 1), (11, 1, 2), (12, 3, 4)]),
        ("unx un", [(1, 0, 3), (4, 4, 6)]),
        ("x" * 101, [(1, 0, 101)]),
        ("", []),
    ],
)
def test_words_fall_into_the_longest_known_pieces(text: str, pieces: list[tuple[int, int, int]]) -> None:
    assert [(token.id, token.start, token.end) for token in WordPiece(VOCABULARY).tokens(text)] == pieces
