"""The wait before the next attempt, if there is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketo_opps.errors import (
    ConcurrencyLimitError,
    ConnectionLostError,
    CredentialsError,
    RateLimitError,
    ServerError,
    ThrottledError,
    TokenRefusedError,
    TransientError,
)
from marketo_opps.models import Reason
from marketo_opps.retry import MAX_REAUTHENTICATIONS, delay_seconds, pauses_all_threads


def response_error(error_class):
    return error_class("GET /x", [Reason("1", "x")], None)


def delay(error, failures=1, seconds_retrying=0.0, max_retry_seconds=300.0, fraction=1.0):
    return delay_seconds(
        error,
        failures=failures,
        seconds_retrying=seconds_retrying,
        max_retry_seconds=max_retry_seconds,
        fraction=fraction,
    )


@pytest.mark.parametrize(
    ("error", "waits"),
    [
        (ServerError(""), [1, 2, 4, 8, 16, 30, 30]),
        (ConnectionLostError(""), [1, 2, 4, 8, 16, 30, 30]),
        (response_error(TransientError), [1, 2, 4, 8, 16, 30, 30]),
        (response_error(RateLimitError), [8, 16, 20, 20]),
        (ThrottledError(""), [8, 16, 20, 20]),
        (response_error(ConcurrencyLimitError), [1, 2, 4, 8, 8]),
    ],
)
def test_waits_double_up_to_a_maximum(error, waits):
    assert [delay(error, failures=1 + index) for index in range(len(waits))] == waits


@given(failures=st.integers(1, 10_000), fraction=st.floats(0, 1))
def test_jitter_takes_at_most_half_of_the_wait(failures, fraction):
    longest = delay(ServerError(""), failures=failures, fraction=1.0)
    assert longest / 2 <= delay(ServerError(""), failures=failures, fraction=fraction) <= longest


@given(
    failures=st.integers(1, 50),
    seconds_retrying=st.floats(0, 400),
    max_retry_seconds=st.floats(0, 400),
    fraction=st.floats(0, 1),
)
def test_no_retry_begins_after_max_retry_seconds(
    failures, seconds_retrying, max_retry_seconds, fraction
):
    wait = delay(ServerError(""), failures, seconds_retrying, max_retry_seconds, fraction)
    if seconds_retrying >= max_retry_seconds:
        assert wait is None
    else:
        assert 0 < wait <= max_retry_seconds - seconds_retrying


@pytest.mark.parametrize(
    ("asked", "waited"), [(None, 1), (0.0, 1), (0.5, 1), (17.0, 17), (3600.0, 300)]
)
def test_a_retry_after_is_respected_within_max_retry_seconds(asked, waited):
    error = ServerError("")
    error.retry_after_seconds = asked
    assert delay(error) == waited


def test_with_max_retry_seconds_0_there_is_one_attempt():
    assert delay(ServerError(""), max_retry_seconds=0) is None


def test_a_refused_token_is_replaced_at_most_twice():
    error = response_error(TokenRefusedError)
    waits = [delay(error, failures=count, max_retry_seconds=0) for count in (1, 2, 3)]
    assert waits == [0, 0, None]
    assert MAX_REAUTHENTICATIONS == 2


def test_a_fatal_error_is_not_retried():
    assert delay(CredentialsError("")) is None


def test_only_rate_and_concurrency_limits_pause_all_threads():
    assert pauses_all_threads(response_error(RateLimitError))
    assert pauses_all_threads(response_error(ConcurrencyLimitError))
    assert pauses_all_threads(ThrottledError(""))
    assert not pauses_all_threads(response_error(TransientError))
    assert not pauses_all_threads(ServerError(""))
