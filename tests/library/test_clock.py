"""The clock tools: they agree with zoneinfo, say what they decided, and refuse what is no time or zone."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit import ToolError
from agentkit.errors import ConfigurationError
from agentkit_tools import clock

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
TOOLS = {each.name: each for each in clock.tools(zone="Europe/Berlin", now=lambda: NOON)}


def test_each_does_its_work() -> None:
    now, convert, between, add = TOOLS.values()
    assert now() == "2026-07-01T14:00:00+02:00 (Wednesday, Europe/Berlin)"
    assert now("Asia/Tokyo") == "2026-07-01T21:00:00+09:00 (Wednesday, Asia/Tokyo)"
    assert now("+05:30") == "2026-07-01T17:30:00+05:30 (Wednesday, +05:30)"
    assert now("UTC") == "2026-07-01T12:00:00+00:00 (Wednesday, UTC)"
    assert convert("2026-01-01T09:00", "America/New_York") == "2026-01-01T03:00:00-05:00 (Thursday, America/New_York)"
    assert convert("2026-01-01T09:00", "UTC", "Asia/Tokyo").startswith("2026-01-01T00:00:00+00:00")
    assert convert("2026-01-01T09:00Z", "UTC", "Asia/Tokyo").startswith("2026-01-01T09:00:00+00:00")
    assert between("2026-01-01", "2026-01-02T01:02:03.5") == (
        "1 d 1 h 2 min 3 s pass (90123.5 seconds); the dates are 1 days apart."
    )
    assert between("2026-01-02", "2026-01-01").startswith("-1 d 0 h 0 min 0 s pass (-86400 seconds)")
    assert add("2026-01-31", months=1) == "2026-02-28T00:00:00+01:00 (Saturday, Europe/Berlin)"
    assert add("2024-02-29", months=-12, days=7).startswith("2023-03-07T00:00:00")
    assert add("2026-01-01T00:00Z", "Asia/Tokyo", days=1) == "2026-01-02T09:00:00+09:00 (Friday, Asia/Tokyo)"


def test_a_day_is_no_24_hours_when_clocks_change() -> None:
    add, between = TOOLS["add_time"], TOOLS["time_between"]
    assert add("2026-03-28T12:00", days=1).startswith("2026-03-29T12:00:00+02:00")
    assert add("2026-03-28T12:00", hours=24).startswith("2026-03-29T13:00:00+02:00")
    assert between("2026-03-28T12:00", "2026-03-29T12:00").startswith("0 d 23 h 0 min 0 s")


def test_a_time_that_clocks_skip_or_repeat_is_decided_aloud() -> None:
    skipped = TOOLS["add_time"]("2026-03-28T02:30", days=1)
    assert skipped.startswith("2026-03-29T03:30:00+02:00")
    assert "2026-03-29T02:30:00 is skipped there" in skipped
    assert "2026-03-29T03:30:00+02:00 is meant" in skipped
    twice = TOOLS["convert_time"]("2026-10-25T02:30", "UTC")
    assert twice.startswith("2026-10-25T00:30:00+00:00")
    assert "happens twice there; the first is taken, the other is 2026-10-25T02:30:00+01:00" in twice
    told = TOOLS["convert_time"]("2026-10-25T02:30+01:00", "UTC")
    assert told == "2026-10-25T01:30:00+00:00 (Sunday, UTC)"


ZONES = [
    *("../etc/passwd", "/etc/passwd", "Europe/../../etc/passwd", "Europe", "Europe/", "Berlin", "\0", "A" * 300),
    *("+99:99", "zone.tab", "tzdata.zi", "Europe/Bérlin", "Europe/Berlin\n", "\ud800", "Mars/Base"),
    *("__init__/Berlin", "Europe/__init__/x"),  # to the package tzdata these are modules to import
]


@pytest.mark.parametrize("zone", ZONES)
def test_what_is_no_zone_is_refused(zone: str) -> None:
    for name, arguments in (("current_time", (zone,)), ("convert_time", ("2026-01-01", zone))):
        with pytest.raises(ToolError, match=r"is no time zone: give a name such as Europe/Berlin"):
            TOOLS[name](*arguments)
    with pytest.raises(ConfigurationError, match=r"zone: .* is no time zone"):
        clock.tools(zone=zone)


def test_a_zone_that_is_meant_is_named() -> None:
    with pytest.raises(ToolError, match=r"Did you mean Europe/Berlin, "):
        TOOLS["current_time"]("Europe/berlin")


@pytest.mark.parametrize("time", ["", "x", "now", "12:30", "2026-13-01", "2026-02-30", "1" * 100, "2026-01-01T25:00"])
def test_what_is_no_time_is_refused(time: str) -> None:
    with pytest.raises(ToolError, match=r"is no time\. Write it as 2026-03-29T14:30"):
        TOOLS["add_time"](time)


@pytest.mark.parametrize(
    ("time", "steps"),
    [
        ("0001-01-01", {}),
        ("0001-01-01T00:00+02:00", {}),
        ("0001-01-02", {"days": -3}),
        ("9999-12-31", {"months": 1}),
        ("9999-12-31T20:00", {"hours": 10}),
        ("2026-01-01", {"days": 10**9}),
        ("2026-01-01", {"months": -(10**30)}),
        ("2026-01-01", {"minutes": 10**12}),
    ],
)
def test_what_leaves_the_calendar_is_refused(time: str, steps: dict[str, Any]) -> None:
    with pytest.raises(ToolError, match="leaves the calendar"):
        TOOLS["add_time"](time, **steps)


PLACES = st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"])
MOMENTS = st.datetimes(NOON.replace(year=1975, tzinfo=None), NOON.replace(year=2035, tzinfo=None)).map(
    lambda each: each.replace(microsecond=0)
)


@settings(deadline=None, max_examples=150)
@given(MOMENTS, PLACES, PLACES, st.integers(-50_000, 50_000))
def test_it_agrees_with_zoneinfo(wall: datetime, here: str, there: str, minutes: int) -> None:
    moment = wall.replace(tzinfo=UTC).astimezone(ZoneInfo(here))
    added = TOOLS["add_time"](moment.isoformat(), here, minutes=minutes).split(" ")[0]
    later = moment.astimezone(UTC) + timedelta(minutes=minutes)
    assert added == later.astimezone(ZoneInfo(here)).isoformat()
    converted = TOOLS["convert_time"](moment.isoformat(), there).split(" ")[0]
    assert converted == moment.astimezone(ZoneInfo(there)).isoformat()
    assert f"({minutes * 60} seconds)" in TOOLS["time_between"](moment.isoformat(), added)


@settings(deadline=None, max_examples=150)
@given(MOMENTS, PLACES, st.integers(-400, 400))
def test_days_keep_the_time_of_day_unless_it_is_skipped(wall: datetime, zone: str, days: int) -> None:
    told = TOOLS["add_time"](wall.isoformat(), zone, days=days)
    if "skipped" not in told:
        assert told.startswith((wall + timedelta(days=days)).isoformat())


def test_all_are_reads_and_the_clock_has_to_know_where_it_is() -> None:
    assert {(each.effect, each.declared.needs_approval, each.declared.untrusted) for each in TOOLS.values()} == {
        ("read", False, False)
    }
    naive = clock.tools(now=lambda: NOON.replace(tzinfo=None))[0]
    with pytest.raises(ConfigurationError, match="a time with a time zone"):
        naive()
    before = datetime.now(UTC)
    told = datetime.fromisoformat(clock.tools()[0]().split(" ")[0])
    assert before - timedelta(seconds=1) <= told <= datetime.now(UTC)
