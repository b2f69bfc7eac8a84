from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.baa.acceptance import Acceptance, AcceptanceStatus, Affirmation, standing_of
from gateway.baa.evidence import Operator, Origin
from gateway.ids import AcceptanceId, ApiKeyId, OrganizationId
from tests.unit.baa.acceptances import SIGNATORY

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SHA256 = "ab" * 32
OPEN = Acceptance(
    id=AcceptanceId("01A"),
    org=OrganizationId("01ORG"),
    template_version="2026-11",
    template_sha256=SHA256,
    covers=("self_hosted",),
    accepted_at=NOON,
    effective_at=NOON,
    expires_at=None,
    ends_at=None,
    ends_as=None,
    grace_days=30,
    status=AcceptanceStatus.ACTIVE,
    awaits_document=False,
    reminded_days=None,
    document=None,
)
YEARLY = replace(OPEN, expires_at=NOON + timedelta(days=365))
TERMINATED = replace(YEARLY, ends_at=NOON + timedelta(days=30), ends_as=AcceptanceStatus.TERMINATED)


@pytest.mark.parametrize(
    ("acceptance", "before", "since"),
    [
        (YEARLY, YEARLY.expires_at, AcceptanceStatus.EXPIRED),
        (TERMINATED, TERMINATED.ends_at, AcceptanceStatus.TERMINATED),
        (replace(TERMINATED, ends_as=AcceptanceStatus.SUPERSEDED), TERMINATED.ends_at, AcceptanceStatus.SUPERSEDED),
        (replace(TERMINATED, ends_at=NOON + timedelta(days=400)), YEARLY.expires_at, AcceptanceStatus.EXPIRED),
    ],
)
def test_an_end_is_known_by_the_clock_to_the_moment(
    acceptance: Acceptance, before: datetime, since: AcceptanceStatus
) -> None:
    assert acceptance.until == before
    assert acceptance.status_at(before - SECOND) is AcceptanceStatus.ACTIVE
    assert acceptance.status_at(before) is since


def test_what_has_no_end_is_in_force_for_ever() -> None:
    assert OPEN.status_at(datetime.max.replace(tzinfo=UTC)) is AcceptanceStatus.ACTIVE


@pytest.mark.parametrize(
    ("acceptance", "says_it_again"),
    [
        (OPEN, True),
        (replace(OPEN, status=AcceptanceStatus.PENDING), True),
        (replace(OPEN, template_sha256="cd" * 32), False),
        (replace(OPEN, covers=()), False),
        (YEARLY, True),
        (replace(OPEN, expires_at=NOON + timedelta(days=90)), False),
        (TERMINATED, False),
        (replace(OPEN, status=AcceptanceStatus.TERMINATED), False),
    ],
)
def test_accepting_again_is_new_only_if_it_changes_something(acceptance: Acceptance, says_it_again: bool) -> None:
    assert acceptance.stands_for(SHA256, ("self_hosted",), NOON) is says_it_again


@pytest.mark.parametrize(
    ("days_left", "told_before", "told"),
    [
        (91, None, None),
        (90, None, 90),
        (90, 90, None),
        (31, 90, None),
        (30, 90, 30),
        (8, 30, None),
        (7, 30, 7),
        (5, None, 7),
        (1, 7, None),
    ],
)
def test_each_reminder_is_told_once_and_after_an_outage_only_the_nearest(
    days_left: int, told_before: int | None, told: int | None
) -> None:
    held = replace(OPEN, expires_at=NOON + timedelta(days=days_left), reminded_days=told_before)

    assert held.reminder_at(NOON) == told


def test_an_organisation_stands_as_its_agreement_in_force_does() -> None:
    pending = replace(OPEN, id=AcceptanceId("01C"), status=AcceptanceStatus.PENDING)
    ended = replace(OPEN, id=AcceptanceId("01B"), status=AcceptanceStatus.TERMINATED)

    standing = standing_of([pending, ended, YEARLY], NOON)

    assert (standing.status, standing.active, standing.pending) == (AcceptanceStatus.ACTIVE, YEARLY, pending)


def test_without_one_in_force_it_stands_as_what_came_last() -> None:
    terminated = replace(OPEN, id=AcceptanceId("01B"), status=AcceptanceStatus.TERMINATED)

    assert standing_of([terminated, YEARLY], NOON + timedelta(days=365)).status is AcceptanceStatus.TERMINATED
    assert standing_of([YEARLY], NOON + timedelta(days=365)).status is AcceptanceStatus.EXPIRED
    assert standing_of([], NOON).status is None


@pytest.mark.parametrize("operator", [None, Operator("Cloud, Inc.", "Jordan Reyes", "Counsel")])
def test_an_affirmation_is_read_back_as_it_was(operator: Operator | None) -> None:
    affirmation = Affirmation(
        organization_name="Klinikum Süd",
        signatory=SIGNATORY,
        origin=Origin(ApiKeyId("01KEY"), "203.0.113.7", "curl/8"),
        operator=operator,
        acceptance_text="I accept.",
        text_fetched_at=NOON,
    )

    assert Affirmation.from_json(affirmation.json()) == affirmation
