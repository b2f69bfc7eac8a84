"""From files to a catalog. Everything wrong with an operator's file is said at once, each with its place."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, JsonValue, SecretStr, TypeAdapter, ValidationError

from gateway.baa.template import Cover
from gateway.catalog.catalog import Catalog
from gateway.catalog.entries import CatalogFile, ModelEntry, ProviderEntry
from gateway.catalog.model import Ability, Model
from gateway.catalog.provider import Dialect, ProviderSpec
from gateway.operator_file import OperatorFileError, named_key, parsed, said

_CANNOT: Mapping[Dialect, frozenset[Ability]] = {
    Dialect.ANTHROPIC: frozenset(),
    Dialect.OPENAI: frozenset(
        {
            Ability.CLIENT_TOOLS,
            Ability.THINKING_BUDGET,
            Ability.TOP_K,
            Ability.STOP_SEQUENCES,
            Ability.CITATIONS,
            Ability.PROMPT_CACHE,
            Ability.INFERENCE_GEO,
        }
    ),
    Dialect.OPENAI_CHAT: frozenset(
        {
            Ability.DOCUMENTS,
            Ability.CLIENT_TOOLS,
            Ability.THINKING_BUDGET,
            Ability.CITATIONS,
            Ability.PROMPT_CACHE,
            Ability.SERVICE_TIER,
            Ability.INFERENCE_GEO,
        }
    ),
}
"""What a wire format has no words for, whatever the model behind it could do."""

_PRICED = {"ratio_milli", "cache_read_ratio_milli", "prices"}


class CatalogError(OperatorFileError):
    """What is wrong with a catalog file."""


class Found(BaseModel):
    """What is on offer before the operator's file: the shipped models and providers."""

    providers: list[ProviderSpec]
    models: list[ModelEntry]


def shipped_catalog() -> Catalog:
    """The catalog that comes with this version, its providers without keys."""
    return _build(shipped_providers(), _shipped().models)


def shipped_providers() -> list[ProviderSpec]:
    return _shipped().providers


def read_catalog(
    path: Path | None, *, shipped: Iterable[ProviderSpec], environment: Callable[[str], str | None]
) -> Catalog:
    """The shipped models, served by `shipped`, and what the file at `path` adds and amends.

    Raises `CatalogError` for a file that cannot be read or is not valid.
    """
    if path is None:
        return _build([*shipped], _shipped().models)
    file = _parsed(path)
    providers = [*shipped]
    problems: list[str] = []
    for at, entry in enumerate(file.providers):
        if any(entry.id == known.id for known in providers):
            problems.append(f"providers[{at}].id: another provider has this id")
            continue
        key, problem = named_key(entry.api_key_env, entry.api_key_file, environment)
        problems += [f"providers[{at}].{problem}"] if problem else []
        providers.append(_provider(entry, key))
    models = [*_amended(_shipped().models, file.amendments, problems), *file.models]
    problems += _problems_of(models, providers, first=len(models) - len(file.models))
    if problems:
        raise CatalogError(problems)
    return _build(providers, models)


def key_files(path: Path) -> tuple[Path, ...]:
    """The files that keys of the catalog at `path` are read from; none while it is not valid."""
    try:
        return tuple(entry.api_key_file for entry in _parsed(path).providers if entry.api_key_file)
    except CatalogError:
        return ()


def _shipped() -> Found:
    return Found.model_validate_json(files("gateway.catalog").joinpath("shipped.json").read_bytes())


def _parsed(path: Path) -> CatalogFile:
    try:
        return parsed(path, CatalogFile)
    except OperatorFileError as error:
        raise CatalogError(error.problems) from None


def _provider(entry: ProviderEntry, key: SecretStr | None) -> ProviderSpec:
    return ProviderSpec(
        id=entry.id,
        display_name=entry.display_name or entry.id,
        dialect=entry.dialect,
        base_url=entry.base_url,
        covered_by=entry.covered_by,
        api_key=key,
        key_header=entry.api_key_header,
        counts_tokens=entry.dialect is Dialect.ANTHROPIC if entry.counts_tokens is None else entry.counts_tokens,
    )


def _amended(
    models: Iterable[ModelEntry], amendments: Mapping[str, dict[str, JsonValue]], problems: list[str]
) -> list[ModelEntry]:
    by_id = {model.id: model for model in models}
    for model_id, fields in amendments.items():
        if model_id not in by_id:
            problems.append("amendments: a key is no model that this version ships")
            continue
        try:
            before = by_id[model_id].model_dump(mode="json", exclude_unset=True)
            if fields.keys() & _PRICED:  # an operator's own prices are not to end with what was shipped for a vendor's
                before.pop("price_changes", None)
            changed = before | fields
            by_id[model_id] = TypeAdapter(ModelEntry).validate_python(changed)
        except ValidationError as error:
            problems += [f"amendments.{model_id}.{problem}" for problem in said(error)]
        if fields.get("id", model_id) != model_id:
            problems.append(f"amendments.{model_id}.id: an amendment cannot rename a model")
    return [*by_id.values()]


def _problems_of(models: list[ModelEntry], providers: list[ProviderSpec], *, first: int) -> Iterator[str]:
    """What no entry can know by itself. `first` is where the file's own models begin."""
    served_by = {provider.id: provider for provider in providers}
    covers = {model.id: served_by[model.provider].covered_by for model in models if model.provider in served_by}
    taken: set[str] = set()
    for at, model in enumerate(models):
        place = f"models[{at - first}]" if at >= first else f"amendments.{model.id}"
        if model.provider not in served_by:
            yield f"{place}.provider: no provider has this id"
        else:
            lacking = sorted(model.abilities & _CANNOT[served_by[model.provider].dialect])
            if lacking:
                yield f"{place}.abilities: the provider's dialect has no words for {', '.join(lacking)}"
        if model.recommended_replacement not in (None, *covers) or model.recommended_replacement == model.id:
            yield f"{place}.recommended_replacement: not the id of another model"
        if taken & model.names:
            yield f"{place}: another model has the same id, upstream id or alias"
        taken |= model.names
        yield from (f"{place}.{problem}" for problem in _problems_of_equivalents(model, covers))


def _problems_of_equivalents(model: ModelEntry, covers: Mapping[str, Cover]) -> Iterator[str]:
    for at, other in enumerate(model.equivalents):
        if other == model.id or other not in covers:
            yield f"equivalents[{at}]: not the id of another model"
        elif model.id in covers and not covers[other].is_at_least(covers[model.id]):
            yield f"equivalents[{at}]: this model's cover is not the same or better"


def _build(providers: list[ProviderSpec], entries: Iterable[ModelEntry]) -> Catalog:
    served_by = {provider.id: provider for provider in providers}
    return Catalog((_model(entry, served_by[entry.provider]) for entry in entries), providers)


def _model(entry: ModelEntry, provider: ProviderSpec) -> Model:
    fields = dict(entry) | {"dialect": provider.dialect, "covered_by": provider.covered_by.value}
    fields["display_name"] = entry.display_name or entry.id
    fields["upstream"] = entry.upstream or entry.id
    return Model.model_validate(fields)
