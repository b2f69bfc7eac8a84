import pytest
from pydantic import SecretStr

from gateway.baa.template import Cover
from gateway.catalog import Catalog, Dialect, ProviderSpec
from gateway.errors import UnavailableError
from gateway.providers.anthropic.client import AnthropicProvider
from gateway.providers.estimate import estimate_tokens
from gateway.providers.openai.client import OpenAiProvider
from gateway.providers.registry import Providers
from gateway.tenancy import KeyMode
from tests.unit.providers.cases import CLAUDE, GPT, conversation, settings

SANDBOX = {"sandbox_url": "http://127.0.0.1:9"}
KEY = {"anthropic_api_key": "sk-1"}


def test_a_test_key_reaches_the_sandbox_though_the_vendor_is_configured() -> None:
    providers = Providers.from_settings(settings(**SANDBOX, **KEY))

    assert providers.is_sandboxed(CLAUDE, KeyMode.TEST)
    assert providers.provider_for(CLAUDE, KeyMode.TEST) is not providers.provider_for(CLAUDE, KeyMode.LIVE)


def test_a_test_key_never_reaches_the_vendor() -> None:
    providers = Providers.from_settings(settings(**KEY))

    with pytest.raises(UnavailableError):
        providers.provider_for(CLAUDE, KeyMode.TEST)


def test_a_live_key_reaches_the_vendor_that_is_configured_and_the_sandbox_for_the_other() -> None:
    providers = Providers.from_settings(settings(**SANDBOX, **KEY))

    assert not providers.is_sandboxed(CLAUDE, KeyMode.LIVE)
    assert isinstance(providers.provider_for(CLAUDE, KeyMode.LIVE), AnthropicProvider)
    assert providers.is_sandboxed(GPT, KeyMode.LIVE)
    assert isinstance(providers.provider_for(GPT, KeyMode.LIVE), OpenAiProvider)


def test_without_vendor_and_sandbox_nobody_answers() -> None:
    with pytest.raises(UnavailableError):
        Providers.from_settings(settings()).provider_for(CLAUDE, KeyMode.LIVE)


def test_every_shipped_vendor_has_a_provider() -> None:
    providers = Providers.from_settings(settings(openai_api_key="sk-2", **KEY))

    for model in (CLAUDE, GPT):
        assert providers.provider_for(model, KeyMode.LIVE)


WARD = ProviderSpec(
    id="ward",
    display_name="Ward",
    dialect=Dialect.OPENAI_CHAT,
    base_url="http://127.0.0.1:9",
    covered_by=Cover.SELF_HOSTED,
)
LLAMA = GPT.model_copy(
    update={"id": "llama", "provider": "ward", "dialect": Dialect.OPENAI_CHAT, "covered_by": Cover.SELF_HOSTED.value}
)


@pytest.mark.parametrize(
    "now",
    [
        None,
        {"covered_by": Cover.OPENAI, "base_url": "https://elsewhere.example"},
        {"dialect": Dialect.ANTHROPIC},
    ],
    ids=["left", "has another cover", "speaks another dialect"],
)
def test_a_call_admitted_before_its_provider_changed_is_sent_to_nobody(now: dict[str, object] | None) -> None:
    catalog = Catalog([LLAMA], [WARD])
    providers = Providers.from_settings(settings(**SANDBOX), catalog)
    assert providers.provider_for(LLAMA, KeyMode.LIVE)

    catalog.adopt(Catalog([], [] if now is None else [WARD.model_copy(update=now)]))

    assert not providers.is_sandboxed(LLAMA, KeyMode.LIVE)
    with pytest.raises(UnavailableError):
        providers.provider_for(LLAMA, KeyMode.LIVE)


def test_a_provider_with_another_key_is_met_with_it() -> None:
    catalog = Catalog([LLAMA], [WARD])
    providers = Providers.from_settings(settings(), catalog)
    before = providers.provider_for(LLAMA, KeyMode.LIVE)

    catalog.adopt(Catalog([LLAMA], [WARD.model_copy(update={"api_key": SecretStr("sk-2")})]))

    assert providers.provider_for(LLAMA, KeyMode.LIVE) is not before


@pytest.mark.parametrize("dialect", Dialect)
async def test_a_provider_without_a_counter_is_not_asked_for_a_count(dialect: Dialect) -> None:
    served = LLAMA.model_copy(update={"dialect": dialect})
    catalog = Catalog([served], [WARD.model_copy(update={"dialect": dialect, "counts_tokens": False})])
    never_opened = Providers.from_settings(settings(), catalog)

    counted = await never_opened.provider_for(served, KeyMode.LIVE).count_tokens(conversation(), served)

    assert counted == estimate_tokens(conversation())
