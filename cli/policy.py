"""`hasp org policy`: an operator changes what an organisation decided."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cli.admin import OrgOption, organization, with_storage
from cli.configuration import load_settings, require_catalog, require_tier
from cli.failure import CommandError
from gateway.catalog.choice import read_model
from gateway.credits.budget import LARGEST_CAP, MOST_THRESHOLDS, THRESHOLDS, read_thresholds
from gateway.credits.period import read_zone
from gateway.errors import ValidationFailedError
from gateway.organization_policy import read_entities, read_terms, read_tools
from gateway.phi.findings import Entity
from gateway.phi.screening import THRESHOLDS_MILLI, Profile
from gateway.retention import MINIMUM_RETENTION_DAYS, RETENTION_DAYS
from gateway.tenancy import PhiMode, StorageMode

TermsOption = Annotated[
    Path | None, typer.Option(help="A UTF-8 file of terms, one a line, in place of the list there is.")
]


def org_policy(
    org: OrgOption,
    phi_mode: Annotated[PhiMode | None, typer.Option(help="redact (default), block, or allow.")] = None,
    phi_profile: Annotated[Profile | None, typer.Option(help="Which kinds are masked.")] = None,
    phi_entity: Annotated[
        list[Entity] | None, typer.Option(metavar="KIND", help="Of the profile custom; repeatable.")
    ] = None,
    phi_threshold: Annotated[
        float | None,
        typer.Option(
            min=THRESHOLDS_MILLI[0] / 1000, max=THRESHOLDS_MILLI[1] / 1000, help="Score from which a finding counts."
        ),
    ] = None,
    phi_deny_terms: TermsOption = None,
    phi_allow_terms: TermsOption = None,
    phi_answers: Annotated[
        Literal["record", "block"] | None, typer.Option(help="When the model itself writes identifiers.")
    ] = None,
    acknowledge_phi_leaves: Annotated[
        bool, typer.Option("--acknowledge-phi-leaves", help="Needed for whatever lets identifiers leave.")
    ] = False,
    storage_mode: Annotated[StorageMode | None, typer.Option(help="full, or none: keep no content.")] = None,
    restore_answers: Annotated[bool | None, typer.Option(help="Put values back into answers.")] = None,
    unscannable: Annotated[
        Literal["refuse", "pass"] | None, typer.Option(help="Images and PDFs: refuse (default), or pass.")
    ] = None,
    retention_days: Annotated[
        int | None,
        typer.Option(
            min=RETENTION_DAYS[0],
            max=RETENTION_DAYS[1],
            help="Days that content is kept. Less than before bears a week later.",
        ),
    ] = None,
    minimum_retention_days: Annotated[
        int | None,
        typer.Option(
            min=MINIMUM_RETENTION_DAYS[0],
            max=MINIMUM_RETENTION_DAYS[1],
            help="Days before a person's content is erased at their request.",
        ),
    ] = None,
    legal_hold: Annotated[bool | None, typer.Option(help="Destroy nothing. Lifting it bears a week later.")] = None,
    phi_retrieval_behavior: Annotated[
        PhiMode | None,
        typer.Option(help="PHI for a tool of the gateway's: redact (default) tells the model, block ends the chat."),
    ] = None,
    failover: Annotated[
        bool | None,
        typer.Option(help="Let an equivalent model of another vendor answer, under the same or better cover."),
    ] = None,
    allowed_tool: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Let chats use this tool of the gateway's, or a server's (`desk_*`); repeatable."
        ),
    ] = None,
    no_tools: Annotated[bool, typer.Option("--no-tools", help="Let chats use none of the gateway's tools.")] = False,
    default_model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Of native chats that name none, or auto.")
    ] = None,
    no_default_model: Annotated[
        bool, typer.Option("--no-default-model", help="Leave it to HASP_DEFAULT_MODEL.")
    ] = False,
    opus: Annotated[bool | None, typer.Option(help="Enable Opus models.")] = None,
    premium_model: Annotated[list[str] | None, typer.Option(help="Enable this premium model; repeatable.")] = None,
    tier: Annotated[str | None, typer.Option(help="How fast it may call: a tier's name.")] = None,
    spend_cap: Annotated[
        int | None, typer.Option(min=0, max=LARGEST_CAP, help="Credits a billing period may cost at most.")
    ] = None,
    no_spend_cap: Annotated[bool, typer.Option("--no-spend-cap", help="Let the allotment alone limit it.")] = False,
    alert_threshold: Annotated[
        list[int] | None,
        typer.Option(
            min=THRESHOLDS[0],
            max=THRESHOLDS[1],
            help=f"Tell at so many percent of a billing period's limit; repeatable, at most {MOST_THRESHOLDS}.",
        ),
    ] = None,
    no_alert_thresholds: Annotated[bool, typer.Option("--no-alert-thresholds", help="Tell at none.")] = False,
    time_zone: Annotated[
        str | None, typer.Option(help="IANA name: where billing periods begin at midnight, from the next one on.")
    ] = None,
    anchor_day: Annotated[
        int | None, typer.Option(min=1, max=31, help="Day of the month they begin on, or the month's last.")
    ] = None,
    rollover_limit: Annotated[
        int | None,
        typer.Option(min=0, max=LARGEST_CAP, help="Unused credits that a period hands on to the next at most."),
    ] = None,
) -> None:
    """Change an organization's policy. Every API process follows within a second."""
    given: dict[str, Any] = {
        "phi_mode": phi_mode,
        "phi_profile": phi_profile,
        "phi_entities": _kinds(phi_entity),
        "phi_threshold_milli": None if phi_threshold is None else round(phi_threshold * 1000),
        "phi_deny_terms": _terms(phi_deny_terms, "--phi-deny-terms"),
        "phi_allow_terms": _terms(phi_allow_terms, "--phi-allow-terms"),
        "phi_answers": phi_answers,
        "storage_mode": storage_mode,
        "restore_answers": restore_answers,
        "unscannable": unscannable,
        "retention_days": retention_days,
        "minimum_retention_days": minimum_retention_days,
        "legal_hold": legal_hold,
        "phi_retrieval_behavior": phi_retrieval_behavior,
        "failover_enabled": failover,
        "allowed_tools": () if no_tools else _tools(allowed_tool),
        "default_model": _default_model(default_model),
        "opus_enabled": opus,
        "premium_models": _models(premium_model),
        "tier": None if tier is None else require_tier(load_settings(), tier),
        "spend_cap": spend_cap,
        "alert_thresholds": _thresholds(alert_threshold),
        "time_zone": _zone(time_zone),
        "anchor_day": anchor_day,
        "rollover_limit": rollover_limit,
    }
    if no_spend_cap and spend_cap is not None:
        raise CommandError("--spend-cap and --no-spend-cap exclude each other")
    if no_alert_thresholds and alert_threshold:
        raise CommandError("--alert-threshold and --no-alert-thresholds exclude each other")
    if no_tools and allowed_tool:
        raise CommandError("--allowed-tool and --no-tools exclude each other")
    if no_default_model and default_model is not None:
        raise CommandError("--default-model and --no-default-model exclude each other")
    changes = {name: value for name, value in given.items() if value is not None}
    if no_spend_cap:
        changes["spend_cap"] = None
    if no_alert_thresholds:
        changes["alert_thresholds"] = ()
    if no_default_model:
        changes["default_model"] = None
    if not changes:
        raise CommandError("nothing to change: give at least one option")
    from storage.onboarding import change_policy

    with_storage(
        lambda storage: change_policy(
            storage, organization(org), changes, acknowledges_phi_leaves=acknowledge_phi_leaves
        )
    )


def _kinds(given: list[Entity] | None) -> frozenset[Entity] | None:
    try:
        return read_entities("--phi-entity", given) if given else None
    except ValidationFailedError as failure:
        raise CommandError(str(failure)) from None


def _terms(file: Path | None, option: str) -> tuple[str, ...] | None:
    """A file, since what is typed stays in the shell's history and shows in the list of processes."""
    if file is None:
        return None
    try:
        lines = file.read_text("utf-8-sig").splitlines()
        terms = read_terms(option, [line for line in lines if line.strip()])
    except ValidationFailedError as failure:
        raise CommandError(str(failure)) from None
    except UnicodeDecodeError:
        raise CommandError(f"{option}: {file} is not UTF-8") from None
    except OSError as failure:
        raise CommandError(f"{option}: cannot read {file}: {failure.strerror}") from None
    if not terms and str(file) != os.devnull:  # a download that failed must not unmask anything
        raise CommandError(f"{option}: {file} has no terms; to empty the list, name {os.devnull}")
    return terms


def _thresholds(given: list[int] | None) -> tuple[int, ...] | None:
    try:
        return read_thresholds("--alert-threshold", given) if given else None
    except ValidationFailedError as failure:
        raise CommandError(str(failure)) from None


def _zone(given: str | None) -> str | None:
    try:
        return None if given is None else read_zone("--time-zone", given)
    except ValidationFailedError as failure:
        raise CommandError(str(failure)) from None


def _tools(given: list[str] | None) -> tuple[str, ...] | None:
    try:
        return read_tools("--allowed-tool", given) if given else None
    except ValidationFailedError as failure:
        raise CommandError(str(failure)) from None


def _default_model(given: str | None) -> str | None:
    if given is None:
        return None
    try:
        return read_model("--default-model", given, require_catalog(load_settings().catalog_file))
    except ValidationFailedError:
        raise CommandError("--default-model is not the id of a model") from None


def _models(given: list[str] | None) -> tuple[str, ...] | None:
    if given and set(given) - {model.id for model in require_catalog(load_settings().catalog_file)}:
        raise CommandError("--premium-model is not the id of a model")
    return tuple(given) if given else None
