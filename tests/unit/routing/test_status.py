"""What is told of providers, by the documented rule, and what is not."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.routing.breaker import CircuitState
from gateway.routing.status import (
    Circuits,
    ProviderStanding,
    Record,
    Slot,
    Source,
    Status,
    history_of_provider,
    overall,
    standing_of_provider,
)
from gateway.routing.tally import Outcome, Tally, total

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HAIKU, SONNET = "claude-haiku-4-5", "claude-sonnet-4-6"


def tally(ok: int, unanswered: int = 0, *, ms: float = 800) -> Tally:
    return total([*[Tally.of(Outcome.OK, ms)] * ok, *[Tally.of(Outcome.FAILED)] * unanswered])


def calls(of: Tally, *, model: str = HAIKU, recent: bool = True, minute: datetime = NOON) -> Record:
    return Record("anthropic", model, Source.TRAFFIC, recent, minute, of)


def probes(of: Tally, *, recent: bool = True, minute: datetime = NOON) -> Record:
    return Record("anthropic", "", Source.PROBE, recent, minute, of)


def standing(*records: Record, circuits: Circuits | None = None) -> ProviderStanding:
    return standing_of_provider("anthropic", [HAIKU, SONNET], records, circuits or {})


def of_model(provider: ProviderStanding, model: str = HAIKU) -> Status:
    return dict(provider.models)[model].status


def test_without_anything_known_all_is_unknown_and_empty() -> None:
    nothing = standing()

    assert nothing.standing.status is Status.UNKNOWN
    assert (nothing.standing.error_rate, nothing.standing.latency_ms_p50, nothing.standing.last_checked_at) == (
        None,
        None,
        None,
    )
    assert nothing.standing.circuit is CircuitState.CLOSED
    assert [(model, each.status) for model, each in nothing.models] == [
        (HAIKU, Status.UNKNOWN),
        (SONNET, Status.UNKNOWN),
    ]


@pytest.mark.parametrize(
    ("ok", "unanswered", "status", "told"),
    [
        (100, 0, Status.OPERATIONAL, 0.0),
        (96, 4, Status.OPERATIONAL, 0.0),
        (95, 5, Status.DEGRADED, 0.05),
        (83, 17, Status.DEGRADED, 0.15),
        (51, 49, Status.DEGRADED, 0.45),
        (50, 50, Status.DOWN, 0.5),
        (0, 100, Status.DOWN, 1.0),
    ],
)
def test_the_error_rate_decides_and_is_told_without_contradicting_it(
    ok: int, unanswered: int, status: Status, told: float
) -> None:
    judged = standing(calls(tally(ok, unanswered)))

    assert (judged.standing.status, judged.standing.error_rate) == (status, told)
    assert of_model(judged) is status


def test_four_calls_are_told_nothing_of_whoever_made_them() -> None:
    judged = standing(calls(tally(3, 1)))

    assert judged == standing()


def test_the_fifth_call_makes_a_rate() -> None:
    assert standing(calls(tally(5))).standing.status is Status.OPERATIONAL


def test_a_provider_has_the_calls_of_all_its_models() -> None:
    judged = standing(calls(tally(3)), calls(tally(3), model=SONNET), calls(tally(3), model="one that left"))

    assert judged.standing.status is Status.OPERATIONAL
    assert (of_model(judged, HAIKU), of_model(judged, SONNET)) == (Status.UNKNOWN, Status.UNKNOWN)


def test_one_probe_is_enough_for_a_provider_and_says_nothing_of_its_models() -> None:
    judged = standing(probes(tally(1)))

    assert (judged.standing.status, judged.standing.error_rate) == (Status.OPERATIONAL, 0.0)
    assert of_model(judged) is Status.UNKNOWN


def test_probes_that_fail_are_a_provider_that_is_down() -> None:
    assert standing(probes(tally(0, 3))).standing.status is Status.DOWN


def test_calls_and_probes_make_one_rate() -> None:
    assert standing(calls(tally(16)), probes(tally(0, 4))).standing.error_rate == 0.2


def test_what_was_before_the_last_minutes_is_no_status() -> None:
    judged = standing(calls(tally(500), recent=False), probes(tally(60), recent=False))

    assert judged == standing()


@pytest.mark.parametrize(("ms", "status"), [(1_200, Status.OPERATIONAL), (5_000, Status.DEGRADED)])
def test_answers_three_times_slower_than_the_day_are_degraded(ms: int, status: Status) -> None:
    judged = standing(calls(tally(10, ms=ms)), calls(tally(1_000, ms=800), recent=False))

    assert (judged.standing.status, of_model(judged)) == (status, status)


def test_latency_is_of_calls_and_of_probes_while_there_are_too_few() -> None:
    usual = probes(tally(5, ms=90))

    quiet, busy = standing(usual, calls(tally(4, ms=4_000))), standing(usual, calls(tally(5, ms=4_000)))

    assert quiet.standing.latency_ms_p50 == tally(1, ms=90).median_ms
    assert busy.standing.latency_ms_p50 == tally(1, ms=4_000).median_ms


def test_calls_are_not_slow_because_probes_are_fast() -> None:
    judged = standing(calls(tally(50, ms=4_000)), probes(tally(1_400, ms=90), recent=False))

    assert judged.standing.status is Status.OPERATIONAL


def test_the_last_check_is_the_newest_minute_of_what_is_told() -> None:
    later = NOON + timedelta(minutes=2)

    hidden = standing(probes(tally(1)), calls(tally(1), minute=later))
    shown = standing(probes(tally(1)), calls(tally(5), minute=later))

    assert (hidden.standing.last_checked_at, shown.standing.last_checked_at) == (NOON, later)


def test_an_open_circuit_is_down_whatever_else() -> None:
    judged = standing(calls(tally(10)), probes(tally(5)), circuits={("anthropic", HAIKU): CircuitState.OPEN})

    assert (judged.standing.status, judged.standing.circuit) == (Status.DOWN, CircuitState.OPEN)
    assert of_model(judged) is Status.DOWN


def test_an_open_circuit_of_one_model_of_two_in_use_degrades_the_provider() -> None:
    judged = standing(
        calls(tally(10)), calls(tally(10), model=SONNET), circuits={("anthropic", HAIKU): CircuitState.OPEN}
    )

    assert (judged.standing.status, judged.standing.circuit) == (Status.DEGRADED, CircuitState.HALF_OPEN)
    assert (of_model(judged, HAIKU), of_model(judged, SONNET)) == (Status.DOWN, Status.OPERATIONAL)


def test_a_half_open_circuit_degrades() -> None:
    judged = standing(calls(tally(10)), circuits={("anthropic", HAIKU): CircuitState.HALF_OPEN})

    assert (judged.standing.status, of_model(judged)) == (Status.DEGRADED, Status.DEGRADED)


def test_a_half_open_circuit_that_nobody_calls_is_shown_and_weighs_nothing() -> None:
    judged = standing(probes(tally(5)), circuits={("anthropic", HAIKU): CircuitState.HALF_OPEN})

    assert (judged.standing.status, of_model(judged)) == (Status.OPERATIONAL, Status.UNKNOWN)
    assert dict(judged.models)[HAIKU].circuit is CircuitState.HALF_OPEN


def test_another_providers_calls_and_circuits_are_not_its_own() -> None:
    other = Record("openai", HAIKU, Source.TRAFFIC, True, NOON, tally(0, 50))

    assert standing(other, circuits={("openai", HAIKU): CircuitState.OPEN}) == standing()


def test_over_all_is_the_worst_of_what_is_known() -> None:
    unknown, fine, bad = standing(), standing(calls(tally(10))), standing(calls(tally(0, 10)))

    assert overall([unknown]) is Status.UNKNOWN
    assert overall([]) is Status.UNKNOWN
    assert overall([unknown, fine]) is Status.OPERATIONAL
    assert overall([fine, bad, unknown]) is Status.DOWN


def test_history_is_in_order_and_leaves_out_what_is_not_known() -> None:
    def slot(minutes: int, of: Tally, *, source: Source = Source.TRAFFIC, provider: str = "anthropic") -> Slot:
        return Slot(NOON + timedelta(minutes=minutes), provider, source, of)

    history = history_of_provider(
        "anthropic",
        [
            slot(10, tally(4)),
            slot(5, tally(90, 10)),
            slot(0, tally(5), source=Source.PROBE),
            slot(0, tally(0, 500), provider="openai"),
            slot(15, tally(10, ms=9_000)),
        ],
        [calls(tally(500), recent=False)],
    )

    assert [(past.at.minute, past.status, past.error_rate) for past in history] == [
        (0, Status.OPERATIONAL, 0.0),
        (5, Status.DEGRADED, 0.1),
        (15, Status.DEGRADED, 0.0),
    ]
