"""`calculator`: exact arithmetic, bounded in everything that a model could ask too much of."""

import ast
import decimal
import math
from collections.abc import Callable, Mapping
from decimal import Decimal

from pydantic import JsonValue

from gateway.harness.tool import ToolAnswer, ToolFailedError, ToolUseContext
from gateway.harness.tools.terms import Terms

_LONGEST = 500
_DIGITS = 60
_LARGEST_EXPONENT = 10_000
_LARGEST_FACTORIAL = 500
_CONTEXT = decimal.Context(
    prec=_DIGITS,
    Emax=_LARGEST_EXPONENT,
    Emin=-_LARGEST_EXPONENT,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)


class Calculator:
    """Decimals of sixty digits: `0.1 + 0.2` is `0.3`."""

    name = "calculator"
    description = (
        "Computes an arithmetic expression exactly: + - * / // % **, parentheses, and abs, ceil, exp, factorial, floor,"
        " ln, log10, max, min, round, sqrt, sum."
    )
    schema: Mapping[str, JsonValue] = {
        "type": "object",
        "properties": {"expression": {"type": "string", "maxLength": _LONGEST, "description": "(1200 * 0.07) / 12"}},
        "required": ["expression"],
        "additionalProperties": False,
    }
    leaves = False

    def __init__(self, terms: Terms) -> None:
        self.surcharge = terms.surcharge
        self.timeout_s = terms.timeout_s

    async def run(self, given: Mapping[str, JsonValue], context: ToolUseContext) -> ToolAnswer:  # noqa: ARG002
        expression = given.get("expression")
        if not isinstance(expression, str) or len(expression) > _LONGEST:
            raise ToolFailedError(f"`expression` must be a text of at most {_LONGEST} characters.")
        return ToolAnswer(_shown(computed(expression)))


def computed(expression: str) -> Decimal:
    """Raises `ToolFailedError` for what is no arithmetic, or too large."""
    try:
        parsed = ast.parse(expression.strip(), mode="eval").body
        with decimal.localcontext(_CONTEXT):
            value = _value(parsed, expression)
    except decimal.DivisionByZero:
        raise ToolFailedError("It divides by zero.") from None
    except decimal.Overflow:
        raise ToolFailedError("The result is too large.") from None
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError):
        raise ToolFailedError("The expression cannot be computed.") from None
    if not value.is_finite():
        raise ToolFailedError("The result is infinite.")
    return value


def _value(node: ast.expr, source: str) -> Decimal:
    match node:
        case ast.Constant(value=bool()):
            raise ToolFailedError("Only numbers can be computed with.")
        case ast.Constant(value=int() | float()):
            # As it is written: a float would have been rounded by then.
            return Decimal(ast.get_source_segment(source.strip(), node) or "nan")
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, source)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, source)
        case ast.BinOp(left=left, op=op, right=right):
            operate = _OPERATORS.get(type(op))
            if operate is None:
                raise ToolFailedError("Only + - * / // % and ** are known.")
            return operate(_value(left, source), _value(right, source))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_value(each, source) for each in arguments))
        case _:
            raise ToolFailedError("Only numbers, operators and the functions that are listed are known.")


def _power(base: Decimal, exponent: Decimal) -> Decimal:
    if abs(exponent) > _LARGEST_EXPONENT:
        raise decimal.Overflow
    return base**exponent


def _factorial(of: Decimal) -> Decimal:
    if of != of.to_integral_value() or not 0 <= of <= _LARGEST_FACTORIAL:
        raise ToolFailedError(f"`factorial` takes whole numbers up to {_LARGEST_FACTORIAL}.")
    return _CONTEXT.create_decimal(math.factorial(int(of)))


def _rounded(value: Decimal, places: Decimal = Decimal(0)) -> Decimal:
    if places != places.to_integral_value() or abs(places) > _DIGITS:
        raise ToolFailedError(f"`round` takes up to {_DIGITS} places.")
    return value.quantize(Decimal(1).scaleb(-int(places)), rounding=decimal.ROUND_HALF_UP)


def _one(function: Callable[[Decimal], Decimal]) -> Callable[..., Decimal]:
    def of(*arguments: Decimal) -> Decimal:
        if len(arguments) != 1:
            raise ToolFailedError("A function was given too many or too few numbers.")
        return function(arguments[0])

    return of


def _some(function: Callable[[tuple[Decimal, ...]], Decimal]) -> Callable[..., Decimal]:
    def of(*arguments: Decimal) -> Decimal:
        if not arguments:
            raise ToolFailedError("A function was given no numbers.")
        return function(arguments)

    return of


def _round_of(*arguments: Decimal) -> Decimal:
    if len(arguments) not in (1, 2):
        raise ToolFailedError("`round` takes a number, and how many places.")
    return _rounded(*arguments)


_OPERATORS: Mapping[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: Decimal.__add__,
    ast.Sub: Decimal.__sub__,
    ast.Mult: Decimal.__mul__,
    ast.Div: Decimal.__truediv__,
    ast.FloorDiv: lambda left, right: (left / right).to_integral_value(decimal.ROUND_FLOOR),
    ast.Mod: lambda left, right: left - right * (left / right).to_integral_value(decimal.ROUND_FLOOR),
    ast.Pow: _power,
}
_FUNCTIONS: Mapping[str, Callable[..., Decimal]] = {
    "abs": _one(abs),
    "ceil": _one(lambda value: value.to_integral_value(decimal.ROUND_CEILING)),
    "exp": _one(Decimal.exp),
    "factorial": _one(_factorial),
    "floor": _one(lambda value: value.to_integral_value(decimal.ROUND_FLOOR)),
    "ln": _one(Decimal.ln),
    "log10": _one(Decimal.log10),
    "max": _some(max),
    "min": _some(min),
    "round": _round_of,
    "sqrt": _one(Decimal.sqrt),
    "sum": _some(lambda values: sum(values, Decimal(0))),
}


def _shown(value: Decimal) -> str:
    if value == value.to_integral_value() and value.adjusted() < _DIGITS:
        return str(int(value))
    shown = _CONTEXT.normalize(value)
    return f"{shown:f}" if -_DIGITS < shown.adjusted() < _DIGITS else str(shown)
