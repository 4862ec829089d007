"""The search for the first activities of a type: how far back, and in how many pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from marketo_opps import MarketoError, Page
from tap_marketo_opps.log_probe import LogProbe, days_kept, probe_log, since_kept

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
SINCE_TEXT = "2026-01-01T00:00:00Z"


def activity(lead, date):
    return {"leadId": lead, "activityDate": date}


def page(*activities, token, more=True):
    return Page([*activities], token, more=more, request_id="r", call="GET /log")


class Log:
    """A client with a log of these pages, which records its calls."""

    def __init__(self, *pages):
        self.asked = []
        self._pages = iter(pages)

    def paging_token(self, since):
        self.asked.append(since)
        return "first"

    def activities(self, *, next_page_token, activity_type_ids):
        self.asked.append((next_page_token, activity_type_ids))
        return next(self._pages)


@pytest.mark.parametrize(
    ("name", "days"),
    [("Update Opportunity", 90), ("Add to Opportunity", 760), ("Remove from Opportunity", 760)],
)
def test_changes_of_opportunities_are_kept_for_less_time(name, days):
    assert days_kept(name) == days
    client = SimpleNamespace(server_now=lambda: SINCE)
    assert since_kept(client, name) == SINCE - timedelta(days=days)


@pytest.mark.parametrize("more", [True, False])
def test_a_search_ends_with_the_first_page_that_has_activities(more):
    log = Log(
        page(token="t1"),
        page(
            activity(7, "2026-01-04T00:00:00Z"),
            activity(5, "2026-01-03T00:00:00+00:00"),
            activity(7, "2026-01-05T00:00:00Z"),
            token="t2",
            more=more,
        ),
    )
    probe = probe_log(log, 34, SINCE)
    assert probe == LogProbe(SINCE_TEXT, "2026-01-03T00:00:00Z", ("7", "5"), is_whole=not more)
    assert log.asked == [SINCE, ("first", [34]), ("t1", [34])]


@pytest.mark.parametrize("empty_pages", [0, 4])
def test_a_log_without_such_activities_is_read_to_its_end(empty_pages):
    pages = [page(token=f"t{number}") for number in range(empty_pages)]
    log = Log(*pages, page(token="end", more=False))
    assert probe_log(log, 34, SINCE) == LogProbe(SINCE_TEXT, None, (), is_whole=True)
    assert len(log.asked) == empty_pages + 2


def test_of_a_longer_log_five_pages_are_read():
    log = Log(*(page(token=f"t{number}") for number in range(9)))
    assert probe_log(log, 34, SINCE) == LogProbe(SINCE_TEXT, None, (), is_whole=False)
    assert [token for token, _ in log.asked[1:]] == ["first", "t0", "t1", "t2", "t3"]


@pytest.mark.parametrize(
    ("pages", "why"),
    [
        ([page(token="first")], "a page token of the activity log that it sent before"),
        ([page(token="a"), page(token="b"), page(token="a")], "that it sent before"),
        ([page(token=None)], "moreResult is true without a page token"),
        ([page(token="a", more=None)], "no moreResult"),
        ([page({"leadId": 7}, token="a")], "no activityDate"),
        ([page(activity(None, "2026-01-03T00:00:00Z"), token="a")], "no leadId"),
    ],
)
def test_a_log_that_cannot_be_read_is_an_error(pages, why):
    with pytest.raises(MarketoError, match=why):
        probe_log(Log(*pages), 34, SINCE)
