"""`hasp phi scan`: what the guard sees in a file, without a server."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.failure import CommandError
from gateway.errors import GatewayError
from gateway.phi.findings import Entity
from gateway.phi.ner.backends import Backend
from gateway.phi.screening import SELECTABLE, THRESHOLDS_MILLI, Profile, Screening

if TYPE_CHECKING:
    from gateway.phi.guard import Inspected

EXIT_FOUND = 1
EXIT_UNREADABLE = 2
MAX_CHARACTERS = 5_000_000
"""What one request may hold, too."""
_MAX_BYTES = 4 * MAX_CHARACTERS

app = typer.Typer(help="The PHI guard.", no_args_is_help=True)


@app.command("scan")
def scan(
    file: Annotated[str, typer.Argument(help="A text file in UTF-8, or - for standard input.")],
    profile: Annotated[Profile, typer.Option(help="Which kinds count.")] = Profile.SAFE_HARBOR,
    entity: Annotated[
        list[Entity] | None, typer.Option(metavar="KIND", help="Of the profile custom; repeatable.")
    ] = None,
    threshold: Annotated[
        float,
        typer.Option(
            min=THRESHOLDS_MILLI[0] / 1000, max=THRESHOLDS_MILLI[1] / 1000, help="Score from which a finding counts."
        ),
    ] = 0.5,
    redacted: Annotated[bool, typer.Option("--redacted", help="Print the text with placeholders.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the data of POST /v1/phi/scan.")] = False,
    show_values: Annotated[bool, typer.Option("--show-values", help="Add what was found to the list.")] = False,
    ner: Annotated[Backend, typer.Option(envvar="HASP_PHI_NER", help="Model behind the rules.")] = "rampart",
) -> None:
    """Show where a text holds identifiers and what would stand there instead. Nothing is sent or kept.

    Exit code 0: none found. 1: some found. 2: the text could not be read or scanned. Offsets count code points.
    """
    if redacted + as_json + show_values > 1:
        raise CommandError("--redacted, --json and --show-values exclude each other", exit_code=EXIT_UNREADABLE)
    screening = _screening(profile, entity, threshold)
    text = _read(file)
    inspected = _inspect(text, screening, ner)
    from gateway.phi.report import PhiReport
    from gateway.phi.shown import shown
    from gateway.tenancy import PhiMode

    report = PhiReport.of(PhiMode.REDACT, "redacted", inspected.findings)
    if redacted:
        sys.stdout.buffer.write(inspected.redacted.encode())
    elif as_json:
        print(json.dumps(shown(report, inspected.redacted, profile), ensure_ascii=False))
    else:
        for line in _table(inspected, text if show_values else None):
            print(line)
    if report.redaction_count:
        raise typer.Exit(EXIT_FOUND)


def _screening(profile: Profile, entities: list[Entity] | None, threshold: float) -> Screening:
    chosen = frozenset(entities or ())
    if (profile is Profile.CUSTOM) != bool(chosen):
        raise CommandError("--profile custom and --entity go together", exit_code=EXIT_UNREADABLE)
    if not chosen <= SELECTABLE:
        raise CommandError("--entity is not a kind to choose", exit_code=EXIT_UNREADABLE)
    return Screening(profile=profile, entities=chosen or SELECTABLE, threshold_milli=round(threshold * 1000))


def _read(file: str) -> str:
    name = "standard input" if file == "-" else file
    try:
        with sys.stdin.buffer if file == "-" else Path(file).open("rb") as source:
            raw = source.read(_MAX_BYTES + 1)
    except OSError as failure:
        raise CommandError(f"cannot read {name}: {failure.strerror}", exit_code=EXIT_UNREADABLE) from None
    if b"\0" in raw:
        raise CommandError(f"{name} is not text: it has NUL bytes", exit_code=EXIT_UNREADABLE)
    if len(raw) > _MAX_BYTES:
        raise _too_long(name)
    try:
        # Without the mark that some editors put first.
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        raise CommandError(f"{name} is not UTF-8 at byte {failure.start}", exit_code=EXIT_UNREADABLE) from None
    if len(text) > MAX_CHARACTERS:
        raise _too_long(name)
    return text


def _too_long(name: str) -> CommandError:
    return CommandError(f"{name} has more than {MAX_CHARACTERS:,} characters", exit_code=EXIT_UNREADABLE)


def _inspect(text: str, screening: Screening, ner: Backend) -> "Inspected":
    from gateway.ids import PLATFORM
    from gateway.phi.guard import Guard
    from gateway.phi.inline import RuleDetector
    from gateway.phi.ner.backends import open_recognizer
    from gateway.phi.ner.recognizer import ModelError
    from gateway.tenancy import Access, KeyMode, Policy, Principal

    nobody = Access(Principal(PLATFORM, None, frozenset(), KeyMode.LIVE), Policy(screening=screening))
    try:
        return asyncio.run(Guard(RuleDetector(open_recognizer(ner))).inspect(text, nobody))
    except (GatewayError, ModelError) as failure:
        raise CommandError(str(failure), exit_code=EXIT_UNREADABLE) from None


def _table(inspected: "Inspected", text: str | None) -> Iterator[str]:
    """One line a finding; with what was found, quoted, when `text` is given."""
    if not inspected.findings:
        yield "No protected health information found."
        return
    yield f"{'TYPE':<22} {'PLACEHOLDER':<14} {'START':>8} {'END':>8} {'SCORE':>6}{'' if text is None else '  VALUE'}"
    for finding in inspected.findings:
        value = "" if text is None else "  " + json.dumps(text[finding.start : finding.end], ensure_ascii=False)
        yield (
            f"{finding.entity:<22} {finding.placeholder or '':<14} {finding.start:>8} {finding.end:>8}"
            f" {finding.score_milli / 1000:>6.2f}{value}"
        )
