"""What callers are told about providers: rates and latencies of everybody together, never how many calls there were.

Traffic counts once `FEWEST_CALLS` were made in the time looked at; fewer
could be one organisation's, and are not told. Probes are ours and always
count. Rates are rounded down to a twentieth, latencies come from wide
intervals, times are minutes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.routing.breaker import CircuitState
from gateway.routing.tally import Tally, total

RECENT = timedelta(minutes=5)
KEPT = timedelta(hours=24)
FEWEST_CALLS = 5
_DOWN_RATE = 0.5
_DEGRADED_RATE = 0.05
_SLOW = 3
"""Times the median of the last day."""
_STEPS = 20


class Source(StrEnum):
    TRAFFIC = "traffic"
    PROBE = "probe"


class Status(StrEnum):
    """From best to worst; `UNKNOWN` is neither."""

    UNKNOWN = "unknown"
    OPERATIONAL = "operational"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Record:
    """Attempts at a provider's model of all processes, either in the last minutes or in the day before those.

    `model` is empty for probes, which ask the provider. `newest` is the last minute with an attempt.
    """

    provider: str
    model: str
    source: Source
    is_recent: bool
    newest: datetime
    tally: Tally


@dataclass(frozen=True, slots=True)
class Slot:
    """Attempts at a provider in the minutes of `RECENT` from `at` on."""

    at: datetime
    provider: str
    source: Source
    tally: Tally


Circuits = Mapping[tuple[str, str], CircuitState]
"""The worst state in any process by provider and model; a closed one is not in it."""


@dataclass(frozen=True, slots=True)
class Standing:
    status: Status
    latency_ms_p50: int | None
    error_rate: float | None
    circuit: CircuitState
    last_checked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Past:
    at: datetime
    status: Status
    latency_ms_p50: int | None
    error_rate: float | None


@dataclass(frozen=True, slots=True)
class ProviderStanding:
    id: str
    standing: Standing
    models: tuple[tuple[str, Standing], ...]


def standing_of_provider(
    provider: str, models: Sequence[str], records: Sequence[Record], circuits: Circuits
) -> ProviderStanding:
    """`models` are the catalog's; calls of models that left it since count for the provider all the same."""
    mine = [record for record in records if record.provider == provider]
    traffic = [record for record in mine if record.source is Source.TRAFFIC]
    called = {record.model for record in traffic if record.is_recent}
    open_or_half = {model: state for (of, model), state in circuits.items() if of == provider}
    return ProviderStanding(
        provider,
        _standing(mine, _joint(open_or_half, called), weighs=_weighs(open_or_half, called)),
        tuple(
            (
                model,
                _standing(
                    [record for record in traffic if record.model == model],
                    open_or_half.get(model, CircuitState.CLOSED),
                    weighs=_weighs({model: open_or_half.get(model, CircuitState.CLOSED)}, called),
                ),
            )
            for model in models
        ),
    )


def overall(standings: Iterable[ProviderStanding]) -> Status:
    """The worst of those that anything is known of."""
    order = tuple(Status)
    return max((each.standing.status for each in standings), key=order.index, default=Status.UNKNOWN)


def history_of_provider(provider: str, slots: Iterable[Slot], records: Iterable[Record]) -> tuple[Past, ...]:
    """Oldest first; a time of which nothing is known is left out."""
    by_time: dict[datetime, list[Slot]] = {}
    for slot in slots:
        if slot.provider == provider:
            by_time.setdefault(slot.at, []).append(slot)
    day = _by_source((each.source, each.tally) for each in records if each.provider == provider)
    told = (_past(at, _by_source((each.source, each.tally) for each in here), day) for at, here in by_time.items())
    return tuple(sorted((past for past in told if past.error_rate is not None), key=lambda past: past.at))


def _joint(circuits: Mapping[str, CircuitState], called: set[str]) -> CircuitState:
    """A provider's: open when it is for every model that is in use."""
    if not circuits:
        return CircuitState.CLOSED
    in_use = called | circuits.keys()
    is_open = all(circuits.get(model) is CircuitState.OPEN for model in in_use)
    return CircuitState.OPEN if is_open else CircuitState.HALF_OPEN


def _weighs(circuits: Mapping[str, CircuitState], called: set[str]) -> bool:
    """A half-open circuit stays so until somebody calls: after a quiet while it says nothing about now."""
    return any(state is CircuitState.OPEN or model in called for model, state in circuits.items())


def _standing(records: Sequence[Record], circuit: CircuitState, *, weighs: bool) -> Standing:
    recent = _by_source((each.source, each.tally) for each in records if each.is_recent)
    day = _by_source((each.source, each.tally) for each in records)
    rate, latency = _error_rate(recent), _latency(recent)
    seen = (each.newest for each in records if each.is_recent and each.source in recent)
    return Standing(
        status=_status(rate, latency, _usual(recent, day), circuit if weighs else CircuitState.CLOSED),
        latency_ms_p50=latency,
        error_rate=_told(rate),
        circuit=circuit,
        last_checked_at=max(seen, default=None),
    )


def _past(at: datetime, tallies: Mapping[Source, Tally], day: Mapping[Source, Tally]) -> Past:
    rate, latency = _error_rate(tallies), _latency(tallies)
    return Past(at, _status(rate, latency, _usual(tallies, day), CircuitState.CLOSED), latency, _told(rate))


def _by_source(tallies: Iterable[tuple[Source, Tally]]) -> dict[Source, Tally]:
    """What may be told of."""
    pairs = tuple(tallies)
    sums = {source: total(tally for of, tally in pairs if of is source) for source in Source}
    fewest = {Source.TRAFFIC: FEWEST_CALLS, Source.PROBE: 1}
    return {source: tally for source, tally in sums.items() if tally.attempts >= fewest[source]}


def _error_rate(tallies: Mapping[Source, Tally]) -> float | None:
    attempts = sum(tally.attempts for tally in tallies.values())
    return sum(tally.unanswered for tally in tallies.values()) / attempts if attempts else None


def _latency(tallies: Mapping[Source, Tally]) -> int | None:
    """Of calls, or of probes while there are too few: the two are not alike, and never mixed."""
    measured = tallies.get(Source.TRAFFIC) or tallies.get(Source.PROBE)
    return measured.median_ms if measured else None


def _usual(tallies: Mapping[Source, Tally], day: Mapping[Source, Tally]) -> int | None:
    """The day's median of what `_latency` is of."""
    source = Source.TRAFFIC if Source.TRAFFIC in tallies else Source.PROBE
    return day[source].median_ms if source in day else None


def _status(rate: float | None, latency: int | None, usual: int | None, circuit: CircuitState) -> Status:
    if circuit is CircuitState.OPEN or (rate is not None and rate >= _DOWN_RATE):
        return Status.DOWN
    is_slow = latency is not None and usual is not None and latency > _SLOW * usual
    if circuit is CircuitState.HALF_OPEN or is_slow or (rate is not None and rate >= _DEGRADED_RATE):
        return Status.DEGRADED
    return Status.UNKNOWN if rate is None else Status.OPERATIONAL


def _told(rate: float | None) -> float | None:
    """Down to a twentieth, so that it never contradicts the status."""
    return None if rate is None else int(rate * _STEPS) / _STEPS
