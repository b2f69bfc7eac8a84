"""Which model answers `model: "auto"`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from gateway.auto_routing.classes import Size, Task
from gateway.auto_routing.classifier import classified
from gateway.auto_routing.table import AutoTable
from gateway.catalog import Catalog, Model
from gateway.conversation import Conversation
from gateway.errors import ModelNotEnabledError
from gateway.inference.admission import may_answer, tokens_needed
from gateway.tenancy import Access, AutoMode, KeyMode

_CEILINGS: Mapping[AutoMode, Size] = {
    AutoMode.LITE: Size.SMALL,
    AutoMode.PERFORMANCE: Size.LARGE,
    AutoMode.TURBO: Size.EXTRA,
}
_SIZES = tuple(Size)


class Upstreams(Protocol):
    def serves(self, model: Model, mode: KeyMode) -> bool:
        """Whether somebody is configured to answer for `model`."""
        ...

    def is_sandboxed(self, model: Model, mode: KeyMode) -> bool: ...


class AutoRouter:
    """Chooses by the table, within what the caller may call; the same for the same question. Keeps nothing."""

    def __init__(self, table: AutoTable, catalog: Catalog, upstreams: Upstreams) -> None:
        self._table = table
        self._catalog = catalog
        self._upstreams = upstreams

    def choose(self, conversation: Conversation, access: Access, *, now: datetime, has_files: bool = False) -> Model:
        """The model for `conversation`, in the caller's mode (`access.choices`); `has_files`: some go with it unseen.

        A size without a model that is allowed and able gives way to the next one down.

        Raises `ModelNotEnabledError` when none is left. The agreement is the pipeline's to ask for, and comes first.
        """
        found = classified(conversation, has_files=has_files)
        tokens = tokens_needed(conversation)
        limit = min(self._table.sizes[found], _CEILINGS[access.choices.auto_mode], key=_SIZES.index)
        for size in reversed(_SIZES[: _SIZES.index(limit) + 1]):
            for model in self._of(size, found.task, access.principal.mode, now):
                if may_answer(model, conversation, access, tokens=tokens):
                    return model
        raise ModelNotEnabledError(
            "No model that `auto` may choose for this request is enabled for its caller.", param="model"
        )

    def _of(self, size: Size, task: Task, mode: KeyMode, now: datetime) -> Sequence[Model]:
        """Those that answer, in the table's order; behind them those that the sandbox stands in for."""
        named = filter(None, map(self._catalog.find, self._table.models[size, task]))
        models = [model.priced_at(now) for model in named if not model.is_retired(now)]
        served = [model for model in models if self._upstreams.serves(model, mode)]
        return sorted(served, key=lambda model: self._upstreams.is_sandboxed(model, mode))
