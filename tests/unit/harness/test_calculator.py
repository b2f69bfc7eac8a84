"""The calculator: exact, and never busy for long."""

import pytest

from gateway.harness.tool import ToolFailedError
from gateway.harness.tools.calculator import Calculator, computed
from gateway.harness.tools.terms import Terms
from tests.unit.harness.contexts import CONTEXT


async def shown(expression: str) -> str:
    return (await Calculator(Terms(0, 5)).run({"expression": expression}, CONTEXT)).text


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("1 + 2 * 3", "7"),
        ("0.1 + 0.2", "0.3"),
        ("(1200 * 0.07) / 12", "7"),
        ("-7 // 2", "-4"),
        ("-7 % 3", "2"),
        ("2 ** 10", "1024"),
        ("2 ** -2", "0.25"),
        ("sqrt(2) ** 2", "2"),
        ("round(2.675, 2)", "2.68"),
        ("round(2.5)", "3"),
        ("max(3, 9, 4) - min(3, 9, 4)", "6"),
        ("sum(0.1, 0.2, 0.3)", "0.6"),
        ("factorial(20)", "2432902008176640000"),
        ("1_000 * 1e3", "1000000"),
        ("abs(-3.50)", "3.5"),
        ("1e40 * 10", "1" + "0" * 41),
    ],
)
async def test_it_computes(expression: str, result: str) -> None:
    assert await shown(expression) == result


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "1 +",
        "1 / 0",
        "0 ** -1",
        "9 ** 9 ** 9 ** 9",
        "10 ** 20000",
        "2 ** 0.5 ** -999999",
        "factorial(100000)",
        "factorial(-1)",
        "factorial(1.5)",
        "sqrt(-1)",
        "ln(0)",
        "round(1, 1000000)",
        "round()",
        "sqrt(1, 2)",
        "max()",
        "exp(1e9)",
        "True + 1",
        "'a' * 9",
        "[1] * 9",
        "x",
        "__import__('os')",
        "().__class__",
        "sqrt(x=1)",
        "max(*[1])",
        "1 if 1 else 2",
        "1 < 2",
        "1 and 2",
        "lambda: 1",
        "(" * 499,
        "-" * 499 + "1",
        "1" * 501,
        "0x10",
        "1j",
        "1\0",
        "nan",
    ],
)
async def test_what_is_no_arithmetic_or_too_large_is_said_to_be(expression: str) -> None:
    try:
        told = await shown(expression)
    except ToolFailedError as failed:
        told = str(failed)
        assert expression == "" or expression not in told
    else:
        # So many signs before a number are arithmetic.
        assert expression.startswith("--")


def test_digits_are_read_as_they_stand() -> None:
    assert str(computed("0.1000000000000000055511151231257827")) == "0.1000000000000000055511151231257827"


@pytest.mark.parametrize("given", [{}, {"expression": 1}, {"expression": None}])
async def test_an_input_of_another_form_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ToolFailedError):
        await Calculator(Terms(0, 5)).run(given, CONTEXT)  # pyright: ignore[reportArgumentType] - as models send it
