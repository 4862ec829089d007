"""Tests of a reconcile run: what it emits of each page, and the state that it leaves."""

from __future__ import annotations

import logging

import pytest

from marketo_opps import Page
from tap_marketo_opps.errors import TooManyGoneError
from tests.tap_marketo_opps.reconcile.preparation import EARLY, LATE, Client, rows_of
from tests.tap_marketo_opps.reconcile.warehouse import OPPORTUNITIES


class TwoPages(Client):
    """An instance that returns the records of a call on two pages, the second without a GUID."""

    def query(self, obj, *, filter_values, next_page_token, **asked):
        page = super().query(obj, filter_values=filter_values, next_page_token=None, **asked)
        if next_page_token:
            return Page([{"name": "x"}, *page.records[1:]], None, more=False, request_id=None)
        return Page([{"name": "y"}, *page.records[:1]], "second", more=True, request_id=None)


def _emitted(run):
    return [[record["marketoGUID"] for record in page] for _, page in run.pages()]


def _places(prepared):
    return [state[OPPORTUNITIES]["reconcile"] for state in prepared.states]


def test_each_page_has_a_state_and_the_last_has_no_place(prepared):
    prepared.write(rows_of(301))
    run = prepared()
    assert [len(page) for page in _emitted(run)] == [300, 1]
    assert ['"next":300' in (place or "") for place in _places(prepared)] == [True, False, False]
    assert _places(prepared)[-1] is None
    assert (run.output.counts.alike, run.output.counts.changed) == (0, 301)


def test_a_page_within_a_call_keeps_the_place_before_it(prepared):
    prepared.write(rows_of(302))
    assert [len(page) for page in _emitted(prepared(client=TwoPages()))] == [1, 299, 1, 1]
    places = _places(prepared)
    assert (places[0], places[-1]) == (None, None)
    assert '"next":300' in places[1]
    assert places[2] == places[1]
    assert '"next":302' in places[3]
    assert _emitted(prepared(state={"reconcile": places[1]}, client=TwoPages())) == [
        ["g300"],
        ["g301"],
    ]
    assert _places(prepared)[:2] == [places[1], places[3]]


@pytest.mark.parametrize("saved", [None, 7, {"next": 1}])
def test_without_a_readable_place_a_page_within_a_call_has_none(prepared, saved):
    assert _emitted(prepared(state={"reconcile": saved}, client=TwoPages()))
    assert _places(prepared)[0] is None


def test_records_without_a_guid_are_counted_and_not_emitted(prepared):
    run = prepared(client=TwoPages())
    assert _emitted(run) == [["a"], ["b", "c"]]
    assert run.output.counts.keyless == 2


def test_the_time_limit_can_stop_it_only_after_a_new_place(prepared, monkeypatch):
    prepared.write(rows_of(302))
    run = prepared(client=TwoPages())
    advances = []
    box = run.context.time_box
    monkeypatch.setattr(box, "note_advance", lambda: advances.append(len(prepared.states)))
    assert len(_emitted(run)) == 4
    # The first of its pages ends within a call, at the place where the run began.
    assert advances == [2, 3, 4, 5]


def test_too_many_rows_gone_leave_no_place_to_resume_from(prepared):
    prepared.write(rows_of(400))
    run = prepared(client=Client(*(f"g{number}" for number in range(400))))
    with pytest.raises(TooManyGoneError):
        _emitted(run)
    assert _places(prepared)[-1] is None
    assert _places(prepared)[0]


def test_rows_gone_are_counted_and_have_a_tombstone(prepared):
    prepared.write(f"marketoGUID,updatedAt,_sdc_deleted_at\na,{EARLY},\nb,{EARLY},{EARLY}\n")
    run = prepared(client=Client("a", "b"))
    assert [guids for guids in _emitted(run) if guids] == [["a"]]
    counts = run.output.counts
    assert (counts.gone, counts.known_gone, counts.changed) == (1, 1, 0)


def test_it_begins_with_its_rows_warnings_and_place(prepared, caplog):
    caplog.set_level(logging.INFO, "tap-marketo-opps")
    prepared.write(f"marketoGUID,name,updatedAt\na,x,{LATE}\n")
    assert _emitted(prepared()) == [[]]
    assert "opportunities: comparing 1 row with Marketo." in caplog.messages
