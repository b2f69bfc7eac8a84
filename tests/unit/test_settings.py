"""Settings hold secrets, and never show them."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.settings import Settings
from storage.webhooks.claims import LEASE

SECRET = "never-shown"


def test_no_way_of_printing_settings_shows_a_secret() -> None:
    settings = Settings.model_validate(
        {
            "database_url": f"postgresql://hasp_app:{SECRET}@127.0.0.1/hasp",
            "database_owner_url": f"postgresql://owner:{SECRET}@127.0.0.1/hasp",
            "keyring_file": Path("keyring.json"),
            "vault_token": SECRET,
            "anthropic_api_key": SECRET,
            "openai_api_key": SECRET,
        }
    )

    assert SECRET not in repr(settings) + str(settings)


def test_an_error_about_settings_shows_none_of_them() -> None:
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate({"database_url": f"nonsense:{SECRET}", "keyring_file": Path("keyring.json")})

    assert SECRET not in str(refused.value)


def test_no_try_of_a_webhook_may_outlast_the_claim_that_it_is_made_under() -> None:
    """Or another dispatcher sends the same delivery beside it."""
    given = {"database_url": "postgresql://hasp_app@db/hasp", "keyring_file": Path("keyring.json")}

    with pytest.raises(ValidationError, match="webhook_timeout_s"):
        Settings.model_validate({**given, "webhook_timeout_s": LEASE.total_seconds() - 10})
