from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.webhooks.health import DISABLED_AFTER, WELL, Health, Tried, Verdict, after

NOW = datetime(2026, 3, 1, tzinfo=UTC)
GAPS = st.lists(st.timedeltas(timedelta(seconds=1), timedelta(hours=200)), min_size=1, max_size=60)


def fail(health: Health, at: datetime, *, retry_after_s: float | None = None) -> Verdict:
    return after(health, Tried(is_delivered=False, began=at, over=at, retry_after_s=retry_after_s))


def fail_often(times: list[datetime]) -> list[Verdict]:
    health, verdicts = WELL, list[Verdict]()
    for at in times:
        verdicts.append(fail(health, at))
        health = verdicts[-1].health
    return verdicts


def spaced(gaps: list[timedelta]) -> list[datetime]:
    times = [NOW]
    for gap in gaps:
        times.append(times[-1] + gap)
    return times


def test_four_failures_in_a_row_do_not_open_a_circuit_and_the_fifth_does() -> None:
    verdicts = fail_often([NOW + timedelta(seconds=second) for second in range(5)])

    assert [verdict.health.rests for verdict in verdicts] == [0, 0, 0, 0, 1]
    assert verdicts[3].health.rests_until is None
    assert verdicts[4].health.rests_until == NOW + timedelta(seconds=34)


def test_each_probe_that_fails_doubles_the_rest_up_to_a_quarter_of_an_hour() -> None:
    verdicts = fail_often([NOW + timedelta(hours=hour) for hour in range(12)])

    rests = [
        (verdict.health.rests_until - NOW - timedelta(hours=hour)).total_seconds()
        for hour, verdict in enumerate(verdicts)
        if verdict.health.rests_until
    ]
    assert rests == [30, 60, 120, 240, 480, 900, 900, 900]


def test_what_was_under_way_while_it_opened_does_not_open_it_again() -> None:
    opened = fail_often([NOW] * 5)[-1].health
    late = after(opened, Tried(is_delivered=False, began=NOW, over=NOW + timedelta(seconds=10)))

    assert (late.health.rests, late.health.rests_until) == (1, opened.rests_until)
    assert late.health.failures == 6


@given(GAPS)
def test_one_success_makes_up_for_everything(gaps: list[timedelta]) -> None:
    failing = fail_often(spaced(gaps))[-1].health
    at = NOW + timedelta(days=10_000)

    assert after(failing, Tried(is_delivered=True, began=at, over=at)) == Verdict(WELL)


@given(GAPS)
def test_nobody_is_disabled_without_the_last_notice_half_a_day_before(gaps: list[timedelta]) -> None:
    times = spaced(gaps)
    verdicts = fail_often(times)

    told_at = next((at for at, verdict in zip(times, verdicts, strict=True) if verdict.notice == 90), None)
    for at, verdict in zip(times, verdicts, strict=True):
        if verdict.disables:
            assert told_at is not None
            assert at - told_at >= DISABLED_AFTER / 10
            assert verdict.health.failing_since is not None
            assert at - NOW >= DISABLED_AFTER


@given(GAPS)
def test_each_notice_comes_once_and_they_rise(gaps: list[timedelta]) -> None:
    notices = [verdict.notice for verdict in fail_often(spaced(gaps)) if verdict.notice]

    assert notices == sorted(set(notices))


def test_hourly_failures_bring_three_notices_and_then_the_end() -> None:
    verdicts = fail_often([NOW + timedelta(hours=hour) for hour in range(121)])

    notices = {hour: verdict.notice for hour, verdict in enumerate(verdicts) if verdict.notice}
    assert notices == {60: 50, 84: 70, 108: 90}
    assert [hour for hour, verdict in enumerate(verdicts) if verdict.disables] == [120]


def test_a_few_failures_in_a_long_time_disable_nobody() -> None:
    assert not any(verdict.disables for verdict in fail_often([NOW + timedelta(hours=20 * n) for n in range(9)]))


def test_a_receiver_that_asks_for_time_has_it_up_to_a_quarter_of_an_hour() -> None:
    asked = fail(WELL, NOW, retry_after_s=100).health
    greedy = fail(WELL, NOW, retry_after_s=1e9).health

    assert asked.rests_until == NOW + timedelta(seconds=100)
    assert greedy.rests_until == NOW + timedelta(minutes=15)
    assert replace(asked, rests_until=None).rests == 0
