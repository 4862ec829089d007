"""Tests of reading a static list, and of resuming within it."""

from __future__ import annotations

import pytest

from marketo_opps import Page, PageTokenError
from marketo_opps.errors import UnexpectedResponseError
from tap_marketo_opps.finding.lead_list import LeadListReader
from tap_marketo_opps.finding.pending_keys import PendingKeys
from tap_marketo_opps.finding.positions import PositionError
from tap_marketo_opps.finding.stages import MAX_REFUSALS
from tests.tap_marketo_opps.finding.fakes import REFUSED, page_of

NOTHING = {"always": "", "if_new": ""}


def _members(*, next_page_token):
    """Return a page whose request ID is the token that it was asked for by."""
    return Page([{"id": 1}], None, more=None, request_id=next_page_token)


def _reader(at=None, pending=None):
    return LeadListReader(_members, pending or PendingKeys(), at)


def _page(*leads, token=None):
    return page_of([{"id": each} for each in leads], token)


def _read(reader, cursor, *leads, token=None):
    """Return the keys named by a page, and the position once it is written and looked up."""
    results = reader.process(cursor, _page(*leads, token=token))
    assert all((each.stream, each.records) == ("leads", ()) for each in results)
    assert all(each.is_tracked for each in results)
    keys = [key for each in results for key in each.keys or ()]
    return keys, [each.resolve_position() for each in results][-1]


def _at(token, done, if_new=""):
    return {"token": token, "done": done, "keys": NOTHING | {"if_new": if_new}}


def test_each_page_names_its_leads_and_where_the_next_one_begins():
    reader = _reader()
    cursor = reader.next_cursor()
    assert reader.next_cursor() is None
    keys, position = _read(reader, cursor, 7, "8", token="second")
    assert keys == [("7", False), ("8", False)]
    assert position == _at("second", 2)
    assert not reader.is_idle
    assert not cursor.done
    assert cursor.token == "second"
    keys, position = _read(reader, cursor, 9)
    assert keys == [("9", False)]
    # The last page has no token, so it is read again after an interruption.
    assert position == _at("second", 2)
    assert reader.is_idle
    assert cursor.done
    assert reader.keys_done == 3


def test_a_page_without_leads_has_a_position_and_no_keys():
    reader = _reader()
    (result,) = reader.process(reader.next_cursor(), _page(token="second"))
    assert result.resolve_position() == _at("second", 0)


def test_each_page_is_requested_by_its_token_one_at_a_time():
    reader = _reader()
    cursor = reader.next_cursor()
    call = reader.calls(cursor)
    assert call(None)().request_id is None
    assert call(_page(1, token="second")) is None
    cursor.token = "second"
    assert reader.calls(cursor)(None)().request_id == "second"


def test_an_interrupted_reading_resumes_with_what_was_not_looked_up():
    reader = _reader(_at("second", 2, "7,8"))
    cursor = reader.next_cursor()
    assert (cursor.token, reader.keys_done) == ("second", 2)
    keys, _ = _read(reader, cursor, 9, token="third")
    assert keys == [("7", False), ("8", False), ("9", False)]
    keys, _ = _read(reader, cursor, 10, token="fourth")
    assert keys == [("10", False)]


@pytest.mark.parametrize(
    "changed",
    [
        {"token": 7},
        {"token": ""},
        {"done": None},
        {"done": -1},
        {"done": "2"},
        {"keys": None},
        {"keys": {"always": "7,x", "if_new": ""}},
        {"keys": {"always": ""}},
    ],
)
def test_a_position_that_is_none_of_a_list_is_refused(changed):
    with pytest.raises(PositionError):
        _reader(_at("second", 2) | changed)


@pytest.mark.parametrize("missing", ["token", "done", "keys"])
def test_a_position_with_a_member_missing_is_refused(missing):
    at = {name: value for name, value in _at("second", 2).items() if name != missing}
    with pytest.raises(PositionError):
        _reader(at)


def test_after_a_refused_token_the_list_is_read_from_its_beginning():
    reader = _reader(_at("second", 2))
    cursor = reader.next_cursor()
    reader.calls(cursor)(None)()
    reader.restart(cursor, REFUSED)
    assert reader.keys_done == 0
    assert reader.calls(cursor)(None)().request_id is None
    # What was read before counts as read by none, or the first page would seem to be the last.
    _, position = _read(reader, cursor, 7, 8, token="second")
    assert position == _at("second", 2)


def test_refused_tokens_end_the_run_unless_a_new_page_is_read():
    reader = _reader()
    cursor = reader.next_cursor()
    _read(reader, cursor, 1, token="second")
    for _ in range(MAX_REFUSALS):
        reader.restart(cursor, REFUSED)
        _read(reader, cursor, 1, token="second")
    with pytest.raises(PageTokenError):
        reader.restart(cursor, REFUSED)
    _read(reader, cursor, 1, token="second")
    _read(reader, cursor, 2, token="third")
    for _ in range(MAX_REFUSALS):
        reader.restart(cursor, REFUSED)


def test_pages_that_only_repeat_leads_are_the_end_of_a_list():
    pages = iter(Page([{"id": each}], "more", more=None, request_id=None) for each in (1, 2, 1))
    reader = LeadListReader(lambda **_: next(pages), PendingKeys())
    cursor = reader.next_cursor()
    assert [reader.calls(cursor)(None)().more for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize("leads", [[], [7]])
def test_only_a_list_without_leads_is_warned_of(leads, caplog):
    reader = _reader()
    _read(reader, reader.next_cursor(), *leads)
    assert ("The static list has no leads" in caplog.text) is not bool(leads)


@pytest.mark.parametrize("lead", [{}, {"id": None}, {"id": "seven"}])
def test_a_member_without_a_lead_id_is_unexpected(lead):
    reader = _reader()
    page = Page([{"id": 1}, lead], None, more=False, request_id="r#1", call="GET /x")
    with pytest.raises(UnexpectedResponseError, match=r"GET /x.*a lead without an id.*r#1"):
        reader.process(reader.next_cursor(), page)
