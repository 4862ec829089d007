"""What users are told while a run goes on."""

from __future__ import annotations

import re

import pytest

from tap_marketo_opps.sync.progress import LogThrottle, ProgressReport, format_duration
from tests.tap_marketo_opps.helpers import UnpacedTap

pytestmark = pytest.mark.waits


def test_progress_is_logged_every_ten_seconds_at_most():
    seconds = iter(range(36))
    throttle = LogThrottle(lambda: next(seconds))
    due = [second for second in range(1, 36) if throttle.is_due()]
    assert due == [10, 20, 30]


def _progress(**changed):
    members = {
        "done": 3000,
        "done_before": 0,
        "total": 9000,
        "noun": "value",
        "reached": None,
        "records": 2990,
        "calls": 10,
        "seconds": 20.0,
    }
    return ProgressReport(**{**members, **changed})


def test_how_far_of_how_much_how_fast_and_how_long_yet():
    assert _progress().summary() == (
        "3,000 of 9,000 values, 2,990 records, 10 calls, 0.5 calls/s, 40 s left"
    )


def test_one_is_no_plural():
    assert _progress(records=1, calls=1).so_far() == "3,000 of 9,000 values, 1 record, 1 call"


def test_what_an_earlier_attempt_has_done_does_not_count_as_speed():
    assert _progress(done_before=2700).summary().endswith("7 min left")


def test_nothing_is_said_of_the_rest_where_only_what_the_keys_led_to_is_left():
    assert "left" not in _progress(done=9000).summary()
    assert _progress(done=8999).summary().endswith(" 1 s left")


def test_of_the_log_nobody_knows_how_much_there_is():
    line = _progress(total=None, done=0, reached="2026-01-01T00:00:00Z").summary()
    assert line.startswith("activity log read up to 2026-01-01T00:00:00Z, 2,990 records")
    assert "left" not in line


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "5 s"), (119, "119 s"), (600, "10 min"), (9000, "2.5 h")]
)
def test_durations_have_the_unit_that_fits(seconds, text):
    assert format_duration(seconds) == text


class TapLoggingTwiceASecond(UnpacedTap):
    seconds_between_logs = 0.5


@pytest.mark.parametrize("stream", ["opportunities", "opportunity_fields"])
def test_a_run_that_writes_nothing_says_how_far_it_is(
    marketo_sandbox_factory, catalog_of, sync, caplog, stream
):
    caplog.set_level("INFO")
    sandbox = marketo_sandbox_factory(limits={"enforced": False})
    catalog = catalog_of(sandbox, stream)
    sandbox.fault("slow", seconds=2, operation="query opportunity")
    sandbox.fault("slow", seconds=2, operation="fields")
    config = {**sandbox.credentials, "filter_values": ["x"]}
    sync(config, catalog=catalog, tap_class=TapLoggingTwiceASecond)
    told = [line for line in caplog.messages if line.startswith(f"{stream}: ")]
    assert 2 < len(told) < 7
    assert re.search(r"0 records, [01] calls?", told[0])
