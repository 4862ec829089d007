"""Marketo's clock, from responses with right, wrong and missing dates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from marketo_opps.server_clock import ServerClock

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


@pytest.fixture
def clock(fake_time):
    return ServerClock(fake_time.clock, lambda: NOON)


def test_the_clock_continues_between_responses(clock, fake_time):
    clock.sync(NOON, 200)
    fake_time.now += 90
    assert clock.now() == clock.earliest_now() == NOON + 90 * SECOND


@pytest.mark.parametrize("ahead", [10 * SECOND, DAY, 3000 * DAY])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_date_in_the_future_does_not_change_the_earliest_now(ahead, is_first, clock, fake_time):
    odd, right = NOON + ahead, NOON
    for each in (odd, right) if is_first else (right, odd):
        clock.sync(each, 200)
    fake_time.now += 5
    assert clock.earliest_now() == NOON + 5 * SECOND


def test_the_last_response_sets_the_current_time(clock):
    clock.sync(NOON, 200)
    clock.sync(NOON + SECOND, 200)
    assert clock.now() == NOON + SECOND


def test_a_response_without_a_date_changes_nothing(clock):
    clock.sync(NOON - SECOND, 200)
    clock.sync(None, 200)
    assert clock.now() == NOON - SECOND


def test_without_any_date_the_machines_clock_is_used(clock):
    clock.sync(None, 200)
    assert not clock.is_known
    assert clock.now() == clock.earliest_now() == NOON


def test_an_error_response_sets_only_an_unknown_clock(clock):
    clock.sync(NOON - SECOND, 502)
    assert clock.now() == NOON - SECOND
    clock.sync(NOON, 200)
    clock.sync(NOON - DAY, 502)
    assert clock.now() == NOON
    assert clock.earliest_now() == NOON - SECOND


@pytest.mark.parametrize("told", [NOON - DAY - SECOND, NOON + DAY + SECOND])
def test_a_difference_of_over_a_day_is_logged_once(told, clock, caplog):
    clock.sync(told, 200)
    clock.sync(told, 200)
    (line,) = caplog.messages
    assert f"{told:%Y-%m-%dT%H:%M:%SZ}, this machine's clock says 2026-11-23T12:00:00Z" in line


@pytest.mark.parametrize("told", [NOON - DAY, NOON, NOON + DAY])
def test_a_difference_of_a_day_or_less_is_not_logged(told, clock, caplog):
    clock.sync(told, 200)
    assert not caplog.messages
