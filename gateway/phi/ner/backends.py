"""The models there are to choose from. A model loads in a scanner process, never in the API's."""

from typing import Literal

from gateway.phi.ner.recognizer import Recognizer

Backend = Literal["rampart", "spacy", "presidio", "none"]


def open_recognizer(backend: Backend) -> Recognizer | None:
    """The model; None when there is to be none. Raises `ModelError` when it is not installed or not intact."""
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
