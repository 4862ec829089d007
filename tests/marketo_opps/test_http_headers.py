"""Dates and waits in headers, as servers and proxies write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from marketo_opps.http_headers import moment, retry_after_seconds

NOW = datetime(2026, 11, 23, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "Mon, 23 Nov 2026 17:00:00 GMT",
        "Mon, 23 Nov 2026 17:00:00 -0000",
        "Mon, 23 Nov 2026 18:00:00 +0100",
        "23 Nov 2026 17:00:00 GMT",
    ],
)
def test_a_date_is_read_in_utc(value):
    assert moment(value) == NOW
    assert moment(value).utcoffset() == timedelta()


@pytest.mark.parametrize(
    "value",
    [
        *(None, "", "yesterday", "Mon, 99 Nov 2026 17:00:00 GMT"),
        "Fri, 31 Dec 9999 23:00:00 -0500",
    ],
)
def test_an_invalid_date_is_none(value):
    assert moment(value) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("17", 17),
        (" 2.5 ", 2.5),
        ("0", 0),
        ("Mon, 23 Nov 2026 17:01:30 GMT", 90),
        ("Mon, 23 Nov 2026 16:00:00 GMT", 0),
        *((value, None) for value in (None, "", "soon", "-5", "1e9", "9" * 400)),
    ],
)
def test_retry_after_is_in_seconds_or_a_date(value, seconds):
    assert retry_after_seconds(value, NOW) == seconds
