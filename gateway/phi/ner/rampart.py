"""Rampart, a small network that labels the words of a sentence, on ONNX Runtime: one thread, nothing fetched.

`data/NOTICE` says where it comes from. Of its 17 types only names, towns and
streets are asked for: the rules are better at all others.
"""

import gzip
import hashlib
import lzma
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from gateway.phi.ner.recognizer import Mention, MentionKind, ModelError
from gateway.phi.ner.wordpiece import Token, WordPiece

_Scores = Sequence[float]
"""How likely a token is of each of `_KINDS`."""

_DATA = Path(__file__).parent.parent / "data"
_MODEL = "rampart.onnx.gz"
_VOCABULARY = "rampart-vocabulary.txt.xz"
_SHA256 = {
    _MODEL: "3f1a26f95273ea5ad242b81485a03ff5c687f34a00a3404840e5c94aef836b2e",
    _VOCABULARY: "dd7b9c067e7da2295d6e5616bd13f339db7425df76a16a1e39304603b0e7f6b7",
}
_LABELS: dict[MentionKind, tuple[int, ...]] = {"person": (1, 2, 3, 4), "place": (29, 30), "street": (25, 26)}
"""The model's outputs (`B-` and `I-`) that speak for each kind: given and family names, towns, streets."""
_KINDS = tuple(_LABELS)

_WINDOW = 126
_OVERLAP = 24
_BATCH = 8
_LEAST = 0.3
"""A word less likely than this to be of any kind is in no mention."""

_JOINTS = frozenset({"", " ", "  ", "\n", "-", "'", "\u2019", ". ", "."})
"""What may stand between two words of one mention."""


@dataclass(frozen=True, slots=True)
class _Row:
    """What the network reads at once: `tokens` of a sentence, of which it labels those from `first` to `last`."""

    sentence: int
    tokens: Sequence[Token]
    first: int
    last: int


class _Network(Protocol):
    def run(self, output_names: None, input_feed: dict[str, NDArray[np.int64]]) -> list[NDArray[np.float32]]: ...


class Rampart:
    """A `Recognizer`. About 110 microseconds a token, of which a kilobyte of clinical text has 350."""

    def __init__(self, folder: Path = _DATA) -> None:
        """Raises `ModelError` when a file of the model is missing or is not the one that was shipped."""
        self._network = _network(gzip.decompress(_checked(folder / _MODEL)))
        self._pieces = WordPiece(lzma.decompress(_checked(folder / _VOCABULARY)).decode().splitlines())

    def recognize(self, sentences: Sequence[str]) -> Sequence[Sequence[Mention]]:
        rows = [row for number, text in enumerate(sentences) for row in _rows(number, list(self._pieces.tokens(text)))]
        tokens: list[list[Token]] = [[] for _ in sentences]
        scores: list[list[_Scores]] = [[] for _ in sentences]
        for row, likelihoods in zip(rows, self._likelihoods(rows), strict=True):
            tokens[row.sentence] += row.tokens[row.first : row.last]
            scores[row.sentence] += likelihoods[row.first : row.last]
        return [list(_mentions(*each)) for each in zip(sentences, tokens, scores, strict=True)]

    def _likelihoods(self, rows: Sequence[_Row]) -> list[list[_Scores]]:
        """For each token of each row, how likely it is of each kind. Rows of like length are read together."""
        likelihoods: list[list[_Scores]] = [[] for _ in rows]
        by_length = sorted(range(len(rows)), key=lambda index: len(rows[index].tokens))
        for at in range(0, len(rows), _BATCH):
            batch = by_length[at : at + _BATCH]
            for index, scores in zip(batch, self._run([rows[index].tokens for index in batch]), strict=True):
                likelihoods[index] = scores
        return likelihoods

    def _run(self, rows: Sequence[Sequence[Token]]) -> list[list[_Scores]]:
        width = max(map(len, rows)) + 2
        ids = np.full((len(rows), width), self._pieces.pad, dtype=np.int64)
        mask = np.zeros_like(ids)
        for index, tokens in enumerate(rows):
            ids[index, : len(tokens) + 2] = (self._pieces.begin, *(token.id for token in tokens), self._pieces.end)
            mask[index, : len(tokens) + 2] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (logits,) = self._network.run(None, feed)
        shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        kinds = np.stack([shares[..., labels].sum(axis=-1) for labels in _LABELS.values()], axis=-1)
        scores: list[list[_Scores]] = kinds.tolist()
        return [each[1 : len(tokens) + 1] for each, tokens in zip(scores, rows, strict=True)]


def _rows(sentence: int, tokens: Sequence[Token]) -> Iterator[_Row]:
    """Windows of a sentence; what two of them read, each labels half of."""
    start = 0
    while start < len(tokens):
        end = min(start + _WINDOW, len(tokens))
        last = end if end == len(tokens) else end - _OVERLAP // 2
        yield _Row(sentence, tokens[start:end], _OVERLAP // 2 if start else 0, last - start)
        start = end if end == len(tokens) else end - _OVERLAP


def _mentions(text: str, tokens: Sequence[Token], scores: Sequence[_Scores]) -> Iterator[Mention]:
    """Words of one kind that follow each other, as likely as their likeliest word."""
    current: Mention | None = None
    for word in _words(tokens, scores):
        if current is not None and word.kind == current.kind and text[current.end : word.start] in _JOINTS:
            current = Mention(current.start, word.end, word.kind, max(current.score, word.score))
            continue
        if current is not None:
            yield current
        current = word
    if current is not None:
        yield current


def _words(tokens: Sequence[Token], scores: Sequence[_Scores]) -> Iterator[Mention]:
    """Whole words, whose likelihood is the mean of their pieces', where one kind is likely enough."""
    firsts = [index for index, token in enumerate(tokens) if token.is_first]
    for first, following in pairwise((*firsts, len(tokens))):
        means = [fmean(each) for each in zip(*scores[first:following], strict=True)]
        score = max(means)
        if score >= _LEAST:
            yield Mention(tokens[first].start, tokens[following - 1].end, _KINDS[means.index(score)], score)


def _network(model: bytes) -> _Network:
    runtime: Any = onnxruntime  # has no types
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False  # a quarter less memory, no slower
    options.log_severity_level = 4
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _checked(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as missing:
        raise ModelError(f"The model's file {path.name} cannot be read.") from missing
    if hashlib.sha256(content).hexdigest() != _SHA256[path.name]:
        raise ModelError(f"The model's file {path.name} is not the one that was shipped.")
    return content
