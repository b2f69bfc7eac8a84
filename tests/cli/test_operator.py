"""Who is at the command line: what the kernel knows comes before what an environment says."""

import os
import pwd
from pathlib import Path

import pytest

from cli.failure import CommandError
from cli.operator import operator

ME = pwd.getpwuid(os.getuid()).pw_name
NOBODY = str(2**32 - 1)


@pytest.fixture
def login(tmp_path: Path) -> Path:
    file = tmp_path / "loginuid"
    file.write_text(NOBODY)
    return file


def test_without_a_login_it_is_the_processs_own_user(login: Path, tmp_path: Path) -> None:
    assert operator({}, login) == operator({}, tmp_path / "none") == f"operator:{ME}"


def test_who_called_sudo_counts_where_nobody_logged_in(login: Path) -> None:
    assert operator({"SUDO_USER": "alice"}, login) == "operator:alice"


def test_who_logged_in_counts_before_what_the_environment_says_of_sudo(login: Path) -> None:
    login.write_text(str(os.getuid()))

    assert operator({"SUDO_USER": "alice"}, login) == f"operator:{ME}"


def test_a_user_without_a_name_is_a_number(login: Path) -> None:
    login.write_text("54321")

    assert operator({}, login) == "operator:uid-54321"


def test_who_shares_a_user_says_who_it_is_beside_it(login: Path) -> None:
    assert operator({"HASP_OPERATOR": "j.reyes@hospital.example"}, login) == f"operator:{ME}/j.reyes@hospital.example"


@pytest.mark.parametrize("name", [" ", "a b", "-a", "a/b", "a\n", "ä", "x" * 65])
def test_a_name_that_cannot_be_one_is_refused_by_its_variable(name: str, login: Path) -> None:
    with pytest.raises(CommandError, match="HASP_OPERATOR") as refused:
        operator({"HASP_OPERATOR": name}, login)

    assert name not in refused.value.line or not name.strip()


@pytest.mark.parametrize("name", ["a b", "a\n", "../x", ""])
def test_a_strange_word_of_sudo_is_passed_over(name: str, login: Path) -> None:
    assert operator({"SUDO_USER": name}, login) == f"operator:{ME}"
