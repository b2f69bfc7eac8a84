"""The models on offer and who serves them."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from gateway.catalog.model import Model
from gateway.catalog.provider import ProviderSpec
from gateway.errors import ModelRetiredError, NotFoundError

# Where a vendor says which of its models end when.
_DEPRECATIONS = {
    "anthropic": "https://docs.claude.com/en/docs/about-claude/model-deprecations",
    "openai": "https://platform.openai.com/docs/deprecations",
}


class Catalog:
    """Models by name, in order, and providers by id.

    One object serves a process for its life: `adopt` puts another's contents
    in its place, and a call keeps the model that it found.

    Raises `ValueError` for two models of one name.
    """

    def __init__(self, models: Iterable[Model], providers: Iterable[ProviderSpec] = ()) -> None:
        self._models = tuple(models)
        self._by_name = _by_name(self._models)
        self._providers = {provider.id: provider for provider in providers}

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models)

    def adopt(self, other: "Catalog") -> None:
        """Have `other`'s models and providers from now on."""
        self._models = tuple(other)
        self._by_name = _by_name(self._models)
        self._providers = {provider.id: provider for provider in other.providers}

    @property
    def providers(self) -> tuple[ProviderSpec, ...]:
        return tuple(self._providers.values())

    def provider(self, provider_id: str) -> ProviderSpec | None:
        return self._providers.get(provider_id)

    def models_of(self, provider_id: str) -> tuple[Model, ...]:
        return tuple(model for model in self._models if model.provider == provider_id)

    def find(self, name: str) -> Model | None:
        """The model of that id, upstream id or alias, retired or not, its prices of all times."""
        return self._by_name.get(name)

    def get(self, name: str, *, now: datetime | None = None) -> Model:
        """The model of that id, upstream id or alias, as it is priced `now`.

        Raises:
            NotFoundError: no such model (`param` is `model`).
            ModelRetiredError: it was retired; `details` says when and what to use instead.
        """
        model = self.find(name)
        if model is None:
            raise NotFoundError("The model does not exist.", param="model")
        at = now or datetime.now(UTC)
        if model.retired_at is not None and model.is_retired(at):
            raise ModelRetiredError(
                param="model",
                details={
                    "retired_at": model.retired_at.isoformat(),
                    "recommended_replacement": model.recommended_replacement,
                    "docs_url": _DEPRECATIONS.get(model.provider),
                },
            )
        return model.priced_at(at)


def _by_name(models: Iterable[Model]) -> dict[str, Model]:
    by_name: dict[str, Model] = {}
    for model in models:
        for name in model.names:
            if name in by_name:
                raise ValueError(f"two models of the catalog are called {name}")
            by_name[name] = model
    return by_name
