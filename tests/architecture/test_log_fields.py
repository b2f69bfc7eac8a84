"""Log lines hold declared fields only: what is not declared is dropped, and missed when it matters."""

import ast
from collections.abc import Iterator
from pathlib import Path

from gateway.logs import FIELDS
from tests.architecture.test_layout import PACKAGES, ROOT, sources

LOGGERS = {"log", "_log", "logger"}
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    """Each with where it stands."""
    for path in sources(*PACKAGES):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=level)):
                    if name in LOGGERS and level in LEVELS:
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", node
                case _:
                    pass


def loggers(path: Path) -> Iterator[str]:
    """The names that a module gives to structlog's loggers."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Attribute(attr="get_logger"))):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Call(func=ast.Attribute(attr="get_logger"))):
                yield name
            case _:
                pass


def test_every_field_of_every_log_call_is_declared() -> None:
    undeclared = [
        f"{place} {keyword.arg}"
        for place, call in log_calls()
        for keyword in call.keywords
        if keyword.arg is not None and keyword.arg not in FIELDS
    ]

    assert undeclared == []


def test_only_the_event_log_spreads_fields_and_it_names_them_itself() -> None:
    spreading = [
        place.partition(":")[0] for place, call in log_calls() if any(keyword.arg is None for keyword in call.keywords)
    ]

    assert spreading == ["activities/event_log.py"]


def test_what_a_log_line_says_is_never_put_together() -> None:
    loose = [place for place, call in log_calls() if not isinstance(call.args[0], ast.Constant | ast.Name)]

    assert loose == []


def test_every_logger_has_a_name_that_is_looked_for() -> None:
    names = [name for path in sources(*PACKAGES) for name in loggers(path)]

    assert len(names) > 5
    assert set(names) <= LOGGERS
