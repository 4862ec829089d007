"""Tests of reading a period of the activity log, with pages of any form."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from marketo_opps import Page, PageTokenError, Reason
from marketo_opps.errors import UnexpectedResponseError
from tap_marketo_opps.finding.activity_log import (
    ActivityLogReader,
    activity_date,
    activity_type_id,
    lead_id,
    read_followed_types,
)
from tap_marketo_opps.finding.pending_keys import PendingKeys, encode_keys

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


def _log(client, at=None, **more):
    return ActivityLogReader(
        client,
        [34],
        since=SINCE,
        until=UNTIL,
        batch_size=300,
        keys_of=lambda log: [(str(activity["leadId"]), True) for activity in log],
        pending=PendingKeys(),
        at=at,
        **more,
    )


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def log(client):
    return _log(client)


def test_only_activities_within_the_bounds_count(log):
    dates = [
        "2025-12-31T23:59:59Z",
        SINCE,
        "2026-01-05T00:00:00+0000",
        UNTIL,
        "2026-02-01T00:00:00Z",
    ]
    result, _ = log.process(log.next_cursor(), _page(*dates))
    assert [record["activityDate"] for record in result.records] == dates[1:4]


def test_it_ends_with_the_last_page_or_one_past_the_end(log):
    assert not log.is_idle
    cursor = log.next_cursor()
    log.process(cursor, _page())
    log.process(cursor, _page(UNTIL, "2026-02-01T00:00:00Z"))
    assert not cursor.done
    assert not log.is_idle
    log.process(cursor, _page("2026-02-01T00:00:00Z"))
    assert cursor.done
    assert log.is_idle
    assert log.next_cursor() is None


def test_the_first_page_is_requested_from_one_second_earlier(client, log):
    calls = log.calls(log.next_cursor())
    calls(None)()
    # The next one waits for its turn.
    assert calls(_page()) is None
    assert client.asked == [datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), "first"]


def test_after_a_refused_token_it_resumes_by_timestamp(client, log):
    cursor = log.next_cursor()
    result, _ = log.process(cursor, _page("2026-01-05T00:00:00Z"))
    position = result.resolve_position()
    assert position == {"token": "next", "reached": "2026-01-05T00:00:00Z", "keys": encode_keys({})}
    again = _log(client, position)
    cursor = again.next_cursor()
    again.calls(cursor)(None)()
    again.restart(cursor, REFUSED)
    again.calls(cursor)(None)()
    assert client.asked == ["next", datetime(2026, 1, 4, 23, 59, 59, tzinfo=UTC), "first"]


def test_after_a_refused_token_known_tokens_may_come_again(client, log):
    client.activities = lambda **_asked: _page(token="after the first")
    cursor = log.next_cursor()
    log.process(cursor, log.calls(cursor)(None)())
    log.restart(cursor, REFUSED)
    log.process(cursor, log.calls(cursor)(None)())
    assert cursor.token == "after the first"
    with pytest.raises(UnexpectedResponseError, match="that it sent before"):
        log.calls(cursor)(None)()


def test_a_token_refused_again_and_again_ends_the_reading(log):
    cursor = log.next_cursor()
    for _ in range(3):
        for _ in range(5):
            log.restart(cursor, REFUSED)
        log.process(cursor, _page())
    for _ in range(5):
        log.restart(cursor, REFUSED)
    with pytest.raises(PageTokenError):
        log.restart(cursor, REFUSED)


def test_keys_of_earlier_pages_come_with_the_next_runs_first(client, log):
    at = {"token": "next", "reached": SINCE, "keys": encode_keys({"7": False, "1": False})}
    again = _log(client, at)
    cursor = again.next_cursor()
    _, named = again.process(cursor, _page("2026-01-05T00:00:00Z"))
    assert named.keys == (("7", False), ("1", True))
    _, named = again.process(cursor, _page("2026-01-06T00:00:00Z"))
    assert named.keys == (("1", True),)


def test_pages_of_the_log_wait_for_their_own_keys_only(log):
    results = log.process(log.next_cursor(), _page("2026-01-05T00:00:00Z"))
    assert [(bool(result.keys), result.is_tracked) for result in results] == [
        (False, True),
        (True, True),
    ]


def test_an_activity_out_of_order_has_nothing_read_again(log):
    cursor = log.next_cursor()
    log.process(cursor, _page("2026-01-05T00:00:00Z"))
    log.process(cursor, _page("2026-01-04T00:00:00Z"))
    assert log.reached == "2026-01-05T00:00:00Z"


def test_a_page_that_names_nothing_holds_nothing_back(log):
    (result,) = log.process(log.next_cursor(), _page())
    assert result.resolve_position()["token"] == "next"


def test_what_is_odd_about_the_types_is_logged(client, caplog):
    caplog.set_level("INFO")
    client.activity_types = lambda: {"Update Opportunity": 36, "Opportunity Score": 100_001}
    assert read_followed_types(client).names == {36: "Update Opportunity"}
    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING", "WARNING", "WARNING", "INFO"]


def test_entries_of_merges_name_leads_and_are_not_emitted(client):
    log = ActivityLogReader(
        client,
        [32, 34],
        merges=[32],
        since=SINCE,
        until=UNTIL,
        batch_size=300,
        keys_of=lambda log: [(str(activity["leadId"]), True) for activity in log],
        pending=PendingKeys(),
    )
    types = {1: 32, 2: 34, 3: "32", 4: None}
    entries = [
        {"leadId": lead, "activityTypeId": kind, "activityDate": SINCE}
        for lead, kind in types.items()
    ]
    told, named = log.process(log.next_cursor(), Page(entries, "next", more=True, request_id=None))
    assert [entry["leadId"] for entry in told.records] == [2, 4]
    assert [key for key, _ in named.keys] == ["1", "2", "3", "4"]


class Late:
    """A measurement of late entries that only records the entries it is given."""

    def __init__(self):
        self.taken, self.is_void = [], False

    def take(self, dates):
        self.taken += dates

    def position(self):
        return {"tail": len(self.taken)}

    def void(self):
        self.is_void = True


def test_entries_within_the_bounds_are_counted_and_the_count_kept(client):
    late = Late()
    log = _log(client, late=late, merges=[32])
    merge = {"activityDate": SINCE, "leadId": 1, "activityTypeId": 32}
    page = _page("2025-12-31T23:59:59Z", SINCE, "2026-01-05T00:00:00+0000")
    page.records.append(merge)
    told, _ = log.process(log.next_cursor(), page)
    assert late.taken == [SINCE, "2026-01-05T00:00:00Z"]
    assert told.resolve_position()["tail"] == 2


def test_entries_that_are_read_again_are_not_counted(client):
    late = Late()
    log = _log(client, late=late)
    cursor = log.next_cursor()
    log.process(cursor, _page())
    assert not late.is_void
    log.restart(cursor, REFUSED)
    assert late.is_void


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        *((each, 36) for each in (36, "36", 36.0, "36.0", "3.6e1")),
        *((each, 0) for each in (None, "x", {}, float("inf"), 36.5, "3_6", "\u0663\u0666")),
    ],
)
def test_a_type_is_read_in_any_form(sent, kind):
    assert activity_type_id({"activityTypeId": sent}) == kind
    assert activity_type_id({}) == 0


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        ({"marketoGUID": "g", "id": 7}, "g"),
        ({"id": 7}, "7"),
        ({"marketoGUID": " ", "id": "7"}, "7"),
        ({"marketoGUID": None, "id": 0}, "0"),
        ({"marketoGUID": None, "id": None}, None),
    ],
)
def test_an_activity_without_a_guid_goes_by_its_id(log, sent, key):
    entry = {**sent, "leadId": 1, "activityDate": SINCE}
    page = Page([entry], "next", more=True, request_id=None)
    told, _ = log.process(log.next_cursor(), page)
    assert [each["marketoGUID"] for each in told.records] == [key]


@pytest.mark.parametrize("lead", [5, "5", 5.0, " 5 "])
def test_a_lead_id_is_read_in_any_form(lead):
    assert lead_id({"leadId": lead}) == 5


@pytest.mark.parametrize(
    ("read", "activity"),
    [
        (lead_id, {}),
        (lead_id, {"leadId": None}),
        (lead_id, {"leadId": "five"}),
        (activity_date, {}),
        (activity_date, {"activityDate": " "}),
        (activity_date, {"activityDate": "yesterday"}),
    ],
)
def test_an_activity_without_lead_or_date_ends_the_run(read, activity):
    with pytest.raises(UnexpectedResponseError, match=r"activity 9 has no .* that can be read"):
        read({"marketoGUID": "9", **activity})


def test_the_log_is_never_requested_moments_before_1970():
    client = Client()
    log = _log(
        client, at={"token": None, "reached": "0001-01-01T00:00:00Z", "keys": encode_keys({})}
    )
    log.calls(log.next_cursor())(None)()
    assert client.asked == [datetime(1970, 1, 1, tzinfo=UTC), "first"]
