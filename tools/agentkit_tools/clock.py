"""Time: what it is now in a time zone, the same instant elsewhere, how long between two, and what it is then.

Zones are those of the IANA database, by name; nothing else is reached. An hour is an hour that passes, a day is the
same time of day on another date: across a change of summer time the two differ, and each tool says what it did.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from agentkit import Tool, ToolError, tool
from agentkit.errors import ConfigurationError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9][A-Za-z0-9_+-]*){0,2}")
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")
_LONGEST = 64  # characters of a zone or of a time: more is neither
_FAR = 10_000 * 366  # days, hours and so on that one step may have: more leaves the calendar
_LEFT = "Error: that leaves the calendar: years from 1 to 9999 are on it."
_FORM = "Write it as 2026-03-29T14:30, or with an offset behind it, as 2026-03-29T14:30+02:00."


def _system() -> datetime:
    return datetime.now(UTC)


def tools(*, zone: str = "UTC", now: Callable[[], datetime] = _system) -> tuple[Tool[object, Any, Any], ...]:
    """Return the tools for times.

    Args:
        zone: where a time without a zone is meant to be, such as "Europe/Berlin".
        now: tells what time it is, with a time zone; by default the clock of the system.

    Raises:
        ConfigurationError: there is no such zone, or the system has no database of zones.
    """
    try:
        home = _zone(zone)
    except ToolError as error:
        none = "" if available_timezones() else " No zones are installed: pip install 'agentkit-reasoning[clock]'."
        raise ConfigurationError(f"zone: {error}{none}") from error
    bodies = Clock(zone, home, now)
    reading = tool(effect="read")
    given = (bodies.current_time, bodies.convert_time, bodies.time_between, bodies.add_time)
    return tuple(reading(each) for each in given)


class Clock:
    """The bodies of the tools."""

    def __init__(self, name: str, home: tzinfo, now: Callable[[], datetime]) -> None:
        self._name = name
        self._home = home
        self._now = now

    def current_time(self, zone: str = "") -> str:
        """Tell what time it is now.

        Args:
            zone: of the IANA database, such as Europe/Berlin; without one, that of the person you work for.
        """
        now = self._now()
        if now.tzinfo is None:
            raise ConfigurationError("clock.tools(now=…) has to return a time with a time zone: datetime.now(UTC).")
        return _told(now.astimezone(self._zone(zone)), zone or self._name)

    def convert_time(self, time: str, to_zone: str, from_zone: str = "") -> str:
        """Tell what time it is elsewhere at a given moment.

        Args:
            time: such as 2026-03-29T14:30.
            to_zone: of the IANA database, such as America/New_York.
            from_zone: where the time is meant, unless it has an offset of its own.
        """
        moment, note = self._read(time, from_zone)
        with _calendar():
            there = moment.astimezone(_zone(to_zone))
        return _told(there, to_zone) + note

    def time_between(self, start: str, end: str, zone: str = "") -> str:
        """Tell how long it is from one moment to another, as time that passes and as dates of the calendar.

        Args:
            start: such as 2026-03-29T14:30; a date alone begins at midnight.
            end: as start.
            zone: where both are meant, unless they have offsets of their own.
        """
        first, begun = self._read(start, zone)
        last, ended = self._read(end, zone)
        passed = last.astimezone(UTC) - first.astimezone(UTC)
        where = self._zone(zone)
        with _calendar():
            dates = (last.astimezone(where).date() - first.astimezone(where).date()).days
        return f"{_lasting(passed)} pass ({_seconds(passed)} seconds); the dates are {dates} days apart.{begun}{ended}"

    def add_time(
        self, time: str, zone: str = "", months: int = 0, days: int = 0, hours: int = 0, minutes: int = 0
    ) -> str:
        """Tell what time it is so much later or, with negative numbers, earlier. Months and days are added first.

        Args:
            time: such as 2026-03-29T14:30.
            zone: where it is meant, unless it has an offset of its own.
            months: on the calendar; where the month is too short, its last day is taken. A year has 12.
            days: on the calendar, at the same time of day. A week has 7.
            hours: that pass, whatever clocks are changed meanwhile.
            minutes: that pass.
        """
        if max(map(abs, (months, days, hours, minutes))) > _FAR * 1440:
            raise ToolError(_LEFT)
        moment, note = self._read(time, zone)
        with _calendar():
            moment = moment.astimezone(self._zone(zone)) if zone else moment
            there, gap = _placed(_later(moment.replace(tzinfo=None), months, days), moment.tzinfo, moment.fold)
            if not (months or days):
                there, gap = moment, ""
            passed = there.astimezone(UTC) + timedelta(hours=hours, minutes=minutes)
            return _told(passed.astimezone(moment.tzinfo), _named(moment.tzinfo)) + note + gap

    def _zone(self, name: str) -> tzinfo:
        return _zone(name) if name else self._home

    def _read(self, text: str, zone: str) -> tuple[datetime, str]:
        """Return a moment with a zone, and what had to be decided about it."""
        where = self._zone(zone)
        try:
            read = datetime.fromisoformat(text.strip() if len(text) <= _LONGEST else "")
        except ValueError:
            raise ToolError(f"Error: {text[:_LONGEST]!r} is no time. {_FORM}") from None
        with _calendar():
            if read.tzinfo is not None:
                read.astimezone(UTC)
                return read, ""
            return _placed(read, where, 0)


def _placed(wall: datetime, zone: tzinfo | None, fold: int) -> tuple[datetime, str]:
    """Put a time of day where it is meant. One that clocks skip moves on as they do; of two equal ones one is taken."""
    moment = wall.replace(tzinfo=zone, fold=fold)
    back = moment.astimezone(UTC).astimezone(zone)
    if back.replace(tzinfo=None, fold=0) != wall.replace(fold=0):
        moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC).astimezone(zone)
        return moment, f" ({wall.isoformat()} is skipped there, clocks are put forward: {moment.isoformat()} is meant.)"
    if moment.replace(fold=0).utcoffset() != moment.replace(fold=1).utcoffset():
        taken, other = ("first", 1) if moment.fold == 0 else ("second", 0)
        offset = moment.replace(fold=other).isoformat()
        return moment, f" ({wall.isoformat()} happens twice there; the {taken} is taken, the other is {offset}.)"
    return moment, ""


def _later(wall: datetime, months: int, days: int) -> datetime:
    year, month = divmod(wall.year * 12 + wall.month - 1 + months, 12)
    if not 1 <= year <= 9999:  # noqa: PLR2004 - the calendar of datetime
        raise OverflowError
    for day in range(wall.day, wall.day - 4, -1):
        try:
            return wall.replace(year=year, month=month + 1, day=day) + timedelta(days=days)
        except ValueError:  # the month has no such day
            continue
    raise OverflowError


def _zone(name: str) -> tzinfo:
    """Return a time zone. Raises: ToolError: there is none of this name."""
    if name in {"UTC", "Z", "utc"}:
        return UTC
    if found := _OFFSET.fullmatch(name):
        ahead = timedelta(hours=int(found[2]), minutes=int(found[3]))
        if ahead < timedelta(days=1):
            return timezone(ahead if found[1] == "+" else -ahead)
    try:
        if _NAME.fullmatch(name) and len(name) <= _LONGEST:
            return ZoneInfo(name)
    except (OSError, ValueError, LookupError):  # no zone, a folder of zones, or no file of a zone
        pass
    close = get_close_matches(name[:_LONGEST].replace(" ", "_"), sorted(available_timezones()), 3)
    hint = f" Did you mean {', '.join(close)}?" if close else ""
    raise ToolError(f"Error: {name[:_LONGEST]!r} is no time zone: give a name such as Europe/Berlin.{hint}")


@contextmanager
def _calendar() -> Iterator[None]:
    """Say in words that a result is not on Python's calendar."""
    try:
        yield
    except (OverflowError, ValueError):
        raise ToolError(_LEFT) from None


def _told(moment: datetime, zone: str) -> str:
    return f"{moment.isoformat(timespec='seconds')} ({_DAYS[moment.weekday()]}, {zone})"


def _named(zone: tzinfo | None) -> str:
    return zone.key if isinstance(zone, ZoneInfo) else str(zone)


def _lasting(passed: timedelta) -> str:
    sign, left = ("-", -passed) if passed < timedelta() else ("", passed)
    hours, rest = divmod(left.seconds, 3600)
    return f"{sign}{left.days} d {hours} h {rest // 60} min {rest % 60} s"


def _seconds(passed: timedelta) -> str:
    return f"{passed.total_seconds():.6f}".rstrip("0").rstrip(".")


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
