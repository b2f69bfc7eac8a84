"""Settings hold secrets, and never show them."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.settings import Settings

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
