import pytest

from gateway.errors import UnavailableError
from gateway.providers.anthropic.client import AnthropicProvider
from gateway.providers.openai.client import OpenAiProvider
from gateway.providers.registry import Providers
from gateway.tenancy import KeyMode
from tests.unit.providers.cases import CLAUDE, GPT, settings

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
