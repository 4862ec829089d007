"""Tests of which keys are looked up, and of pages that wait for them."""

from __future__ import annotations

import pytest

from tap_marketo_opps.finding.lookup_stage import LookupStage
from tap_marketo_opps.finding.page_result import PageResult, never_force
from tap_marketo_opps.finding.pending_keys import PendingKeys
from tap_marketo_opps.finding.waiting_stage import MAX_PAGES_WAITING
from tests.tap_marketo_opps.finding.fakes import FakeQuery, make_lookup, page_of

NOTHING = {"always": "", "if_new": ""}


def _page(*keys, token=None):
    return page_of([{"key": key} for key in keys], token)


def _lookup(pending=None, *, write_found_first=True, is_new=never_force):
    return LookupStage(
        FakeQuery(),
        "linked",
        "key",
        lambda result: result.keys,
        write_found_first=write_found_first,
        is_new=is_new,
        pending=pending,
    )


def _naming(*keys, is_tracked=False):
    return PageResult("found", (), keys=keys, position={}, is_tracked=is_tracked)


def _asked(lookup):
    """Return the keys of the calls that are made now, even if they are not full."""
    lookup.flush_partial()
    cursors = []
    while cursor := lookup.next_cursor():
        cursors.append(cursor)
    return cursors


# What a lookup asks for


def test_a_lookup_is_idle_when_no_key_is_queued_or_under_way():
    lookup = _lookup()
    assert lookup.is_idle
    list(lookup.accept(_naming(("a", True))))
    assert not lookup.is_idle
    (cursor,) = _asked(lookup)
    assert not lookup.is_idle
    list(lookup.process(cursor, _page()))
    assert lookup.is_idle


@pytest.mark.parametrize("sealed", [False, True])
def test_a_queued_key_is_looked_up_once_for_both_reasons(sealed):
    lookup = _lookup()
    list(lookup.accept(_naming(("a", False), ("b", False))))
    cursors = _asked(lookup) if sealed else []
    list(lookup.accept(_naming(("a", True))))
    (cursor,) = cursors + _asked(lookup)
    result, *released = lookup.process(cursor, _page("a", "b"))
    assert [result.emit_regardless_of_age(record) for record in result.records] == [True, False]
    assert len(released) == 2


def test_a_key_with_a_written_page_is_looked_up_again_if_forced():
    lookup = _lookup()
    list(lookup.accept(_naming(("a", False))))
    (cursor,) = _asked(lookup)
    list(lookup.process(cursor, _page("a", token="more")))
    list(lookup.accept(_naming(("a", True))))
    assert [again.keys for again in _asked(lookup)] == [{"a": True}]


def test_a_key_that_found_something_new_is_not_looked_up_again():
    lookup = _lookup(is_new=lambda record: record["key"] == "new")
    list(lookup.accept(_naming(("new", False), ("old", False))))
    (cursor,) = _asked(lookup)
    list(lookup.process(cursor, _page("new", "old")))
    list(lookup.accept(_naming(("new", True), ("old", True))))
    assert [again.keys for again in _asked(lookup)] == [{"old": True}]


def test_each_invalid_key_is_counted_once_and_a_few_are_kept():
    lookup = _lookup()
    keys = [f"{number},x" for number in range(7)]
    for always in (False, False, True):
        list(lookup.accept(_naming(*((key, always) for key in keys))))
    assert (lookup.invalid_key_count, lookup.sample_invalid_keys) == (7, keys[:5])


def test_an_empty_key_is_counted_and_not_left_in_the_position():
    pending = PendingKeys()
    lookup = _lookup(pending)
    list(lookup.accept(_naming(("", True), ("a", False), is_tracked=True)))
    list(lookup.accept(_naming(("", False))))
    assert lookup.missing_key_count == 2
    assert pending.track({}, []).mark_written() == {"keys": NOTHING | {"if_new": "a"}}


def test_a_key_that_is_invalid_is_not_looked_up_later():
    lookup = _lookup()
    for force in (False, True, False, True):
        list(lookup.accept(_naming(("a,b", force))))
    assert _asked(lookup) == []
    assert lookup.invalid_key_count == 1


def test_records_written_ahead_keep_being_emitted_at_any_age():
    lookup = _lookup(write_found_first=False)
    result = PageResult(
        "found",
        [{"key": "a"}],
        emit_regardless_of_age=lambda _: True,
        position={},
        keys=[("a", True)],
    )
    assert list(lookup.accept(result)) == []
    (cursor,) = _asked(lookup)
    named, *_ = lookup.process(cursor, _page("a"))
    assert named.records == result.records
    assert named.emit_regardless_of_age(result.records[0])


# How long a position waits


def _waits(lookup, *, is_tracked=False):
    """Return how many pages with one key each wait until a call is made; at most 100."""
    list(lookup.accept(_naming(("waited for", True), is_tracked=is_tracked)))
    for number in range(1, 100):
        if lookup.next_cursor():
            return number
        list(lookup.accept(_naming()))
    return None


def test_a_call_is_made_short_once_so_many_pages_wait():
    assert _waits(_lookup()) == MAX_PAGES_WAITING + 1


def test_pages_may_wait_for_a_call_that_is_under_way():
    lookup = _lookup()
    list(lookup.accept(_naming(("a", True))))
    assert len(_asked(lookup)) == 1
    assert _waits(lookup) is None


def _tracked(lookup, pending, number, *keys):
    """Return the keys in the position once a page is written, and once its keys are looked up."""
    page = pending.track({"token": number}, keys)
    result = PageResult(
        "log", (), keys=tuple(page.keys.items()), position=page.mark_looked_up, is_tracked=True
    )
    released = list(lookup.accept(result))
    return page.mark_written()["keys"], [each.resolve_position()["keys"] for each in released]


def test_pages_of_tracked_keys_wait_for_a_full_call():
    pending = PendingKeys()
    lookup = _lookup(pending)
    for number in range(290):
        _tracked(lookup, pending, number, (f"k{number}", True))
    assert lookup.next_cursor() is None
    for number in range(290, 300):
        _tracked(lookup, pending, number, (f"k{number}", True))
    assert len(lookup.next_cursor().keys) == 300


def test_tracked_pages_of_too_many_keys_wait_as_others_do():
    pending = PendingKeys(max_keys=5)
    for number in range(6):
        pending.add(f"other {number}", force=True)
    assert _waits(_lookup(pending), is_tracked=True) == MAX_PAGES_WAITING + 1


def test_pages_count_as_waiting_until_they_go_on():
    pending = PendingKeys()
    lookup = _lookup(pending)
    for number in range(5):
        _tracked(lookup, pending, number, (f"k{number}", True))
    (cursor,) = _asked(lookup)
    assert len([*lookup.process(cursor, _page())]) == 6
    assert _waits(lookup) == MAX_PAGES_WAITING + 1


def test_other_pages_wait_no_longer_next_to_tracked_ones():
    pending = PendingKeys()
    lookup = _lookup(pending)
    for number in range(5):
        _tracked(lookup, pending, number, (f"k{number}", True))
    assert _waits(lookup) == MAX_PAGES_WAITING + 1


# What a position carries


def test_a_position_carries_only_keys_to_be_looked_up():
    pending = PendingKeys()
    lookup = _lookup(pending)
    keys = ("a", True), ("b,c", True)
    assert _tracked(lookup, pending, 1, *keys) == ({"always": "a", "if_new": ""}, [])
    (cursor,) = _asked(lookup)
    *_, released = lookup.process(cursor, _page("a"))
    assert released.resolve_position()["keys"] == NOTHING
    assert _tracked(lookup, pending, 2, *keys) == (NOTHING, [NOTHING])


def test_a_position_carries_the_stronger_reason_of_a_key():
    pending = PendingKeys()
    lookup = _lookup(pending)
    assert _tracked(lookup, pending, 1, ("a", False))[0] == {"always": "", "if_new": "a"}
    assert _tracked(lookup, pending, 2, ("a", True))[0] == {"always": "a", "if_new": ""}


def test_a_position_carries_no_keys_of_untracked_pages():
    pending = PendingKeys()
    lookup = _lookup(pending)
    list(lookup.accept(_naming(("o1", True))))
    assert _tracked(lookup, pending, 1, ("a", True))[0] == {"always": "a", "if_new": ""}


def test_a_tracked_page_without_keys_goes_on_at_once():
    lookup = _lookup(PendingKeys())
    list(lookup.accept(_naming(("a", True))))
    result = PageResult("log", [{"key": "a"}], is_tracked=True)
    assert list(lookup.accept(result)) == [result]


def test_a_key_with_a_comma_is_left_out_and_counted():
    lookup = make_lookup(FakeQuery())
    result = PageResult("found", [{"link": "a,b"}, {"link": "c"}, {"link": "a,b"}])
    list(lookup.accept(result))
    assert (lookup.invalid_key_count, lookup.sample_invalid_keys) == (1, ["a,b"])


def test_a_key_is_looked_up_again_only_if_forced():
    asked = []
    query = FakeQuery()
    lookup = LookupStage(
        query, "linked", "key", lambda result: result.records, write_found_first=True
    )
    for force in (False, False, True, True, False):
        list(lookup.accept(PageResult("found", [("k", force)])))
        lookup.flush_partial()
        while cursor := lookup.next_cursor():
            asked.append(force)
            results = list(lookup.process(cursor, _page("k")))
            assert results[0].emit_regardless_of_age({"key": "K "}) is force
    assert asked == [False, True]
