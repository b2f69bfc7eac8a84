"""Ten thousand tampered exports are all caught, a thousand honest ones never accused: two judges agree on each."""

import io
import json
from collections.abc import Iterator
from random import Random

import pytest

from gateway.audit.export_format import UnreadableError, read_keys
from gateway.audit.verifying import verify_export
from tests.unit.audit.exports import keys_document, make_log, write_export
from tests.unit.audit.referee import is_sound
from tests.unit.audit.tampering import Sample
from tests.unit.audit.tampers import TAMPERS

TAMPERED = 10_000
HONEST = 1_000
A_LOG = 25
AN_EXPORT = 5


def passes(export: bytes, keys: object) -> bool:
    try:
        return verify_export(io.BytesIO(export), keys=read_keys(keys)).flaw is None
    except UnreadableError:
        return False


def samples(random: Random, count: int) -> Iterator[Sample]:
    """Exports of several keys' entries. A log serves for a while, an export for a few times: making them takes long."""
    for _ in range(-(-count // A_LOG)):
        log = make_log(random, length=random.randrange(4, 7), eras=random.choice([2, 3]))
        for _ in range(A_LOG // AN_EXPORT):
            first = random.randrange(1, len(log.entries) - 2)
            last = random.randrange(first + 2, len(log.entries) + 1)
            text = write_export(log, first=first, last=last)
            for _ in range(AN_EXPORT):
                yield Sample(log, first, last, text, keys_document(log))


@pytest.mark.parametrize("kind", TAMPERS)
def test_no_tampered_export_passes(kind: str) -> None:
    random = Random(kind)
    for sample in samples(random, -(-TAMPERED // len(TAMPERS))):
        tampered = TAMPERS[kind](sample, random)

        assert not passes(tampered, sample.keys), tampered
        assert not is_sound(tampered, sample.keys), tampered


def test_no_honest_export_is_accused() -> None:
    random = Random("honest")
    for _ in range(HONEST // A_LOG):
        eras = random.choice([1, 1, 2, 3, 4])
        log = make_log(random, length=random.randrange(eras, 9), eras=eras)
        for _ in range(A_LOG):
            first = random.randrange(1, len(log.entries) + 1)
            last = random.randrange(first - 1, len(log.entries) + 1)
            text = write_export(log, first=first, last=last)
            export = random.choice([text, text, json.dumps(json.loads(text), indent=1)]).encode()

            assert is_sound(export, keys_document(log)), export
            assert passes(export, keys_document(log)), export
