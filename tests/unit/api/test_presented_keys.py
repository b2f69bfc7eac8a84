"""Which of the tokens that a request brings is its caller's."""

from types import SimpleNamespace

import pytest
from fastapi import Request

from api.anthropic.envelope import ANTHROPIC_PLAIN
from api.authentication import presented
from api.dialect import Dialect
from api.harness.envelope import HARNESS
from api.native.envelope import NATIVE
from api.openai.envelope import OPENAI
from gateway.errors import InvalidApiKeyError
from gateway.settings import Settings

ONE, OTHER = "hasp_key_live_" + "A" * 32, "hasp_key_live_" + "B" * 32


def request(dialect: Dialect, *headers: tuple[str, str], takes_bearer: bool = False) -> Request:
    settings = Settings.model_validate(
        {"database_url": "postgresql://nobody@x/none", "keyring_file": "none", "harness_takes_bearer": takes_bearer}
    )
    app = SimpleNamespace(state=SimpleNamespace(gateway=SimpleNamespace(settings=settings)))
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return Request({"type": "http", "headers": raw, "hasp.dialect": dialect, "app": app})


def key(value: str) -> tuple[str, str]:
    return "x-api-key", value


def bearer(value: str) -> tuple[str, str]:
    return "authorization", f"Bearer {value}"


TAKEN = [
    (NATIVE, [key(ONE)], ONE),
    (NATIVE, [bearer(ONE)], ONE),
    (NATIVE, [key(ONE), bearer(ONE)], ONE),
    (NATIVE, [("authorization", f"bEaReR  {ONE} ")], ONE),
    (OPENAI, [bearer(ONE)], ONE),
    (OPENAI, [key(ONE), bearer(OTHER)], ONE),
    (OPENAI, [key(ONE), ("authorization", "Basic abc")], ONE),
    (ANTHROPIC_PLAIN, [key(ONE), bearer("not-a-key")], ONE),
    (HARNESS, [key(ONE), bearer(OTHER)], ONE),
]
REFUSED: list[tuple[Dialect, list[tuple[str, str]]]] = [
    (NATIVE, []),
    (NATIVE, [key(ONE), bearer(OTHER)]),
    (NATIVE, [key(ONE), key(OTHER)]),
    (NATIVE, [("authorization", f"Basic {ONE}")]),
    (NATIVE, [("authorization", ONE)]),
    (OPENAI, [key(""), bearer(ONE)]),
    (OPENAI, [key("not-a-key"), bearer(ONE)]),
    (OPENAI, [key(ONE), key(OTHER), bearer(ONE)]),
    (ANTHROPIC_PLAIN, [bearer(ONE), bearer(OTHER)]),
    (HARNESS, [bearer(ONE)]),
    (HARNESS, [key("not-a-key"), bearer(ONE)]),
]


@pytest.mark.parametrize(("dialect", "headers", "token"), TAKEN)
def test_a_surface_takes_the_token_that_it_goes_by(
    dialect: Dialect, headers: list[tuple[str, str]], token: str
) -> None:
    assert presented(request(dialect, *headers)) == token


@pytest.mark.parametrize(("dialect", "headers"), REFUSED)
def test_what_is_no_token_or_one_of_several_is_nobodys(dialect: Dialect, headers: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidApiKeyError):
        presented(request(dialect, *headers))


def test_who_sends_a_bearer_where_none_is_taken_is_told_where_keys_go() -> None:
    with pytest.raises(InvalidApiKeyError, match=r"`X-API-Key`.*`/v1/openai/responses`.*`/v1/anthropic/messages`"):
        presented(request(HARNESS, bearer(ONE)))


@pytest.mark.parametrize(("headers", "token"), [([bearer(ONE)], ONE), ([key(ONE), bearer(OTHER)], ONE)])
def test_an_operator_may_let_bearers_in_everywhere(headers: list[tuple[str, str]], token: str) -> None:
    assert presented(request(HARNESS, *headers, takes_bearer=True)) == token
