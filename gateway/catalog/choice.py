"""A model that somebody writes down to be asked later on."""

from gateway.catalog.catalog import Catalog
from gateway.errors import ValidationFailedError
from gateway.tenancy import AUTO


def read_model(name: str, given: str, catalog: Catalog) -> str:
    """The catalog's id of what `name` is given, or `AUTO`. Raises `ValidationFailedError`, which does not quote it."""
    if given == AUTO:
        return AUTO
    model = catalog.find(given)
    if model is None:
        raise ValidationFailedError(f"`{name}` is no model of `/v1/chat/models`.", param=name)
    return model.id
