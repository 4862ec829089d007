"""Tests of reading chunks of keys, and of resuming from any position."""

from __future__ import annotations

from dataclasses import replace

import pytest

from marketo_opps import Page, PageTokenError
from tap_marketo_opps.finding.key_scan import KeyScan
from tap_marketo_opps.finding.key_sources import LeadRange, ListedKeys
from tap_marketo_opps.finding.stages import MAX_REFUSALS, ChunkCursor, KeyedStage
from tests.tap_marketo_opps.finding.fakes import REFUSED, make_lookup, page_of


def _page(*keys, token=None):
    return page_of([{"key": key} for key in keys], token)


def _query(*, filter_values, next_page_token):
    """Return a page whose record contains the arguments of the query."""
    page = _page(*filter_values, str(next_page_token), token="further")
    return replace(page, request_id=(filter_values, next_page_token))


def _scan(count, **more):
    return KeyScan(_query, "found", "key", LeadRange(1, count), noun="leads", **more)


@pytest.mark.parametrize("kind", ["scan", "lookup"])
def test_each_page_is_requested_by_the_token_before_it(kind):
    stage = _scan(1) if kind == "scan" else make_lookup(_query)
    cursor = stage.next_cursor() or ChunkCursor(0, {"1": True})
    before = _page("1", token="more")
    first = stage.calls(cursor)
    assert first(None)().request_id == (("1",), None)
    # What a scan reads next has to wait for its turn.
    next_call = first(before)
    assert next_call is None if kind == "scan" else next_call().request_id == (("1",), "more")
    assert first(_page("1")) is None
    cursor.token = "more"
    assert stage.calls(cursor)(None)().request_id == (("1",), "more")


def test_a_scan_is_idle_once_all_chunks_are_read():
    scan = _scan(300)
    assert not scan.is_idle
    cursor = scan.next_cursor()
    assert scan.next_cursor() is None
    assert not scan.is_idle
    scan.process(cursor, _page("1", token="more"))
    assert not scan.is_idle
    scan.process(cursor, _page("2"))
    assert scan.is_idle


def test_a_position_stays_at_the_end_for_half_read_chunks():
    at = {"next": 600, "open": [[300, "token"]], "done": 300, "unmatched": 0}
    scan = _scan(600, at=at)
    cursor = scan.next_cursor()
    (result,) = scan.process(cursor, _page("301", token="further"))
    assert result.position == at | {"open": [[300, "further"]]}
    (result,) = scan.process(cursor, _page("302"))
    assert result.position == at | {"open": [], "done": 600}


def test_a_chunk_with_a_refused_token_is_counted_anew():
    at = {"next": 300, "open": [[0, "token"]], "done": 0, "unmatched": 0}
    scan = _scan(300, at=at)
    cursor = scan.next_cursor()
    scan.process(cursor, _page("7", token="further"))
    scan.restart(cursor, REFUSED)
    _, token = scan.calls(cursor)(None)().request_id
    assert token is None
    with pytest.raises(PageTokenError):
        scan.restart(cursor, REFUSED)
    scan.process(cursor, _page("1", "2"))
    assert scan.unmatched == 298


def test_a_token_can_be_dropped_so_often_and_no_more():
    cursor = ChunkCursor(0, {}, token="a")
    for _ in range(MAX_REFUSALS):
        cursor.drop_token(REFUSED)
        assert cursor.token is None
    with pytest.raises(PageTokenError):
        cursor.drop_token(REFUSED)


@pytest.mark.parametrize(
    ("obj", "field", "is_unique"),
    [
        ("opportunities", "marketoGUID", True),
        ("opportunities", "externalOpportunityId", True),
        ("opportunities", "name", False),
        ("opportunity_roles", "marketoGUID", True),
        ("opportunity_roles", "externalOpportunityId", False),
        ("opportunity_roles", "leadId", False),
    ],
)
def test_keys_of_one_record_each_need_no_page_once_all_are_found(obj, field, is_unique):
    def query(*, filter_values, next_page_token):
        assert (filter_values, next_page_token) == (("a",), None)
        found = {field: "a"} if field == "marketoGUID" else {"marketoGUID": "g", field: "a"}
        return Page([found], "more", more=None, request_id=None)

    stage = KeyedStage(query, obj, field)
    page = stage.calls(ChunkCursor(0, {"a": False}))(None)()
    assert page.more is not is_unique


def test_records_found_by_no_key_that_was_asked_for_are_counted():
    scan = _scan(300)
    cursor = scan.next_cursor()
    scan.process(cursor, _page("1", 2, "301", "301", token="further"))
    scan.process(cursor, _page(None, "x", "3"))
    assert scan.echoes == 4


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("marketoGUID", "in ['b', 'c']"),
        ("externalOpportunityId", "in ['b', 'c']"),
        ("leadId", "in ['b', 'c']"),
        ("name", "in 2 values"),
    ],
)
def test_log_lines_name_missing_keys_but_no_other_values(field, told, caplog):
    caplog.set_level("DEBUG")
    keys = ListedKeys("filter_values", ["a", "b", "c"])
    scan = KeyScan(_query, "opportunities", field, keys, noun="values")
    scan.process(scan.next_cursor(), page_of([{field: "a"}]))
    assert f"No opportunities has {field} {told}" in caplog.text
    assert scan.unmatched == 2
