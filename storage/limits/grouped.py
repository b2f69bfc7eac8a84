"""Draws that come together, as both stores are told of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.limits.buckets import Bucket, Draw


@dataclass(frozen=True, slots=True)
class Grouped:
    """`draws`, and each of their buckets once."""

    draws: Sequence[Draw]
    buckets: tuple[Bucket, ...]
    places: dict[str, int]
    """Of a bucket's key in `buckets`, counted from 1."""


def grouped(draws: Sequence[Draw]) -> Grouped:
    known = {bucket.key: bucket for draw in draws for bucket in draw.buckets}
    return Grouped(draws, tuple(known.values()), {key: place for place, key in enumerate(known, start=1)})
