"""An operator's file adds providers and models, and a bad one says everything that is wrong with it at once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.catalog import Ability, Catalog, CatalogError, Dialect, read_catalog
from gateway.catalog.reading import shipped_providers

Json = dict[str, Any]
WriteFile = Callable[[object], Path]

WARD: Json = {
    "id": "ward",
    "dialect": "openai_chat",
    "base_url": "http://10.0.0.5:8000/v1",
    "covered_by": "self_hosted",
}
LLAMA: Json = {
    "id": "llama-3.3-70b",
    "provider": "ward",
    "upstream": "meta-llama/Llama-3.3-70B-Instruct",
    "context_tokens": 131072,
    "max_output_tokens": 8192,
    "abilities": ["tools", "sampling", "stop_sequences"],
    "ratio_milli": 100,
}


@pytest.fixture
def write_file(tmp_path: Path) -> WriteFile:
    def write(content: object) -> Path:
        path = tmp_path / "catalog.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def read(path: Path | None, **environment: str) -> Catalog:
    return read_catalog(path, shipped=shipped_providers(), environment=environment.get)


def problems(path: Path, **environment: str) -> list[str]:
    with pytest.raises(CatalogError) as raised:
        read(path, **environment)
    return list(raised.value.problems)


def with_provider(**fields: object) -> Json:
    return {"providers": [WARD | fields], "models": [LLAMA]}


def with_model(**fields: object) -> Json:
    return {"providers": [WARD], "models": [LLAMA | fields]}


def test_without_a_file_there_is_what_is_shipped() -> None:
    catalog = read(None)

    assert len(list(catalog)) == 9
    assert [provider.id for provider in catalog.providers] == ["anthropic", "openai"]


def test_a_file_adds_a_server_and_its_models(write_file: WriteFile) -> None:
    catalog = read(write_file({"providers": [WARD], "models": [LLAMA]}))

    model = catalog.get("meta-llama/Llama-3.3-70B-Instruct")
    assert (model.id, model.dialect, model.covered_by) == ("llama-3.3-70b", Dialect.OPENAI_CHAT, "self_hosted")
    assert model.display_name == "llama-3.3-70b"
    provider = catalog.provider("ward")
    assert provider
    assert provider.is_configured
    assert provider.key_headers == {}
    assert provider.url("/chat/completions") == "http://10.0.0.5:8000/v1/chat/completions"
    assert len(list(catalog)) == 10


def test_a_model_of_a_shipped_vendor_may_be_added(write_file: WriteFile) -> None:
    model = LLAMA | {
        "id": "claude-next",
        "upstream": "claude-next",
        "provider": "anthropic",
        "abilities": ["citations"],
    }

    assert read(write_file({"models": [model]})).get("claude-next").covered_by == "hasp_anthropic_baa_2026"


def test_an_amendment_changes_a_shipped_model_and_nothing_else_of_it(write_file: WriteFile) -> None:
    amended = {"claude-sonnet-4-6": {"equivalents": ["gpt-5.4"], "ratio_milli": 900}}

    catalog = read(write_file({"amendments": amended}))

    before, after = read(None).get("claude-sonnet-4-6"), catalog.get("claude-sonnet-4-6")
    assert after == before.model_copy(update={"equivalents": ("gpt-5.4",), "ratio_milli": 900})
    assert [model.id for model in catalog] == [model.id for model in read(None)]


def test_a_key_is_read_from_where_the_file_says(write_file: WriteFile, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-file\n")

    by_name = read(write_file(with_provider(api_key_env="WARD_KEY")), WARD_KEY="sk-env").provider("ward")
    by_file = read(write_file(with_provider(api_key_file=str(tmp_path / "key")))).provider("ward")
    of_claude = read(
        write_file({"providers": [WARD | {"dialect": "anthropic", "api_key_env": "WARD_KEY"}]}), WARD_KEY="sk-env"
    ).provider("ward")

    assert by_name
    assert by_file
    assert of_claude
    assert by_name.key_headers == {"authorization": "Bearer sk-env"}
    assert by_file.key_headers == {"authorization": "Bearer sk-file"}
    assert of_claude.key_headers == {"x-api-key": "sk-env"}
    assert "sk-env" not in repr(by_name)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "line 1, column 2: not JSON"),
        ("[]", "the file: Input should be a valid dictionary or instance of CatalogFile"),
        ({"provider": []}, "provider: Extra inputs are not permitted"),
        (with_provider(id="Ward 7"), "providers[0].id: String should match pattern '^[a-z0-9][a-z0-9-]{0,63}$'"),
        ({"providers": [WARD | {"id": "openai"}]}, "providers[0].id: another provider has this id"),
        (with_provider(dialect="grpc"), "providers[0].dialect: Input should be 'anthropic', 'openai' or 'openai_chat'"),
        (with_provider(base_url="10.0.0.5:8000"), "providers[0].base_url: must be an http or https URL"),
        (
            with_provider(base_url="http://user:secret@10.0.0.5"),
            "providers[0].base_url: must hold no user, password, query or fragment",
        ),
        (
            with_provider(covered_by="hasp_openai_baa_2026"),
            "providers[0]: plain http is only for self-hosted servers on a network of yours",
        ),
        (
            with_provider(base_url="HTTP://10.0.0.5", covered_by="hasp_openai_baa_2026"),
            "providers[0]: plain http is only for self-hosted servers on a network of yours",
        ),
        (with_provider(base_url="http://10.0.0.5:secret"), "providers[0].base_url: must be an http or https URL"),
        (with_provider(base_url="http://10.0.0.5:99999"), "providers[0].base_url: must be an http or https URL"),
        (with_provider(base_url="http://ward%20/"), "providers[0].base_url: must be an http or https URL"),
        (
            with_provider(base_url="http://10.0.0.5\r\n"),
            "providers[0].base_url: must hold no spaces and no control characters",
        ),
        (
            with_provider(base_url="http://10.0.0.5/v1?"),
            "providers[0].base_url: must hold no user, password, query or fragment",
        ),
        (
            with_provider(base_url="http://10.0.0.5/v1/chat/completions/"),
            "providers[0].base_url: must end before the endpoint, with or without /v1",
        ),
        ('{"amendments": {}, "amendments": {}}', "amendments: given twice in one object"),
        (with_provider(api_key_file="/run/\0"), "providers[0].api_key_file: must be a path"),
        (with_provider(api_key="sk-1"), "providers[0].api_key: Extra inputs are not permitted"),
        (with_provider(api_key_env="WARD_KEY"), "providers[0].api_key_env: this environment variable holds no key"),
        (with_provider(api_key_file="/none"), "providers[0].api_key_file: this file holds no key"),
        (
            with_provider(api_key_env="WARD_KEY", api_key_file="/none"),
            "providers[0]: give either api_key_env or api_key_file, not both",
        ),
        (with_provider(counts_tokens=True), "providers[0]: the openai_chat dialect has no token counter"),
        (with_model(provider="warden"), "models[0].provider: no provider has this id"),
        (with_model(max_output_tokens=131073), "models[0]: max_output_tokens must be at most context_tokens"),
        (
            with_model(upstream="llama\n"),
            "models[0].upstream: String should match pattern '^[!-~](?:[ -~]*[!-~])?$'",
        ),
        (
            with_model(recommended_replacement="llama-4"),
            "models[0].recommended_replacement: not the id of another model",
        ),
        (with_model(context_tokens=0), "models[0].context_tokens: Input should be greater than 0"),
        (
            with_model(max_output_tokens=2**62),
            "models[0].max_output_tokens: Input should be less than or equal to 1000000000",
        ),
        (
            with_model(ratio_milli=2**62),
            "models[0].ratio_milli: Input should be less than or equal to 1000000",
        ),
        (
            {"amendments": {"gpt-5.4": {"equivalents": ["gpt-5.5", "gpt-5.5"]}}},
            "amendments.gpt-5.4.equivalents: must name each model once",
        ),
        (with_model(id="gpt-5.4"), "models[0]: another model has the same id, upstream id or alias"),
        (
            with_model(abilities=["citations", "prompt_cache"]),
            "models[0].abilities: the provider's dialect has no words for citations, prompt_cache",
        ),
        (with_model(equivalents=["nobody"]), "models[0].equivalents[0]: not the id of another model"),
        (with_model(equivalents=["llama-3.3-70b"]), "models[0].equivalents[0]: not the id of another model"),
        (
            with_model(equivalents=["gpt-5.4"]),
            "models[0].equivalents[0]: this model's cover is not the same or better",
        ),
        (with_model(created_at="2026-01-01T00:00:00"), "models[0].created_at: must say its offset from UTC"),
        ({"amendments": {"gpt-9": {}}}, "amendments: a key is no model that this version ships"),
        (
            {"amendments": {"gpt-5.4": {"tier": "gold"}}},
            "amendments.gpt-5.4.tier: Input should be 'standard' or 'premium'",
        ),
        (
            {"amendments": {"gpt-5.4": {"id": "gpt-5"}}},
            "amendments.gpt-5.4.id: an amendment cannot rename a model",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_by_its_place(write_file: WriteFile, content: object, problem: str) -> None:
    assert problems(write_file(content)) == [problem]


def test_everything_wrong_is_said_at_once_and_no_value_with_it(write_file: WriteFile) -> None:
    bad = {"providers": [WARD | {"base_url": "sk-secret-1", "covered_by": "sk-secret-2"}], "models": [{"id": "x"}]}

    said = problems(write_file(bad))

    assert len(said) == 7
    assert "sk-secret" not in " ".join(said)


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "catalog.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(with_model()).encode())

    assert read(path).get("llama-3.3-70b").provider == "ward"


def test_a_device_that_never_ends_holds_no_key(write_file: WriteFile) -> None:
    assert problems(write_file(with_provider(api_key_file="/dev/zero"))) == [
        "providers[0].api_key_file: this file holds no key"
    ]


def test_a_file_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    assert problems(tmp_path / "none.json") == ["the file cannot be read (No such file or directory)"]


def test_a_model_in_the_house_may_stand_in_for_a_vendors(write_file: WriteFile) -> None:
    amended = {"claude-haiku-4-5": {"equivalents": ["llama-3.3-70b", "gpt-5.4-mini"]}}

    catalog = read(write_file(with_model() | {"amendments": amended}))

    assert catalog.get("claude-haiku-4-5").equivalents == ("llama-3.3-70b", "gpt-5.4-mini")


def test_every_shipped_model_says_what_it_can(write_file: WriteFile) -> None:
    for model in read(None):
        assert Ability.TOOLS in model.abilities
        assert Ability.VISION in model.abilities
        assert model.prices
