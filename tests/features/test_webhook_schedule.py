"""When deliveries are attempted again."""

import random
from datetime import UTC, datetime

import pytest

from app.features.webhooks.schedule import SCHEDULE_S, next_delay_s, retry_after_s

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def delay(tries, **given):
    given = {"retry_count": 9, "chance": random.Random(tries)} | given
    return next_delay_s(tries, **given)


@pytest.mark.parametrize("tries", range(1, 10))
def test_wh40_attempts_follow_the_schedule_give_or_take_a_fifth(tries):
    delays = [delay(tries, chance=random.Random(n)) for n in range(200)]
    assert 0.8 * SCHEDULE_S[tries] <= min(delays) < max(delays) <= 1.2 * SCHEDULE_S[tries]
    assert max(delays) - min(delays) > 0.3 * SCHEDULE_S[tries]


def test_wh42_after_the_tenth_attempt_there_is_none():
    assert delay(10) is None
    assert sum(SCHEDULE_S) == 75 * 3600 + 35 * 60 + 5


@pytest.mark.parametrize(("retry_count", "attempts"), [(0, 1), (2, 3), (9, 10)])
def test_there_are_as_many_retries_as_the_webhook_says(retry_count, attempts):
    delays = [delay(tries, retry_count=retry_count) for tries in range(1, 12)]
    assert delays.index(None) == attempts - 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("120.6", 120.6),
        ("Thu, 26 Nov 2026 12:02:00 GMT", 120),
        ("Thu, 26 Nov 2026 11:00:00 GMT", 0),
        *((text, None) for text in ("-5", "nan", "inf", "soon", "", "1" * 99, "٣", None)),
    ],
)
def test_wh23_retry_after_is_read_in_each_of_its_forms(value, seconds):
    assert retry_after_s(value, NOW) == seconds


def test_wh23_an_overloaded_endpoint_is_left_alone_for_a_minute_and_at_most_a_day():
    waits = {delay(1, is_overloaded=True, chance=random.Random(n)) for n in range(20)}
    assert len(waits) > 1
    assert all(60 <= wait <= 72 for wait in waits)
    assert delay(1, is_overloaded=True, retry_after_s=120.6) == 120.6
    assert delay(1, retry_after_s=10**9) == 86_400
    assert delay(5, retry_after_s=1) > 14_000
