"""The build without a guard exists for measuring only: nothing that ships and no setting leads to it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from bench.unguarded import NoGuard
from gateway.settings import Settings

SOURCE = Path(__file__).parents[2]
PRODUCT = ("activities", "api", "cli", "gateway", "sandbox", "storage", "worker", "workflows")


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def strings(tree: ast.AST) -> Iterator[str]:
    """Texts that are no docstrings: a module can be named in one and imported from there."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_no_package_of_the_product_names_the_bench() -> None:
    offenders = [
        (path.relative_to(SOURCE), name)
        for package in PRODUCT
        for path in (SOURCE / package).rglob("*.py")
        for tree in [ast.parse(path.read_text())]
        for name in (*imported(tree), *strings(tree))
        if name == "bench" or name.startswith("bench.") or NoGuard.__name__ in name
    ]
    assert offenders == []


def test_no_setting_chooses_or_switches_off_the_guard() -> None:
    """What there is bounds the scanners or names the model behind the rules; a new `phi_` setting is looked at here."""
    assert {name for name in Settings.model_fields if "phi" in name or "guard" in name or "detect" in name} == {
        "phi_scanners",
        "phi_scan_timeout_s",
        "phi_ner",
    }
