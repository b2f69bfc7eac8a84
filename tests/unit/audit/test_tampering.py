"""Ten thousand tampered exports are all caught, a thousand honest ones never accused: two judges agree on each."""

import io
import json
from random import Random

import pytest

from gateway.audit.export_format import UnreadableError, read_keys
from gateway.audit.verifying import verify_export
from tests.unit.audit.exports import keys_document, make_log, write_export
from tests.unit.audit.referee import is_sound
from tests.unit.audit.tampering import TAMPERS, Sample

TAMPERED = 10_000
HONEST = 1_000
_A_LOG_EVERY = 25
_AN_EXPORT_EVERY = 5


def passes(export: bytes, keys: object) -> bool:
    try:
        return verify_export(io.BytesIO(export), keys=read_keys(keys)).flaw is None
    except UnreadableError:
        return False


@pytest.mark.parametrize("kind", TAMPERS)
def test_no_tampered_export_passes(kind: str) -> None:
    random = Random(kind)
    for number in range(-(-TAMPERED // len(TAMPERS))):
        if number % _A_LOG_EVERY == 0:
            log = make_log(random, length=random.randrange(4, 7), eras=random.choice([2, 3]))
        if number % _AN_EXPORT_EVERY == 0:
            first = random.randrange(1, len(log.entries) - 2)
            last = random.randrange(first + 2, len(log.entries) + 1)
            text = write_export(log, first=first, last=last)
        sample = Sample(log, first, last, text, keys_document(log))
        tampered = TAMPERS[kind](sample, random)

        assert not passes(tampered, sample.keys), (number, tampered)
        assert not is_sound(tampered, sample.keys), (number, tampered)


def test_no_honest_export_is_accused() -> None:
    random = Random("honest")
    for number in range(HONEST):
        if number % _A_LOG_EVERY == 0:
            eras = random.choice([1, 1, 2, 3, 4])
            log = make_log(random, length=random.randrange(eras, 9), eras=eras)
        first = random.randrange(1, len(log.entries) + 1)
        last = random.randrange(first - 1, len(log.entries) + 1)
        text = write_export(log, first=first, last=last)
        export = random.choice([text, text, json.dumps(json.loads(text), indent=1)]).encode()

        assert is_sound(export, keys_document(log)), (number, export)
        assert passes(export, keys_document(log)), (number, export)
