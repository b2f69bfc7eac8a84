"""Pages of models, as Anthropic's lists have them."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.catalog import Model
from gateway.errors import ValidationFailedError

Lifecycle = Literal["active", "deprecated", "retired"]


class ModelsQuery(BaseModel):
    """Anthropic's own parameters; any other is ignored, as it does."""

    model_config = ConfigDict(extra="ignore")

    limit: Annotated[int, Field(ge=1, le=1000)] = 20
    after_id: str | None = None
    before_id: str | None = None
    lifecycle: list[Lifecycle] = ["active", "deprecated"]


def page_of(models: Sequence[Model], query: ModelsQuery) -> tuple[Sequence[Model], bool]:
    """The page after or before a model, and whether more lie in that direction."""
    order = {model.id: at for at, model in enumerate(models)}
    if query.before_id is not None:
        end = _position(order, query.before_id, "before_id")
        start = max(0, end - query.limit)
        return models[start:end], start > 0
    start = 0 if query.after_id is None else _position(order, query.after_id, "after_id") + 1
    return models[start : start + query.limit], start + query.limit < len(models)


def _position(order: dict[str, int], model_id: str, param: str) -> int:
    if model_id not in order:
        raise ValidationFailedError(f"`{param}` is not a model of this list.", param=param)
    return order[model_id]
