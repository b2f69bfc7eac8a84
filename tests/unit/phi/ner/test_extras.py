"""The models that are extras, in an environment of their own that has them: the benchmark's, made from its lock."""

import json
import subprocess
from pathlib import Path

import pytest

from bench.phi.presidio import install
from gateway.phi.ner.backends import Backend, open_recognizer
from gateway.phi.ner.recognizer import ModelError

pytestmark = pytest.mark.xdist_group("presidio")  # one process makes the environment

ROOT = Path(__file__).parents[4]
PYTHON = ROOT / ".venv-presidio" / "bin" / "python"
PROGRAM = """
import json, sys
from gateway.phi.ner.backends import open_recognizer
from gateway.phi.rules.scan import scan
texts = json.loads(sys.argv[2])
model = open_recognizer(sys.argv[1])
spans = [scan(text, model) for text in texts]
print(json.dumps([[(t[s.start:s.end], s.entity, s.score_milli) for s in each] for t, each in zip(texts, spans)]))
"""
TEXTS = ["Yesterday Grant Olofsvik came along.", "Start metformin 500 mg daily.", ""]


@pytest.fixture(scope="module", autouse=True)
def _environment() -> None:
    install()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("backend", ["spacy", "presidio"])
def test_an_extra_model_finds_names_behind_the_same_rules(backend: Backend) -> None:
    ran = subprocess.run(
        [PYTHON, "-W", "ignore", "-c", PROGRAM, backend, json.dumps(TEXTS)],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert ran.returncode == 0, ran.stderr
    named, *others = json.loads(ran.stdout)
    assert ["Grant Olofsvik", "PERSON"] in [[value, entity] for value, entity, score in named if score >= 500]
    assert others == [[], []]


@pytest.mark.parametrize("backend", ["spacy", "presidio"])
def test_a_model_that_is_not_installed_names_the_extra(backend: Backend) -> None:
    with pytest.raises(ModelError, match=rf"pip install 'hasp\[{backend}\]'"):
        open_recognizer(backend)
