"""What a stage asks for and when, and what its positions and its records wait for."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from marketo_opps import MarketoObject, Page, PageTokenError, Reason
from tap_marketo_opps.finding.key_sources import LeadRange
from tap_marketo_opps.finding.pending_keys import _MOST_KEYS_TOLD, Backlog
from tap_marketo_opps.finding.stages import (
    _MOST_PAGES_WAITING,
    _MOST_REFUSALS,
    Lookup,
    Query,
    Reading,
    Step,
    Sweep,
    never,
)

REFUSED = PageTokenError("GET /x", [Reason("1003", "Invalid next page token")], None)
NOTHING = {"always": "", "if_new": ""}


def _page(*keys, token=None):
    records = [{"key": key} for key in keys]
    return Page(records, token, more=token is not None, request_id=None)


def _told(keys, token):
    """A page that tells what was asked for."""
    page = _page(*keys, str(token), token="further")
    return replace(page, request_id=(keys, token))


QUERY = SimpleNamespace(key_field="key", obj="opportunities", page=_told)


def _lookup(backlog=None, *, found_first=True, is_new=never):
    return Lookup(
        QUERY,
        "linked",
        lambda step: step.keys,
        found_first=found_first,
        is_new=is_new,
        backlog=backlog,
    )


def _naming(*keys, in_backlog=False):
    return Step("found", (), keys=keys, position={}, in_backlog=in_backlog)


def _asked(lookup):
    """What is looked up now, where a call may be short."""
    lookup.seal()
    readings = []
    while reading := lookup.next_reading():
        readings.append(reading)
    return readings


# Steps and queries


def test_a_position_is_told_when_the_step_is_written():
    assert Step("found", (), position={"next": 3}).told() == {"next": 3}
    assert Step("found", (), position=lambda: {"next": 4}).told() == {"next": 4}
    assert Step("found", ()).told() is None


def test_a_query_is_the_same_for_all_keys_and_pages():
    asked = {}
    client = SimpleNamespace(query=lambda obj, **call: asked.update(call, obj=obj))
    query = Query(client, MarketoObject.OPPORTUNITIES, "dedupeFields", "id", ("name",), 200)
    query.page(("a", "b"), "next")
    assert asked == {
        "obj": MarketoObject.OPPORTUNITIES,
        "filter_type": "dedupeFields",
        "filter_values": ("a", "b"),
        "fields": ("name",),
        "batch_size": 200,
        "next_page_token": "next",
    }


@pytest.mark.parametrize("kind", ["sweep", "lookup"])
def test_each_page_is_asked_for_by_the_token_of_the_one_before(kind):
    stage = _sweep(1) if kind == "sweep" else _lookup()
    reading = stage.next_reading() or Reading(0, {"1": True})
    before = _page("1", token="more")
    first = stage.calls(reading)
    assert first(None)().request_id == (("1",), None)
    # What a sweep reads next has to wait for its turn.
    next_call = first(before)
    assert next_call is None if kind == "sweep" else next_call().request_id == (("1",), "more")
    assert first(_page("1")) is None
    reading.token = "more"
    assert stage.calls(reading)(None)().request_id == (("1",), "more")


# Sweeps


def _sweep(count, **more):
    return Sweep(QUERY, "found", LeadRange(1, count), noun="leads", **more)


def test_a_sweep_is_idle_when_no_chunk_is_left_untouched_or_half_read():
    sweep = _sweep(300)
    assert not sweep.idle
    reading = sweep.next_reading()
    assert sweep.next_reading() is None
    assert not sweep.idle
    sweep.read(reading, _page("1", token="more"))
    assert not sweep.idle
    sweep.read(reading, _page("2"))
    assert sweep.idle


def test_where_only_half_read_chunks_are_left_the_position_stays_at_the_end():
    at = {"next": 600, "open": [[300, "token"]], "done": 300, "unmatched": 0}
    sweep = _sweep(600, at=at)
    reading = sweep.next_reading()
    (step,) = sweep.read(reading, _page("301", token="further"))
    assert step.position == at | {"open": [[300, "further"]]}
    (step,) = sweep.read(reading, _page("302"))
    assert step.position == at | {"open": [], "done": 600}


def test_a_chunk_whose_page_token_was_refused_is_read_from_its_first_page_and_counted_anew():
    at = {"next": 300, "open": [[0, "token"]], "done": 0, "unmatched": 0}
    sweep = _sweep(300, at=at)
    reading = sweep.next_reading()
    sweep.read(reading, _page("7", token="further"))
    sweep.restart(reading, REFUSED)
    _, token = sweep.calls(reading)(None)().request_id
    assert token is None
    with pytest.raises(PageTokenError):
        sweep.restart(reading, REFUSED)
    sweep.read(reading, _page("1", "2"))
    assert sweep.unmatched == 298


def test_a_page_token_that_is_refused_again_and_again_is_refused():
    reading = Reading(0, {}, token="a")
    for _ in range(_MOST_REFUSALS):
        reading.drop_token(REFUSED)
        assert reading.token is None
    with pytest.raises(PageTokenError):
        reading.drop_token(REFUSED)


# What a lookup asks for


def test_a_lookup_is_idle_when_nothing_is_being_gathered_or_looked_up():
    lookup = _lookup()
    assert lookup.idle
    list(lookup.accept(_naming(("a", True))))
    assert not lookup.idle
    (reading,) = _asked(lookup)
    assert not lookup.idle
    list(lookup.read(reading, _page()))
    assert lookup.idle


@pytest.mark.parametrize("sealed", [False, True])
def test_a_key_about_to_be_looked_up_is_so_once_for_the_stronger_reason(sealed):
    lookup = _lookup()
    list(lookup.accept(_naming(("a", False), ("b", False))))
    readings = _asked(lookup) if sealed else []
    list(lookup.accept(_naming(("a", True))))
    (reading,) = readings + _asked(lookup)
    step, *released = lookup.read(reading, _page("a", "b"))
    assert [step.always(record) for record in step.records] == [True, False]
    assert len(released) == 2


def test_a_key_whose_first_page_is_written_already_is_looked_up_again_for_a_stronger_reason():
    lookup = _lookup()
    list(lookup.accept(_naming(("a", False))))
    (reading,) = _asked(lookup)
    list(lookup.read(reading, _page("a", token="more")))
    list(lookup.accept(_naming(("a", True))))
    assert [again.keys for again in _asked(lookup)] == [{"a": True}]


def test_a_key_that_found_something_new_is_not_looked_up_again():
    lookup = _lookup(is_new=lambda record: record["key"] == "new")
    list(lookup.accept(_naming(("new", False), ("old", False))))
    (reading,) = _asked(lookup)
    list(lookup.read(reading, _page("new", "old")))
    list(lookup.accept(_naming(("new", True), ("old", True))))
    assert [again.keys for again in _asked(lookup)] == [{"old": True}]


def test_each_key_that_cannot_be_asked_for_is_counted_once_and_the_first_are_named():
    lookup = _lookup()
    keys = [f"{number},x" for number in range(7)]
    for always in (False, False, True):
        list(lookup.accept(_naming(*((key, always) for key in keys))))
    assert (lookup.unaskable, lookup.unaskable_names) == (7, keys[:5])


def test_records_that_go_ahead_of_what_they_lead_to_are_still_told_always():
    lookup = _lookup(found_first=False)
    step = Step("found", [{"key": "a"}], always=lambda _: True, position={}, keys=[("a", True)])
    assert list(lookup.accept(step)) == []
    (reading,) = _asked(lookup)
    named, *_ = lookup.read(reading, _page("a"))
    assert named.records == step.records
    assert named.always(step.records[0])


# How long a position waits


def _waits(lookup, *, in_backlog=False):
    """How many pages that lead to one key wait before it is asked for; at most 100."""
    list(lookup.accept(_naming(("waited for", True), in_backlog=in_backlog)))
    for number in range(1, 100):
        if lookup.next_reading():
            return number
        list(lookup.accept(_naming()))
    return None


def test_a_call_is_made_short_once_so_many_pages_wait_for_it():
    assert _waits(_lookup()) == _MOST_PAGES_WAITING + 1


def test_pages_may_wait_for_a_call_that_is_under_way():
    lookup = _lookup()
    list(lookup.accept(_naming(("a", True))))
    assert len(_asked(lookup)) == 1
    assert _waits(lookup) is None


def _in_backlog(lookup, backlog, number, *keys):
    """What a STATE tells of the keys once a page is written, and once what it led to is."""
    page = backlog.page({"token": number}, keys)
    step = Step("log", (), keys=tuple(page.keys.items()), position=page.settled, in_backlog=True)
    released = list(lookup.accept(step))
    return page.written()["keys"], [each.told()["keys"] for each in released]


def test_pages_whose_keys_a_position_carries_may_wait_for_a_full_call():
    backlog = Backlog()
    lookup = _lookup(backlog)
    for number in range(290):
        _in_backlog(lookup, backlog, number, (f"k{number}", True))
    assert lookup.next_reading() is None
    for number in range(290, 300):
        _in_backlog(lookup, backlog, number, (f"k{number}", True))
    assert len(lookup.next_reading().keys) == 300


def test_where_a_position_cannot_carry_all_keys_such_pages_wait_no_longer_than_others():
    backlog = Backlog()
    for number in range(_MOST_KEYS_TOLD + 1):
        backlog.add(f"other {number}", always=True)
    assert _waits(_lookup(backlog), in_backlog=True) == _MOST_PAGES_WAITING + 1


def test_pages_count_as_waiting_until_they_go_on():
    backlog = Backlog()
    lookup = _lookup(backlog)
    for number in range(5):
        _in_backlog(lookup, backlog, number, (f"k{number}", True))
    (reading,) = _asked(lookup)
    assert len([*lookup.read(reading, _page())]) == 6
    assert _waits(lookup) == _MOST_PAGES_WAITING + 1


def test_other_pages_do_not_wait_longer_for_those_that_may():
    backlog = Backlog()
    lookup = _lookup(backlog)
    for number in range(5):
        _in_backlog(lookup, backlog, number, (f"k{number}", True))
    assert _waits(lookup) == _MOST_PAGES_WAITING + 1


# What a position carries


def test_a_position_carries_only_what_is_going_to_be_looked_up():
    backlog = Backlog()
    lookup = _lookup(backlog)
    keys = ("a", True), ("b,c", True)
    assert _in_backlog(lookup, backlog, 1, *keys) == ({"always": "a", "if_new": ""}, [])
    (reading,) = _asked(lookup)
    *_, released = lookup.read(reading, _page("a"))
    assert released.told()["keys"] == NOTHING
    assert _in_backlog(lookup, backlog, 2, *keys) == (NOTHING, [NOTHING])


def test_a_position_carries_a_key_with_the_stronger_reason_it_was_named_for():
    backlog = Backlog()
    lookup = _lookup(backlog)
    assert _in_backlog(lookup, backlog, 1, ("a", False))[0] == {"always": "", "if_new": "a"}
    assert _in_backlog(lookup, backlog, 2, ("a", True))[0] == {"always": "a", "if_new": ""}


def test_a_position_carries_nothing_of_steps_that_are_not_in_the_backlog():
    backlog = Backlog()
    lookup = _lookup(backlog)
    list(lookup.accept(_naming(("o1", True))))
    assert _in_backlog(lookup, backlog, 1, ("a", True))[0] == {"always": "a", "if_new": ""}


def test_a_step_of_the_backlog_that_names_nothing_goes_on_at_once():
    lookup = _lookup(Backlog())
    list(lookup.accept(_naming(("a", True))))
    step = Step("log", [{"key": "a"}], in_backlog=True)
    assert list(lookup.accept(step)) == [step]
