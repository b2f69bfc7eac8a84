"""Shapes that cannot be said cannot be made."""

import pytest

from gateway.conversation import Document, Image


def test_an_image_of_nothing_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="data or a URL"):
        Image(None, None, None)


def test_a_document_of_nothing_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="text, blocks, data or a URL"):
        Document(title="Only a title")
