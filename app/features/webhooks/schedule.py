"""When a delivery is attempted again, and what counts as delivered."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# Standard Webhooks' schedule: the wait before each attempt, the first one being at once.
SCHEDULE_S = tuple(
    float(seconds) for seconds in (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
MAX_RETRIES = len(SCHEDULE_S) - 1
JITTER = 0.2
# An endpoint that says or shows that it is overloaded is left alone for so long at least.
OVERLOADED = frozenset({429, 502, 503, 504})
OVERLOADED_PAUSE_S = 60.0
MAX_RETRY_AFTER_S = 86_400.0
# Nor is anything else sent there meanwhile, but for no longer than this.
MAX_HOLD_S = 3_600.0


def next_delay_s(
    tries: int,
    *,
    retry_count: int,
    is_overloaded: bool = False,
    retry_after_s: float | None = None,
    chance: random.Random,
) -> float | None:
    """Seconds until the attempt after `tries` of them; None when there is none."""
    if tries > min(retry_count, MAX_RETRIES):
        return None
    delay_s = SCHEDULE_S[tries] * chance.uniform(1 - JITTER, 1 + JITTER)
    if is_overloaded:
        # Later by chance, never sooner: those that failed together do not come back together.
        delay_s = max(delay_s, OVERLOADED_PAUSE_S * chance.uniform(1, 1 + JITTER))
    if retry_after_s is not None:
        delay_s = max(delay_s, min(retry_after_s, MAX_RETRY_AFTER_S))
    return delay_s


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """`Retry-After` in seconds, never negative; None where it is missing or says nothing."""
    if value is None or len(value) > 64:
        return None
    try:
        seconds = float(value) if value.isascii() else -1.0
    except ValueError:
        seconds = _until(value, now)
    return seconds if 0 <= seconds < float("inf") else None


def _until(value: str, now: datetime) -> float:
    try:
        moment = parsedate_to_datetime(value)
        return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())
    except (ValueError, OverflowError):
        return -1.0
