"""The activity log is walked from one moment to another, whatever its pages look like."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from marketo_opps import Page, PageTokenError, Reason
from marketo_opps.errors import UnexpectedResponseError
from tap_marketo_opps.finding.activity_log import (
    LogWalk,
    NoActivityTypesError,
    activity_date,
    activity_types,
    lead_of,
)
from tap_marketo_opps.finding.pending_keys import Backlog, encoded

SINCE, UNTIL = "2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z"
REFUSED = PageTokenError("GET /x", [Reason("1003", "Invalid next page token")], None)


def _page(*dates, token="next", more=True):
    records = [{"activityDate": date, "leadId": 1} for date in dates]
    return Page(records, token, more=more, request_id=None)


class Client:
    def __init__(self):
        self.asked = []

    def paging_token(self, since):
        self.asked.append(since)
        return "first"

    def activities(self, **asked):
        self.asked.append(asked["next_page_token"])
        return _page(token=f"after {len(self.asked)}")

    def activity_types(self):
        return {"Visit Webpage": 1}


def _walk(client, at=None):
    return LogWalk(
        client,
        [34],
        since=SINCE,
        until=UNTIL,
        batch_size=300,
        keys_of=lambda log: [(str(activity["leadId"]), True) for activity in log],
        backlog=Backlog(),
        at=at,
    )


@pytest.fixture
def walk():
    return _walk(Client())


def test_only_what_happened_within_the_walk_counts(walk):
    dates = [
        "2025-12-31T23:59:59Z",
        SINCE,
        "2026-01-05T00:00:00+0000",
        UNTIL,
        "2026-02-01T00:00:00Z",
    ]
    step, _ = walk.read(walk.next_reading(), _page(*dates))
    assert [record["activityDate"] for record in step.records] == dates[1:4]


def test_it_ends_where_there_is_no_more_or_all_of_a_page_is_past_the_end(walk):
    assert not walk.idle
    reading = walk.next_reading()
    walk.read(reading, _page())
    walk.read(reading, _page(UNTIL, "2026-02-01T00:00:00Z"))
    assert not reading.done
    assert not walk.idle
    walk.read(reading, _page("2026-02-01T00:00:00Z"))
    assert reading.done
    assert walk.idle
    assert walk.next_reading() is None


def test_the_first_page_is_asked_for_from_one_second_earlier(walk):
    calls = walk.calls(walk.next_reading())
    calls(None)()
    # The next one waits for its turn.
    assert calls(_page()) is None
    assert walk._client.asked == [datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), "first"]


def test_without_its_page_token_it_goes_on_from_the_last_activity(walk):
    reading = walk.next_reading()
    step, _ = walk.read(reading, _page("2026-01-05T00:00:00Z"))
    position = step.told()
    assert position == {"token": "next", "reached": "2026-01-05T00:00:00Z", "keys": encoded({})}
    again = _walk(walk._client, position)
    reading = again.next_reading()
    again.calls(reading)(None)()
    again.restart(reading, REFUSED)
    again.calls(reading)(None)()
    assert walk._client.asked == ["next", datetime(2026, 1, 4, 23, 59, 59, tzinfo=UTC), "first"]


def test_a_walk_whose_token_was_refused_may_come_by_the_same_tokens_again(walk):
    walk._client.activities = lambda **_asked: _page(token="after the first")
    reading = walk.next_reading()
    walk.read(reading, walk.calls(reading)(None)())
    walk.restart(reading, REFUSED)
    walk.read(reading, walk.calls(reading)(None)())
    assert reading.token == "after the first"
    with pytest.raises(UnexpectedResponseError, match="has led there before"):
        walk.calls(reading)(None)()


def test_a_page_token_that_is_refused_again_and_again_ends_the_walk_unless_pages_come_between(walk):
    reading = walk.next_reading()
    for _ in range(3):
        for _ in range(5):
            walk.restart(reading, REFUSED)
        walk.read(reading, _page())
    for _ in range(5):
        walk.restart(reading, REFUSED)
    with pytest.raises(PageTokenError):
        walk.restart(reading, REFUSED)


def test_what_earlier_pages_named_comes_with_the_first_page_of_the_next_run(walk):
    at = {"token": "next", "reached": SINCE, "keys": encoded({"7": False, "1": False})}
    again = _walk(walk._client, at)
    reading = again.next_reading()
    _, named = again.read(reading, _page("2026-01-05T00:00:00Z"))
    assert named.keys == (("7", False), ("1", True))
    _, named = again.read(reading, _page("2026-01-06T00:00:00Z"))
    assert named.keys == (("1", True),)


def test_no_step_of_the_log_need_wait_for_more_than_its_own_keys(walk):
    steps = walk.read(walk.next_reading(), _page("2026-01-05T00:00:00Z"))
    assert [(bool(step.keys), step.in_backlog) for step in steps] == [(False, True), (True, True)]


def test_an_activity_out_of_order_has_nothing_read_again(walk):
    reading = walk.next_reading()
    walk.read(reading, _page("2026-01-05T00:00:00Z"))
    walk.read(reading, _page("2026-01-04T00:00:00Z"))
    assert walk.reached == "2026-01-05T00:00:00Z"


def test_a_page_that_names_nothing_holds_nothing_back(walk):
    (step,) = walk.read(walk.next_reading(), _page())
    assert step.told()["token"] == "next"


def test_the_activity_types_that_tell_of_opportunities_are_found_by_name():
    client = Client()
    client.activity_types = lambda: {"Visit Webpage": 1, "Update Opportunity": 36}
    assert activity_types(client) == {36: "Update Opportunity"}


def test_an_instance_that_logs_nothing_of_opportunities_is_told_what_else_there_is():
    with pytest.raises(NoActivityTypesError, match="use find_by filter or lead_ids"):
        activity_types(Client())


@pytest.mark.parametrize("lead", [5, "5", 5.0, " 5 "])
def test_a_lead_is_known_in_whatever_form_its_id_comes(lead):
    assert lead_of({"leadId": lead}) == 5


@pytest.mark.parametrize(
    ("read", "activity"),
    [
        (lead_of, {}),
        (lead_of, {"leadId": None}),
        (lead_of, {"leadId": "five"}),
        (activity_date, {}),
        (activity_date, {"activityDate": " "}),
        (activity_date, {"activityDate": "yesterday"}),
    ],
)
def test_an_activity_that_does_not_tell_what_it_is_about_ends_the_walk(read, activity):
    with pytest.raises(UnexpectedResponseError, match=r"activity 9 has no .* that can be read"):
        read({"marketoGUID": "9", **activity})


def test_the_log_is_not_asked_for_what_was_before_there_were_any():
    client = Client()
    walk = _walk(client, at={"token": None, "reached": "0001-01-01T00:00:00Z", "keys": encoded({})})
    walk.calls(walk.next_reading())(None)()
    assert client.asked == [datetime(1970, 1, 1, tzinfo=UTC), "first"]
