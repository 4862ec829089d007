"""The instance's clock."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from marketo_sandbox.instance.clock import Clock

MOMENT = datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)


def test_the_date_header_follows_the_instance_clock(api, sandbox):
    sandbox.set_clock(MOMENT, frozen=True)
    answer = api.send("GET", "/rest/v1/stats/usage.json")
    assert parsedate_to_datetime(answer.headers["Date"]) == MOMENT
    sandbox.advance(90)
    answer = api.send("GET", "/rest/v1/stats/usage.json")
    assert answer.headers["Date"] == "Mon, 03 Feb 2031 04:06:36 GMT"


def test_a_clock_that_is_set_runs_on():
    real = [100.0]
    clock = Clock(lambda: real[0])
    clock.set(MOMENT)
    real[0] += 5
    assert (clock.now() - MOMENT).total_seconds() == 5


def test_a_frozen_clock_changes_only_when_advanced():
    real = [100.0]
    clock = Clock(lambda: real[0])
    clock.set(MOMENT, frozen=True)
    real[0] += 5
    assert clock.now() == MOMENT
    clock.advance(7)
    assert (clock.now() - MOMENT).total_seconds() == 7


def test_the_day_follows_us_central_time_in_summer_and_winter():
    clock = Clock(lambda: 0.0)
    days = []
    for moment in ("2026-01-15T05:59", "2026-01-15T06:00", "2026-07-15T04:59", "2026-07-15T05:00"):
        clock.set(datetime.fromisoformat(f"{moment}:00+00:00"), frozen=True)
        days.append(clock.day())
    assert days == ["2026-01-14", "2026-01-15", "2026-07-14", "2026-07-15"]
