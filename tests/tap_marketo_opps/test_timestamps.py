"""Tests of timestamps, in any time zone of the machine."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from tap_marketo_opps.timestamps import (
    is_timestamp,
    max_or_none,
    minus_seconds,
    normalize_iso,
    to_iso_utc,
)

EARLY, LATE = "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0900-01-01", "0900-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("2026-01-31T12:00:00.999+02:00", "2026-01-31T10:00:00Z"),
    ],
)
def test_a_moment_has_a_year_of_four_digits(text, moment):
    assert normalize_iso(text) == moment
    assert normalize_iso(moment) == moment


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_a_moment_outside_of_the_calendar_is_refused(text):
    with pytest.raises(ValueError, match="outside the range of dates"):
        normalize_iso(text)


def test_nothing_is_earlier_than_the_first_moment():
    assert minus_seconds("0001-01-01T00:00:05Z", 4) == "0001-01-01T00:00:01Z"
    assert (
        minus_seconds(EARLY, 10**12)
        == minus_seconds("0001-01-01T00:00:00Z", 1)
        == "0001-01-01T00:00:00Z"
    )


@pytest.fixture(params=["UTC", "America/New_York"])
def _wherever_the_machine_is(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_wherever_the_machine_is")
def test_timestamps_of_any_form_are_read_as_utc():
    assert to_iso_utc(datetime(2026, 1, 1, tzinfo=UTC)) == EARLY
    for text in (EARLY, "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00", "2026-01-01"):
        assert normalize_iso(text) == EARLY


def test_max_or_none_passes_over_what_is_not_given():
    assert max_or_none(None, EARLY, LATE, None) == LATE
    assert max_or_none(None, None) is None


@pytest.mark.parametrize(
    "value",
    ["never", "", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31T12:00:00+00:00", 5, None],
)
def test_only_one_form_of_text_is_a_timestamp(value):
    assert is_timestamp(EARLY)
    assert not is_timestamp(value)
