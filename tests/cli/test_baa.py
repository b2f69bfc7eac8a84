"""Agreements by the command line, on a database of their own."""

import os
import subprocess

import pytest

from gateway.baa.template import current_template
from gateway.ids import new_ulid
from gateway.settings import Settings
from tests.commands import run_hasp
from tests.conftest import Database

SIGNER = ("--signer-name", "A. Signer", "--signer-title", "Officer", "--signer-email", "officer@hospital.example")
PARTY = {"HASP_BAA_OPERATOR_NAME": "Example Health Cloud, Inc.", "HASP_BAA_COUNTERSIGNER": "Jordan Reyes"}


class Operator:
    """Runs `hasp` as an operator does."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._variables = {"HASP_DATABASE_URL": database.app_url, "HASP_KEYRING_FILE": str(settings.keyring_file)}

    def hasp(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return run_hasp(*arguments, env={**os.environ, **self._variables, **variables})

    def organization(self) -> str:
        return self.hasp("org", "create", "--name", "Hospital").stdout.strip()


@pytest.fixture
def operator(settings: Settings, database: Database) -> Operator:
    return Operator(settings, database)


def test_accepting_twice_is_one_acceptance(operator: Operator) -> None:
    org = operator.organization()

    first = operator.hasp("baa", "accept", "--org", org, *SIGNER, **PARTY)
    second = operator.hasp("baa", "accept", "--org", org, *SIGNER, **PARTY)

    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == second.stdout != ""


def test_accepting_without_a_countersigner_says_what_will_be_missing(operator: Operator) -> None:
    accepted = operator.hasp("baa", "accept", "--org", operator.organization(), *SIGNER)

    assert accepted.returncode == 0
    assert "there will be no signed document: HASP_BAA_OPERATOR_NAME" in accepted.stderr


@pytest.mark.parametrize(
    ("option", "value"), [("--signer-name", " "), ("--signer-name", "A\u202eB"), ("--signer-title", "ꔀꔁꔂ")]
)
def test_what_cannot_stand_in_a_contract_is_refused_in_one_line(operator: Operator, option: str, value: str) -> None:
    refused = operator.hasp("baa", "accept", "--org", operator.organization(), *SIGNER, option, value, **PARTY)

    assert refused.returncode == 1
    assert refused.stderr.startswith("hasp: ")
    assert refused.stderr.count("\n") == 1
    assert value not in refused.stderr.strip(" \n") or not value.strip()


def test_an_organisation_whose_own_name_no_font_can_show_has_to_be_named_otherwise(operator: Operator) -> None:
    org = operator.hasp("org", "create", "--name", "日本病院").stdout.strip()

    refused = operator.hasp("baa", "accept", "--org", org, *SIGNER, **PARTY)
    accepted = operator.hasp("baa", "accept", "--org", org, *SIGNER, "--organization-name", "Nihon Hospital", **PARTY)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "`organization_name`" in refused.stderr
    assert accepted.returncode == 0


def test_a_terminated_agreement_can_be_accepted_anew(operator: Operator) -> None:
    org = operator.organization()
    first = operator.hasp("baa", "accept", "--org", org, *SIGNER, **PARTY).stdout

    ended = operator.hasp("baa", "terminate", "--org", org)
    again = operator.hasp("baa", "terminate", "--org", org)
    second = operator.hasp("baa", "accept", "--org", org, *SIGNER, **PARTY).stdout

    assert (ended.returncode, ended.stdout.startswith("20")) == (0, True)
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert second not in ("", first)


def test_an_unknown_organisation_has_nothing_to_accept_or_terminate(operator: Operator) -> None:
    for arguments in (("baa", "accept", "--org", new_ulid(), *SIGNER), ("baa", "terminate", "--org", new_ulid())):
        refused = operator.hasp(*arguments, **PARTY)
        assert (refused.returncode, refused.stderr) == (1, "hasp: The organization does not exist.\n")


def test_the_text_is_shown_with_its_hash(operator: Operator) -> None:
    shown = operator.hasp("baa", "show").stdout

    assert current_template().text in shown
    assert current_template().sha256 in shown
