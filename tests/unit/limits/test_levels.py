"""What a bucket's level means to whoever asks."""

from gateway.ids import OrganizationId
from gateway.limits.buckets import GRAINS, Bucket, Level, LimitName

ORG = OrganizationId("01K00000000000000000000000")
NOON = 1_772_366_400_000_000
"""2026-03-01 12:00 UTC."""


def level(name: LimitName, limit: int, used: float) -> Level:
    return Level(Bucket(name, ORG, ORG, limit), int(used * GRAINS), NOON)


def test_a_part_of_a_unit_is_not_yet_left() -> None:
    assert level(LimitName.KEY_RPM, 60, 0.5).remaining == 59


def test_a_bucket_that_owes_has_nothing_left() -> None:
    assert level(LimitName.ORG_TPM, 60, 90).remaining == 0


def test_a_minute_s_bucket_is_reset_when_it_is_full_again() -> None:
    assert level(LimitName.KEY_RPM, 60, 29.5).reset == NOON // 1_000_000 + 30


def test_a_full_bucket_is_reset_now() -> None:
    assert level(LimitName.KEY_DAILY, 60, 0).reset == NOON // 1_000_000


def test_a_day_s_bucket_is_reset_at_midnight() -> None:
    assert level(LimitName.KEY_DAILY, 60, 1).reset == NOON // 1_000_000 + 12 * 3600


def test_the_wait_is_for_what_is_lacking() -> None:
    assert level(LimitName.ORG_TPM, 60, 60).wait_s(20) == 20
