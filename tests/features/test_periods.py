"""Where days, weeks and hours begin by the clocks of the world."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from app.features.analytics.periods import (
    RangeInvalid,
    custom,
    default_interval,
    latest,
    zone_named,
)

NOW = datetime(2026, 11, 26, 12, 7, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")


def spans(chosen, interval):
    """How many hours each bucket has."""
    bounds = pairwise(chosen.bounds(interval))
    return [(stop - start) / timedelta(hours=1) for start, stop in bounds]


def test_days_in_which_clocks_change_have_23_and_25_hours():
    spring = custom("2026-03-07", "2026-03-10", NOW, NEW_YORK)
    assert spans(spring, "day") == [24, 23, 24]
    autumn = custom("2026-10-31", "2026-11-03", NOW, NEW_YORK)
    assert spans(autumn, "day") == [24, 25, 24]
    assert spans(autumn, "hour") == [1] * 73


def test_a_day_that_begins_at_one_because_midnight_was_skipped_begins_at_one():
    chosen = custom("2018-11-03", "2018-11-06", NOW, ZoneInfo("America/Sao_Paulo"))
    assert spans(chosen, "day") == [24, 23, 24]


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        ("America/Sao_Paulo", "2026-11-26T03:00:00+00:00"),
        ("Asia/Kathmandu", "2026-11-25T18:15:00+00:00"),
        ("Australia/Lord_Howe", "2026-11-25T13:00:00+00:00"),
        ("UTC", "2026-11-26T00:00:00+00:00"),
    ],
)
def test_today_begins_at_midnight_there_and_ends_with_this_quarter_of_an_hour(zone, start):
    chosen = latest("day", NOW, ZoneInfo(zone))
    assert chosen.start.isoformat() == start
    assert chosen.stop == datetime(2026, 11, 26, 12, 15, tzinfo=UTC)
    before = chosen.before()
    assert (before.start, before.stop) == tuple(
        end - timedelta(days=1) for end in (chosen.start, chosen.stop)
    )


def test_the_week_before_has_the_same_days_of_the_clock_across_a_change_of_time():
    week = latest("week", datetime(2026, 11, 4, 15, 0, tzinfo=UTC), NEW_YORK)
    before = week.before()
    assert week.start.astimezone(NEW_YORK).isoformat() == "2026-10-29T00:00:00-04:00"
    assert before.start.astimezone(NEW_YORK).isoformat() == "2026-10-22T00:00:00-04:00"
    assert week.stop.astimezone(NEW_YORK).isoformat() == "2026-11-04T10:15:00-05:00"
    assert before.stop.astimezone(NEW_YORK).isoformat() == "2026-10-28T10:15:00-04:00"


def test_weeks_begin_on_monday_and_the_first_may_be_short():
    chosen = custom("2026-11-05", "2026-11-20", NOW, ZoneInfo("UTC"))
    starts = [bound.date().isoformat() for bound in chosen.bounds("week")]
    assert starts == ["2026-11-05", "2026-11-09", "2026-11-16", "2026-11-20"]


def test_hours_are_those_of_the_clock_in_zones_of_three_quarters():
    chosen = custom(
        "2026-11-05T00:30:00+05:45", "2026-11-05T03:00:00+05:45", NOW, ZoneInfo("Asia/Kathmandu")
    )
    assert spans(chosen, "hour") == [0.5, 1, 1]


def test_a_few_hours_are_compared_with_those_just_before():
    chosen = custom("2026-11-05T10:00:00Z", "2026-11-05T12:30:00Z", NOW, ZoneInfo("UTC"))
    assert chosen.before().stop == chosen.start
    assert default_interval(chosen) == "hour"


@pytest.mark.parametrize("name", ["", "Sao_Paulo", "../../etc/passwd", "/etc/localtime", "A" * 64])
def test_a_zone_that_is_not_there_is_refused(name):
    with pytest.raises(RangeInvalid):
        zone_named(name)
