"""What may be destroyed when: for any history of choices never sooner, and not much later, than was promised."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from gateway.retention import DELAY, RETENTION_DAYS, Due, PurgeReason, Retention, due, first_id_after

BEGUN = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Choice:
    at: datetime
    days: int
    legal_hold: bool

    def permits(self, day: date, now: datetime) -> bool:
        """Whether `day` may be destroyed at `now`, had this been chosen for ever."""
        return not self.legal_hold and (now.date() - day).days >= 1 + self.days


@st.composite
def histories(draw: st.DrawFn) -> list[Choice]:
    choices = [Choice(BEGUN, draw(st.integers(1, 40)), draw(st.booleans()))]
    for _ in range(draw(st.integers(0, 12))):
        later = choices[-1].at + draw(st.integers(0, 24 * 12)) * HOUR
        choices.append(Choice(later, draw(st.integers(1, 40)), draw(st.booleans())))
    return choices


def retention_at(history: Sequence[Choice], now: datetime) -> Retention:
    first, *later = history
    retention = Retention(days=first.days, legal_hold=first.legal_hold)
    for choice in later:
        if choice.at <= now:
            retention = retention.changed(days=choice.days, legal_hold=choice.legal_hold, now=choice.at)
    return retention


def chosen_within(history: Sequence[Choice], since: datetime, now: datetime) -> list[Choice]:
    """What was in force at any moment between."""
    ends = [*(choice.at for choice in history[1:]), datetime.max.replace(tzinfo=UTC)]
    return [choice for choice, end in zip(history, ends, strict=True) if choice.at <= now and end > since]


@given(histories(), st.integers(0, 24 * 200))
def test_a_day_is_destroyed_only_if_every_choice_of_the_last_week_allows_it(history: list[Choice], hours: int) -> None:
    now = BEGUN + hours * HOUR
    through = retention_at(history, now).due_through(now)

    if through is not None:
        assert all(choice.permits(through, now) for choice in chosen_within(history, now - DELAY, now))


@given(histories(), st.integers(0, 24 * 30))
def test_a_choice_that_stood_for_a_week_bears_to_the_day(history: list[Choice], hours: int) -> None:
    now = history[-1].at + DELAY + hours * HOUR
    retention = retention_at(history, now)

    expected = None if history[-1].legal_hold else now.date() - timedelta(days=1 + history[-1].days)
    assert (retention.due_through(now), retention.bears_from(now)) == (expected, None)


@given(histories(), st.integers(0, 24 * 200))
def test_what_bears_is_never_less_than_what_was_chosen(history: list[Choice], hours: int) -> None:
    now = BEGUN + hours * HOUR
    retention = retention_at(history, now)

    assert retention.effective_days(now) >= retention.days
    assert retention.is_held(now) or not retention.legal_hold


@given(histories())
def test_choosing_what_is_chosen_changes_nothing(history: list[Choice]) -> None:
    now = history[-1].at + HOUR
    retention = retention_at(history, now)

    assert retention.changed(days=retention.days, legal_hold=retention.legal_hold, now=now) == retention


@given(st.integers(*RETENTION_DAYS), st.datetimes(datetime(1, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_there_is_an_answer_at_any_time(days: int, now: datetime) -> None:
    through = Retention(days=days).due_through(now)

    assert through is not None
    assert through <= now.date()


def test_a_longer_time_takes_back_a_shorter_one_that_is_pending() -> None:
    shortened = Retention(days=100).changed(days=10, legal_hold=False, now=BEGUN)

    restored = shortened.changed(days=100, legal_hold=False, now=BEGUN + 6 * DELAY / 7)

    assert restored == Retention(days=100)


def test_a_hold_takes_back_its_end_that_is_pending() -> None:
    lifted = Retention(legal_hold=True).changed(days=2555, legal_hold=False, now=BEGUN)

    assert lifted.bears_from(BEGUN) == BEGUN + DELAY
    assert lifted.changed(days=2555, legal_hold=True, now=BEGUN + HOUR) == Retention(legal_hold=True)


def test_a_terminated_organisation_keeps_nothing_older_than_today_once_it_cannot_read_any_more() -> None:
    kept = Retention(days=2555)

    assert due(kept, closed_from=BEGUN, now=BEGUN - HOUR) == Due(date(2019, 3, 2), PurgeReason.RETENTION)
    assert due(kept, closed_from=BEGUN, now=BEGUN) == Due(date(2026, 2, 28), PurgeReason.TERMINATION)


def test_a_hold_keeps_a_terminated_organisations_content() -> None:
    assert due(Retention(legal_hold=True), closed_from=BEGUN, now=BEGUN + DELAY) is None


@given(st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_ids_of_a_day_sort_before_the_bound_and_those_of_the_next_do_not(at: datetime) -> None:
    ulid = str(ULID.from_datetime(at))

    assert ulid < first_id_after(at.date())
    assert ulid >= first_id_after(at.date() - timedelta(days=1))
