"""Rate limit, concurrency limit and daily quota."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from marketo_sandbox.instance.clock import Clock
from marketo_sandbox.instance.errors import CallRefusedError
from marketo_sandbox.instance.limits import Limits
from marketo_sandbox.instance.usage import DailyUsage
from marketo_sandbox.options import LimitOptions
from tests.marketo_sandbox.helpers import codes
from tests.pipeline.processes import await_that

USAGE = "/rest/v1/stats/usage.json"


class Counted:
    """API limits with clocks that a test sets, without an instance."""

    def __init__(self, **options):
        self.now = 1000.0
        self.clock = Clock(lambda: 1_790_000_000.0)
        self.usage = DailyUsage(self.clock)
        self.limits = Limits(LimitOptions(**options), self.usage, lambda: self.now)

    def call(self):
        try:
            self.limits.count("user")
        except CallRefusedError as refusal:
            return refusal.code
        return "ok"


def test_the_101st_call_within_20_seconds_is_606():
    counted = Counted()
    assert [counted.call() for _ in range(101)] == ["ok"] * 100 + ["606"]


def test_the_rate_limit_window_slides():
    counted = Counted(calls_per_window=2)
    assert counted.call() == "ok"
    counted.now += 10
    assert counted.call() == "ok"
    counted.now += 9.999
    assert counted.call() == "606"
    counted.now += 10.1
    assert counted.call() == "ok"


def test_a_call_leaves_the_window_after_exactly_20_seconds():
    counted = Counted(calls_per_window=1)
    counted.call()
    counted.now += 20
    assert counted.limits.in_window() == 0
    assert counted.call() == "ok"


def test_maxima_begin_at_zero_and_anew_after_a_reset():
    counted = Counted()
    limits = counted.limits
    assert (limits.most_in_flight, limits.most_in_window) == (0, 0)
    for _ in range(3):
        counted.call()
        limits.enter()
    limits.leave()
    assert (limits.in_flight, limits.most_in_flight, limits.most_in_window) == (2, 3, 3)
    limits.reset()
    assert (limits.in_flight, limits.most_in_flight, limits.most_in_window) == (2, 2, 0)
    assert limits.in_window() == 0


def test_a_refused_call_counts_in_the_window():
    counted = Counted(calls_per_window=1)
    counted.call()
    counted.now += 15
    assert counted.call() == "606"
    counted.now += 15
    assert counted.call() == "606"
    counted.now += 20.001
    assert counted.call() == "ok"


def test_the_11th_concurrent_call_is_615():
    counted = Counted()
    for _ in range(10):
        counted.call()
        counted.limits.enter()
    assert counted.call() == "615"
    counted.limits.leave()
    assert counted.call() == "ok"


def test_the_daily_quota_is_607_until_midnight_us_central():
    counted = Counted(daily_calls=2)
    counted.clock.set(datetime(2026, 1, 15, 5, 59, tzinfo=UTC), frozen=True)
    assert [counted.call() for _ in range(3)] == ["ok", "ok", "607"]
    counted.clock.advance(120)
    assert counted.call() == "ok"
    counted.clock.set(datetime(2026, 7, 15, 4, 59, tzinfo=UTC), frozen=True)
    assert [counted.call() for _ in range(3)] == ["ok", "ok", "607"]
    counted.clock.advance(120)
    assert counted.call() == "ok"


def test_limits_that_are_turned_off_are_still_counted():
    counted = Counted(enforced=False, calls_per_window=1, daily_calls=1)
    assert [counted.call() for _ in range(5)] == ["ok"] * 5
    assert counted.limits.most_in_window == 5


def test_606_has_the_message_that_adobe_prints(start, caller_of):
    caller = caller_of(start(limits={"calls_per_window": 3}))
    answers = [caller.get(USAGE) for _ in range(4)]
    assert [codes(answer) for answer in answers] == [[], [], [], ["606"]]
    assert answers[-1]["errors"][0]["message"] == "Max rate limit '3' exceeded with in '20' secs"


def test_a_call_is_concurrent_until_it_is_answered(start_held, caller_of, latency):
    sandbox = start_held(limits={"concurrent_calls": 3})
    callers = [caller_of(sandbox) for _ in range(5)]
    sandbox.fault("slow", seconds=30)
    answers = []
    threads = [
        threading.Thread(target=lambda each=each: answers.append(each.get(USAGE)))
        for each in callers
    ]
    for thread in threads:
        thread.start()
    await_that(lambda: len(answers) == 2 and sandbox.instance.limits.in_flight == 3)
    latency.ended.set()
    for thread in threads:
        thread.join()
    assert sorted(str(codes(answer)) for answer in answers) == ["['615']"] * 2 + ["[]"] * 3
    assert sandbox.instance.limits.most_in_flight == 3
    served = [each for each in sandbox.journal(operation="usage") if each["outcome"] == "ok"]
    assert max(each["in_flight"] for each in served) == 3


@pytest.mark.parametrize("code", ["604", "605", "608", "611"])
def test_calls_with_starred_codes_are_not_counted(api, sandbox, code):
    sandbox.fault(code, times=3)
    for _ in range(3):
        assert codes(api.get(USAGE)) == [code]
    assert sandbox.instance.daily_usage.calls_today() == 0


@pytest.mark.parametrize("code", ["601", "602", "604", "605", "608", "611"])
def test_a_starred_code_after_processing_is_not_counted(start, caller_of, code):
    sandbox = start(limits={"calls_per_window": 2, "daily_calls": 2})
    caller = caller_of(sandbox)
    sandbox.fault(code, times=3, after=True)
    assert [codes(caller.get(USAGE)) for _ in range(3)] == [[code]] * 3
    assert sandbox.instance.daily_usage.calls_today() == sandbox.instance.limits.in_window() == 0
    assert [codes(caller.get(USAGE)) for _ in range(3)] == [[], [], ["607"]]


def test_a_call_is_uncounted_on_the_day_it_arrived():
    counted = Counted()
    counted.clock.set(datetime(2026, 1, 15, 5, 59, tzinfo=UTC), frozen=True)
    call = counted.limits.count("user")
    counted.clock.advance(120)
    counted.call()
    counted.now += 30
    counted.limits.uncount(call)
    today, yesterday = counted.usage.calls_by_user(2)
    assert (today["date"], today["total"]) == ("2026-01-15", 1)
    assert (yesterday["date"], yesterday["total"]) == ("2026-01-14", 0)


def test_a_call_before_a_reset_is_not_uncounted():
    counted = Counted()
    call = counted.limits.count("user")
    counted.limits.reset()
    counted.usage.clear()
    counted.limits.uncount(call)
    assert counted.usage.calls_today() == 0


@pytest.mark.parametrize("code", ["500", "603", "606", "713"])
def test_calls_with_other_codes_are_counted(api, sandbox, code):
    sandbox.fault(code, times=3)
    for _ in range(3):
        assert codes(api.get(USAGE)) == [code]
    assert sandbox.instance.daily_usage.calls_today() == 3


def test_calls_with_an_invalid_token_are_not_counted(api, sandbox):
    sandbox.advance(3601)
    api.get(USAGE)
    api.session.headers["Authorization"] = "Bearer x"
    api.get(USAGE)
    assert sandbox.instance.daily_usage.calls_today() == 0
