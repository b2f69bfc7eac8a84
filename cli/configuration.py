"""Read the settings, or say in one line which variables are wrong."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from cli.failure import CommandError
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.catalog import Catalog
    from gateway.limits.tiers import Tiers

EXIT_CONFIGURATION = 2


def load_settings() -> Settings:
    """The environment's settings. A `CommandError` (exit code 2) names every bad variable and echoes no value."""
    try:
        return Settings()  # pyright: ignore[reportCallIssue] - required fields come from the environment
    except ValidationError as failure:
        faults = failure.errors(include_url=False, include_context=False, include_input=False)
        line = "; ".join(_describe(fault) for fault in faults)
        raise CommandError(f"configuration: {line}", exit_code=EXIT_CONFIGURATION) from None


def require_keyring(settings: Settings) -> None:
    """Fail now, in one line (exit code 2), rather than in a process's log later."""
    from storage.keyring import KeyringError, read_keyring

    try:
        read_keyring(settings.keyring_file)
    except KeyringError as failure:
        raise CommandError(f"HASP_KEYRING_FILE: {failure}", exit_code=EXIT_CONFIGURATION) from None


def require_tombstones(settings: Settings, *, to_write: bool = False) -> None:
    """Exit code 2 for a file of tombstones that is not there: who was erased must not come back unseen."""
    from storage.end_users.tombstones import TombstonesError, require_usable

    try:
        require_usable(settings.tombstones_file, to_write=to_write)
    except TombstonesError as failure:
        raise CommandError(f"HASP_TOMBSTONES_FILE: {failure}", exit_code=EXIT_CONFIGURATION) from None


def require_time_stamp_roots(settings: Settings) -> None:
    """Exit code 2 for a file of roots that cannot be used."""
    from gateway.timestamps.authority import TimeStampAuthority

    try:
        TimeStampAuthority.configured(settings)
    except (OSError, ValueError):
        line = f"HASP_TSA_CA_FILE: {settings.tsa_ca_file} is no PEM file of a root certificate"
        raise CommandError(line, exit_code=EXIT_CONFIGURATION) from None


def require_catalog(file: Path | None) -> "Catalog":
    """The catalog that `file` comes to, or a `CommandError` (exit code 2) with a line for everything wrong with it."""
    from gateway.catalog import CatalogError, read_catalog
    from gateway.catalog.reading import shipped_providers

    try:
        return read_catalog(file, shipped=shipped_providers(), environment=os.environ.get)
    except CatalogError as failure:
        lines = "\n  ".join([f"catalog {file}:", *failure.problems])
        raise CommandError(lines, exit_code=EXIT_CONFIGURATION) from None


def require_tiers(settings: Settings) -> "Tiers":
    """The table of rate limits, or a `CommandError` (exit code 2) for what is wrong with it or with its store's URL."""
    from gateway.limits.tiers import TiersError, read_tiers

    _require_valkey(settings.valkey_url)
    try:
        return read_tiers(settings.tiers_file)
    except TiersError as failure:
        raise CommandError(f"HASP_TIERS_FILE: {failure}", exit_code=EXIT_CONFIGURATION) from None


def require_auto_table(settings: Settings) -> None:
    """Raises `CommandError` (exit code 2) for what is wrong with the table of `model: "auto"`."""
    from gateway.auto_routing import AutoTableError, read_auto_table

    try:
        read_auto_table(settings.auto_routing_file)
    except AutoTableError as failure:
        raise CommandError(f"HASP_AUTO_ROUTING_FILE: {failure}", exit_code=EXIT_CONFIGURATION) from None


def require_mcp_servers(settings: Settings) -> None:
    """Raises `CommandError` (exit code 2) with a line for everything wrong with the list of MCP servers."""
    from gateway.harness.tools.mcp.listing import read_mcp_servers
    from gateway.operator_file import OperatorFileError

    if (file := settings.mcp_servers_file) is None:
        return
    try:
        read_mcp_servers(file, os.environ.get)
    except OperatorFileError as failure:
        lines = "\n  ".join(["HASP_MCP_SERVERS_FILE:", *failure.problems])
        raise CommandError(lines, exit_code=EXIT_CONFIGURATION) from None


def require_tier(settings: Settings, name: str) -> str:
    """`name`, if it is a tier's or another name of one."""
    if name not in (known := require_tiers(settings).names):
        raise CommandError(f"--tier is none of {', '.join(known)}")
    return name


def _require_valkey(url: str | None) -> None:
    if url is None:
        return
    from storage.limits.valkey import ValkeyBuckets, ValkeyUrlError

    try:
        ValkeyBuckets(url)
    except ValkeyUrlError:
        raise CommandError("HASP_VALKEY_URL: is not valid", exit_code=EXIT_CONFIGURATION) from None


def require_model(settings: Settings) -> None:
    """Fail now, in one line (exit code 2), when the model behind the PHI rules is an extra that is not installed."""
    from gateway.phi.ner.backends import require_installed
    from gateway.phi.ner.recognizer import ModelError

    try:
        require_installed(settings.phi_ner)
    except ModelError as failure:
        raise CommandError(f"HASP_PHI_NER: {failure}", exit_code=EXIT_CONFIGURATION) from None


def _describe(fault: ErrorDetails) -> str:
    variable = "HASP_" + "_".join(str(part) for part in fault["loc"]).upper()
    match fault["type"]:
        case "missing":
            return f"{variable} is not set"
        case "value_error" | "assertion_error":  # a validator's own text may quote what it was given
            return f"{variable} is not valid"
        case _:
            return f"{variable}: {fault['msg']}"
