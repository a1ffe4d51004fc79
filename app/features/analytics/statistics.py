"""Shares, averages and percentiles that are null where there is nothing to divide by."""

import math
from collections.abc import Sequence

MICRO = 1_000_000
BINS_PER_DOUBLING = 8
Histogram = Sequence[tuple[int, int]]
"""Bins with their counts, in ascending order."""


def ratio(part: float, whole: float, digits: int = 4) -> float | None:
    """A part of a whole, such as 0.25; None of nothing."""
    return round(part / whole, digits) if whole else None


def percentile(histogram: Histogram, share: float) -> int | None:
    """The middle of the bin in which that share of the values ends; within 4.5 % of the value."""
    total = sum(count for _, count in histogram)
    rank, seen = math.ceil(share * total), 0
    for bin_number, count in histogram:
        seen += count
        if seen >= rank and count:
            return round(2 ** ((bin_number + 0.5) / BINS_PER_DOUBLING))
    return None


def units(micros: int) -> float:
    """An amount in units of its currency."""
    return micros / MICRO
