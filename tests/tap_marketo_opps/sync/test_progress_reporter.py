"""Log lines of any run: how far it has come, where it stops, and its result."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from marketo_opps import CallCounts
from tap_marketo_opps.sync import progress_reporter
from tap_marketo_opps.sync.progress import LogThrottle
from tap_marketo_opps.sync.progress_reporter import ProgressReporter
from tap_marketo_opps.sync.stream_output import StreamCounts

SPAN = ("2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z")


class Scene:
    """What a reporter reads: a client, the first stage of a run, its outputs and a clock."""

    def __init__(self, monkeypatch, streams, source, span):
        self.now = 1_000.0
        clock = SimpleNamespace(monotonic=lambda: self.now)
        monkeypatch.setattr(progress_reporter, "time", clock)
        self.client = SimpleNamespace(counts=CallCounts(100, 10))
        plain = {"keys_done": 0, "total": None, "noun": "lead", "reached": None}
        self.source = SimpleNamespace(**(plain | source))
        self.outputs = [SimpleNamespace(name=name, counts=StreamCounts()) for name in streams]
        throttle = LogThrottle(lambda: self.now, 10)
        self.reporter = ProgressReporter(
            self.client, self.source, self.outputs, throttle, *([span] if span else [])
        )

    def later(self, *, seconds, calls=0, retries=0, records=(), **source):
        """Let a run go on until it has made these calls and emitted these records."""
        self.now = 1_000.0 + seconds
        self.client.counts = CallCounts(100 + calls, 10 + retries)
        for output, count in zip(self.outputs, records, strict=False):
            output.counts.emitted = count
        vars(self.source).update(source)


@pytest.fixture
def scene(monkeypatch, caplog):
    caplog.set_level("INFO", "tap-marketo-opps")

    def make(*streams, span=None, **source):
        return Scene(monkeypatch, streams or ("opportunities",), source, span)

    return make


def test_a_result_has_only_the_calls_of_its_own_run(scene):
    run = scene("roles", "opportunities")
    run.later(seconds=2.54, calls=3, retries=1, records=(1_234, 5))
    assert run.reporter.leaders_line() == "roles: 1,234 records, 3 calls, 1 retry, 2.5 s"


def test_progress_is_logged_when_due_for_all_streams(scene, caplog):
    run = scene("opportunities", "roles", total=900)
    run.later(seconds=9, calls=3, records=(8, 4), keys_done=300)
    run.reporter.log_progress()
    assert not caplog.messages
    run.later(seconds=10, calls=3, records=(8, 4), keys_done=300)
    run.reporter.log_progress()
    run.reporter.log_progress()
    assert caplog.messages == [
        "opportunities and roles: 33 % (300 of 900 leads), 12 records, 3 calls, 0.3 calls/s"
    ]


@pytest.mark.parametrize(
    ("source", "where"),
    [
        ({"total": 1_500}, "20 % (300 of 1,500 leads)"),
        ({"total": 0, "keys_done": 0}, "0 of 0 leads"),
        ({"total": None}, "300 leads"),
        ({"total": None, "noun": "activity"}, "300 activities"),
        ({"reached": "2026-01-02T00:00:00Z"}, "25 % (activity log read up to {reached})"),
    ],
)
def test_where_a_run_is_depends_on_what_it_reads(scene, source, where):
    run = scene(span=SPAN, **({"keys_done": 300} | source))
    assert run.reporter.so_far() == where.format(**source) + ", 0 records, 0 calls"


def test_a_log_without_a_beginning_counts_as_read(scene):
    run = scene(span=(None, SPAN[1]), reached=SPAN[0])
    assert run.reporter.so_far().startswith("100 % (activity log read up to 2026-01-01")


def test_the_time_left_leaves_out_what_was_done_before(scene, caplog):
    run = scene(total=1_000, keys_done=500)
    run.later(seconds=20, calls=1, keys_done=600)
    run.reporter.log_progress()
    # A tenth in 20 seconds, and four tenths are left.
    assert caplog.messages[0].endswith("0.1 calls/s, 80 s left")


def test_a_new_run_has_all_keys_left(scene, caplog):
    run = scene(total=1_000)
    run.later(seconds=20, calls=1, keys_done=100)
    run.reporter.log_progress()
    assert caplog.messages[0].endswith("0.1 calls/s, 3 min left")


def test_the_time_left_is_unknown_without_a_total(scene, caplog):
    run = scene(keys_done=500)
    run.later(seconds=25, calls=5, keys_done=600)
    run.reporter.log_progress()
    assert caplog.messages == ["opportunities: 600 leads, 0 records, 5 calls, 0.2 calls/s"]


@pytest.mark.parametrize("has_state", [True, False])
def test_where_a_run_stops_it_says_how_to_resume(scene, caplog, has_state):
    run = scene(total=4)
    run.later(seconds=1, calls=2, records=(7,), keys_done=1)
    if has_state:
        run.reporter.note_state()
    run.reporter.log_stopping_point()
    (told,) = caplog.messages
    assert told.startswith("Stopped at 25 % (1 of 4 leads), 7 records, 2 calls. ")
    assert ("the last saved state" in told) == has_state
    assert ("the same state as before" in told) == (not has_state)


def test_each_stream_with_records_without_a_key_is_warned_of(scene, caplog):
    run = scene("opportunities", "roles", "leads")
    run.outputs[0].counts.keyless = 2
    run.outputs[2].counts.keyless = 1
    run.reporter.warn_of_records_without_key()
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    first, second = caplog.messages
    assert first.startswith("2 records of opportunities skipped: Marketo sent no marketoGUID")
    assert second.startswith("1 record of leads skipped: Marketo sent no marketoGUID")
