"""`daily_call_limit` with instances whose count is right, lags, or is reset at midnight."""

from __future__ import annotations

import contextlib
import itertools
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketo_opps import DailyLimitError, MarketoObject, Recovery
from marketo_opps.quota import DailyCallLimit

OPPORTUNITIES = MarketoObject.OPPORTUNITIES


class Counting:
    """An instance that counts calls, and reports the count with the given lag."""

    def __init__(self, limit, *, used=0, lag=0):
        self.used = used
        self.now = 0.0
        self.lag = lag
        self.asked = 0
        self.told = used
        self.limit = DailyCallLimit(limit, ask=self.ask, clock=lambda: self.now)

    def ask(self):
        self.limit.take(subject_to_limit=False)
        self.asked += 1
        self.used += 1
        self.told = max(self.told, self.used - self.lag)
        return self.told

    def call(self):
        self.limit.take()
        self.used += 1


def calls_until_refused(instance, most=100_000):
    for count in range(most):
        try:
            instance.call()
        except DailyLimitError:
            return count
    raise AssertionError("never refused")


@given(limit=st.integers(2, 3000), used=st.integers(0, 3000), lag=st.integers(0, 3000))
def test_own_calls_reach_the_limit_and_do_not_exceed_it(limit, used, lag):
    instance = Counting(limit, used=used, lag=lag)
    calls_until_refused(instance)
    # One query is needed to know that the limit is reached.
    assert instance.used <= max(limit, used + 1)
    if used + 2 < limit:
        assert instance.used >= limit - 1


@given(
    limit=st.integers(100, 2000),
    others=st.lists(st.integers(0, 5), min_size=1, max_size=50),
)
def test_calls_of_other_clients_count_near_the_limit(limit, others):
    instance = Counting(limit)
    in_between = itertools.cycle(others)
    with contextlib.suppress(DailyLimitError):
        while True:
            instance.call()
            instance.used += next(in_between)
    # Calls of others since the last query are unknown: at most five for each of ten calls.
    assert instance.used <= limit + 5 * 12


def test_usage_is_queried_more_often_near_the_limit():
    instance = Counting(50_000)
    calls_until_refused(instance)
    assert instance.asked < 50_000 / 150
    near = Counting(50_000, used=49_900)
    calls_until_refused(near)
    assert 5 <= near.asked <= 12


def test_usage_is_queried_again_after_five_minutes():
    instance = Counting(50_000)
    instance.call()
    instance.now += 299
    instance.call()
    assert instance.asked == 1
    instance.now += 1
    instance.call()
    assert instance.asked == 2


def test_a_limit_already_reached_stops_the_first_call():
    instance = Counting(100, used=100)
    with pytest.raises(DailyLimitError, match=r"used 102 calls.*daily_call_limit is 100"):
        instance.call()


def test_a_limit_of_one_allows_the_usage_query_only():
    instance = Counting(1)
    with pytest.raises(DailyLimitError):
        instance.call()
    assert instance.asked == 1


def test_the_last_call_is_not_a_usage_query():
    """Query once, which counts as two calls; after ten more another query would be due."""
    assert calls_until_refused(Counting(13)) == 11


def test_at_midnight_the_count_starts_again():
    instance = Counting(1000, used=900)
    for _ in range(50):
        instance.call()
    instance.used = instance.told = 3
    instance.now += 300
    instance.call()
    assert calls_until_refused(instance) >= 900


def test_a_lagging_total_does_not_count_as_a_reset():
    instance = Counting(120, used=0, lag=1000)
    assert calls_until_refused(instance) <= 120
    assert instance.used <= 120


def test_threads_together_do_not_exceed_the_limit(in_threads):
    class Slow(Counting):
        def ask(self):
            threading.Event().wait(0.01)
            return super().ask()

    instance = Slow(500)
    lock = threading.Lock()
    made = []

    def work(_index):
        while True:
            try:
                instance.limit.take()
            except DailyLimitError:
                return
            with lock:
                made.append(1)

    in_threads(8, work)
    assert len(made) + instance.asked <= 500
    assert len(made) > 450
    # One thread queries usage, and the others wait for the result.
    assert instance.asked < 40


def test_the_client_stops_before_the_limit_with_advice(instance, connect, success):
    instance.answers("stats/usage.json", success({"date": "2026-11-23", "total": 95}))
    instance.answers("opportunities/describe.json", describe(success))
    client = connect(daily_call_limit=100)
    with pytest.raises(DailyLimitError, match=r"nothing is lost") as caught:
        describe_often(client)
    assert caught.value.recovery is Recovery.FATAL
    assert len(instance.calls) == 5
    assert client.counts.calls == 5


def test_usage_queries_count_even_if_they_fail(instance, connect, success):
    """Start at 90 calls with 30 more allowed; usage lags behind, and its query fails twice."""
    usage = success({"total": 90})
    instance.answers("stats/usage.json", usage, 503, 503, usage)
    instance.answers("opportunities/describe.json", describe(success))
    client = connect(daily_call_limit=120)
    with pytest.raises(DailyLimitError):
        describe_often(client)
    assert sum("usage" in call.url for call in instance.calls) >= 4
    assert len(instance.calls) == 30


def test_retries_count_against_the_limit(instance, connect, success):
    instance.answers("stats/usage.json", success({"total": 95}))
    instance.answers("opportunities/describe.json", 503)
    client = connect(daily_call_limit=100)
    with pytest.raises(DailyLimitError):
        client.describe(OPPORTUNITIES)
    assert len(instance.calls) == 5


def test_without_a_limit_usage_is_not_queried(instance, connect, success):
    instance.answers("opportunities/describe.json", describe(success))
    connect().describe(OPPORTUNITIES)
    assert len(instance.calls) == 1


def test_the_totals_of_all_results_are_summed_up(instance, client, success):
    instance.answers("stats/usage.json", success({"total": 3}, {"total": "4"}, {}))
    assert client.calls_today() == 7


def describe_often(client):
    for _ in range(100):
        client.describe(OPPORTUNITIES)


def describe(success):
    return success(
        {
            "name": "opportunity",
            "idField": "marketoGUID",
            "dedupeFields": ["externalOpportunityId"],
            "searchableFields": [["externalOpportunityId"], ["marketoGUID"]],
            "fields": [{"name": "name", "displayName": "Name", "dataType": "string"}],
        }
    )
