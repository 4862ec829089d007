"""Counts of calls and errors per day."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import requests

from marketo_sandbox.instance.clock import Clock
from marketo_sandbox.instance.usage import DailyUsage

NOON = datetime(2026, 3, 10, 18, 0, tzinfo=UTC)
USER = "opportunities@sandbox.example"


@pytest.fixture
def sandbox(start):
    return start(clock=NOON.isoformat())


def test_usage_counts_todays_calls_by_user(api):
    for _ in range(3):
        answer = api.get("/rest/v1/stats/usage.json")
    assert answer["result"] == [
        {"date": "2026-03-10", "total": 3, "users": [{"userId": USER, "count": 3}]}
    ]


def test_use_calls_counts_towards_the_quota(api, sandbox):
    sandbox.use_calls(49_998)
    url = f"{sandbox.endpoint}/sandbox/usage"
    assert requests.post(url, json={"calls": 1}, timeout=10).json() == {"today": 49_999}
    (today,) = api.get("/rest/v1/stats/usage.json")["result"]
    assert today["total"] == 50_000
    assert today["users"][0] == {"userId": "others@sandbox.example", "count": 49_999}
    assert api.get("/rest/v1/stats/usage.json")["errors"][0]["code"] == "607"


def test_set_calls_today_lowers_and_raises_the_count(api, sandbox):
    for _ in range(4):
        api.get("/rest/v1/stats/usage.json")
    sandbox.use_calls(49_996)
    url = f"{sandbox.endpoint}/sandbox/usage"
    assert api.get("/rest/v1/stats/usage.json")["errors"][0]["code"] == "607"
    assert requests.post(url, json={"today": 3}, timeout=10).json() == {"today": 3}
    (today,) = api.get("/rest/v1/stats/usage.json")["result"]
    assert today["users"] == [{"userId": USER, "count": 4}]
    sandbox.set_calls_today(10)
    assert api.get("/rest/v1/stats/usage.json")["result"][0]["users"] == [
        {"userId": USER, "count": 5},
        {"userId": "others@sandbox.example", "count": 6},
    ]
    sandbox.set_calls_today(0)
    assert api.get("/rest/v1/stats/usage.json")["result"][0]["total"] == 1


def test_errors_counts_todays_codes(api, sandbox):
    sandbox.fault("604", times=1)
    sandbox.fault("610", times=2)
    for _ in range(3):
        api.get("/rest/v1/stats/usage.json")
    answer = api.get("/rest/v1/stats/errors.json")
    assert answer["result"] == [
        {
            "date": "2026-03-10",
            "total": 3,
            "errors": [{"errorCode": "604", "count": 1}, {"errorCode": "610", "count": 2}],
        }
    ]


def test_usage_and_errors_cover_the_last_seven_days(api, sandbox):
    api.get("/rest/v1/stats/usage.json")
    api.get("/rest/v1/opportunities.json")
    for _ in range(2):
        sandbox.advance(86_400)
    api.authenticate()
    usage = api.get("/rest/v1/stats/usage/last7days.json")["result"]
    errors = api.get("/rest/v1/stats/errors/last7days.json")["result"]
    assert [(day["date"], day["total"]) for day in usage] == [
        ("2026-03-12", 1),
        ("2026-03-11", 0),
        ("2026-03-10", 2),
        ("2026-03-09", 0),
        ("2026-03-08", 0),
        ("2026-03-07", 0),
        ("2026-03-06", 0),
    ]
    assert [day["total"] for day in errors] == [0, 0, 1, 0, 0, 0, 0]


def test_a_day_of_usage_ends_at_midnight_us_central(api, sandbox):
    api.get("/rest/v1/stats/usage.json")
    sandbox.set_clock(datetime(2026, 3, 11, 4, 59, tzinfo=UTC))
    api.authenticate()
    assert api.get("/rest/v1/stats/usage.json")["result"][0]["total"] == 2
    sandbox.set_clock(datetime(2026, 3, 11, 5, 1, tzinfo=UTC))
    assert api.get("/rest/v1/stats/usage.json")["result"][0]["date"] == "2026-03-11"


class TestDailyUsage:
    """Counts without an instance."""

    def setup_method(self):
        self.clock = Clock(lambda: 0.0)
        self.clock.set(NOON, frozen=True)
        self.usage = DailyUsage(self.clock)

    def counts(self):
        (today,) = self.usage.calls_by_user(1)
        return {each["userId"]: each["count"] for each in today["users"]}

    def test_calls_are_added_by_user_on_the_day_returned(self):
        assert self.usage.add_calls(3, "a") == "2026-03-10"
        self.usage.add_calls(2, "b")
        self.usage.add_calls(4, "a")
        assert self.counts() == {"a": 7, "b": 2}
        assert self.usage.calls_today() == 9

    def test_a_set_total_changes_the_named_user_first(self):
        self.usage.add_calls(3, "a")
        self.usage.add_calls(5, "b")
        self.usage.set_calls_today(10, "b")
        assert self.counts() == {"a": 3, "b": 7}
        self.usage.set_calls_today(4, "b")
        assert self.counts() == {"a": 3, "b": 1}
        self.usage.set_calls_today(2, "b")
        assert self.counts() == {"a": 2}
        self.usage.set_calls_today(2, "c")
        assert self.counts() == {"a": 2}

    def test_a_call_of_a_forgotten_day_is_not_subtracted(self):
        self.usage.add_calls(2, "a")
        self.usage.remove_call("a", "2026-03-09")
        assert self.usage.calls_today() == 2
        self.usage.remove_call("a", "2026-03-10")
        assert self.counts() == {"a": 1}

    def test_days_before_the_last_seven_are_forgotten(self):
        for _ in range(12):
            self.usage.add_calls(1, "a")
            self.usage.add_error("606")
            self.clock.advance(86_400)
        week = self.usage.calls_by_user(8)
        assert [each["total"] for each in week] == [0, 1, 1, 1, 1, 1, 1, 1]
        kept_calls, kept_errors = json.loads(self.usage.dump())
        # The latest call was yesterday.
        assert sorted(kept_calls) == sorted(kept_errors)
        assert min(kept_calls) == "2026-03-14"

    def test_counts_are_restored_from_a_dump(self):
        self.usage.add_calls(2, "a")
        self.usage.add_error("606")
        restored = DailyUsage(self.clock)
        restored.load(None)
        assert restored.calls_today() == 0
        restored.load(self.usage.dump())
        assert restored.calls_by_user(2) == self.usage.calls_by_user(2)
        assert restored.errors_by_code(2) == self.usage.errors_by_code(2)
        restored.add_calls(1, "b")
        assert restored.calls_today() == 3

    def test_clear_forgets_calls_and_errors(self):
        self.usage.add_calls(2, "a")
        self.usage.add_error("606")
        self.usage.clear()
        assert self.usage.calls_today() == 0
        assert self.usage.errors_by_code(1)[0]["errors"] == []
