"""Stretches of time by somebody's clock: where days begin, summer time and all."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from app.core.errors import InvalidRequest
from app.core.time_zones import time_zone

PeriodName = Literal["day", "week", "month", "quarter"]
Interval = Literal["hour", "day", "week"]
DAYS: dict[PeriodName, int] = {"day": 1, "week": 7, "month": 30, "quarter": 90}
QUARTER = timedelta(minutes=15)
# Before that, zones had offsets that are no quarters of an hour.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LONGEST = timedelta(days=1_830)
MOST_BUCKETS = 1_000
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class RangeInvalid(InvalidRequest):
    """The range of time cannot be answered for."""


@dataclass(frozen=True, slots=True)
class Range:
    """From a moment on and before another, both on quarters of an hour."""

    start: datetime
    stop: datetime
    zone: ZoneInfo
    days: int | None = None
    """Of a period: how many days of the clock it begins in."""

    def bounds(self, interval: Interval) -> list[datetime]:
        """Where buckets begin, and the end: the first may be short, and none is left out."""
        return [*_starts(self, interval), self.stop]

    def before(self) -> "Range":
        """The same stretch whole days of the clock earlier; of a few hours, those just before."""
        length, days = self.stop - self.start, self.days
        if days is None and length < timedelta(days=1):
            return Range(self.start - length, self.start, self.zone)
        if days is None:
            wall = self._wall(self.stop) - self._wall(self.start)
            days = math.ceil(wall / timedelta(days=1))
        back = timedelta(days=days)
        start, stop = (self._utc(self._wall(end) - back) for end in (self.start, self.stop))
        return Range(start, max(start, stop), self.zone)

    def _wall(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone).replace(tzinfo=None)

    def _utc(self, wall: datetime) -> datetime:
        # A time that a clock skips is the moment at which it does.
        return wall.replace(tzinfo=self.zone).astimezone(UTC)


def quarter_of(moment: datetime) -> int:
    """Quarters of an hour since 1970."""
    return int(moment.timestamp()) // 900


def zone_named(name: str) -> ZoneInfo:
    """A time zone of the IANA database.

    Raises:
        RangeInvalid: there is none of that name.
    """
    try:
        return time_zone(name)
    except ValueError as wrong:
        raise RangeInvalid(f"`timezone` {wrong}.") from None


def latest(period: PeriodName, now: datetime, zone: ZoneInfo) -> Range:
    """So many days by that clock, today among them, up to the end of this quarter of an hour."""
    today = now.astimezone(zone).date()
    start = _midnight(today - timedelta(days=DAYS[period] - 1), zone)
    stop = datetime.fromtimestamp((quarter_of(now) + 1) * 900, UTC)
    return Range(start, stop, zone, DAYS[period])


def custom(start: str, stop: str | None, now: datetime, zone: ZoneInfo) -> Range:
    """The range that a caller gives; a date is its first moment by that clock.

    Raises:
        RangeInvalid: it is empty, too long or too early, or begins or ends within a quarter.
    """
    first = _moment(start, "from", zone)
    ends = datetime.fromtimestamp((quarter_of(now) + 1) * 900, UTC)
    last = ends if stop is None else _moment(stop, "to", zone)
    if first >= last:
        raise RangeInvalid("`from` must lie before `to`.")
    if first < EARLIEST or last - first > LONGEST:
        raise RangeInvalid(f"Ask for at most {LONGEST.days} days, from {EARLIEST.date()} on.")
    return Range(first, last, zone)


def default_interval(chosen: Range) -> Interval:
    """Buckets that make some dozens."""
    length = chosen.stop - chosen.start
    if length <= timedelta(days=2):
        return "hour"
    return "day" if length <= timedelta(days=180) else "week"


def _moment(text: str, name: str, zone: ZoneInfo) -> datetime:
    try:
        if _DATE.fullmatch(text):
            return _midnight(date.fromisoformat(text), zone)
        moment = datetime.fromisoformat(text)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise RangeInvalid(
            f"`{name}` is neither a date such as 2026-11-23 nor a moment such as"
            " 2026-11-23T20:15:00-03:00 (in an address, write `+` as %2B)."
        ) from None
    if moment.timestamp() % 900:
        raise RangeInvalid(f"`{name}` must be a full quarter of an hour, such as 20:15:00.")
    return moment


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _starts(chosen: Range, interval: Interval) -> Iterator[datetime]:
    moment, count = chosen.start, 0
    while moment < chosen.stop:
        count += 1
        if count > MOST_BUCKETS:
            raise RangeInvalid(
                f"That makes over {MOST_BUCKETS} buckets: ask for a longer interval."
            )
        yield moment
        moment = _next(moment, interval, chosen.zone)


def _next(moment: datetime, interval: Interval, zone: ZoneInfo) -> datetime:
    local = moment.astimezone(zone)
    if interval == "hour":
        return moment + timedelta(minutes=60 - local.minute, seconds=-local.second)
    days = 1 if interval == "day" else 7 - local.weekday()
    return _midnight(local.date() + timedelta(days=days), zone)
