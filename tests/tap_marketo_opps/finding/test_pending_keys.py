"""A position goes on with the pages and carries the keys that are not looked up to the end."""

from __future__ import annotations

import pytest

from tap_marketo_opps.finding.pending_keys import _MOST_KEYS_TOLD, Backlog, decoded, encoded


@pytest.fixture
def backlog():
    return Backlog()


def _page(backlog, number, *keys):
    """A page whose keys are all going to be looked up, and whose records are written."""
    page = backlog.page({"token": number}, keys)
    for key, always in page.keys.items():
        backlog.add(key, always=always)
    return page, page.written()


def test_a_written_page_is_told_with_the_keys_that_are_still_to_be_looked_up(backlog):
    first, told = _page(backlog, 1, ("a", False), ("b", True))
    assert told == {"token": 1, "keys": encoded({"a": False, "b": True})}
    second, told = _page(backlog, 2, ("c", True))
    assert told == {"token": 2, "keys": encoded({"a": False, "b": True, "c": True})}
    assert first.settled() == {"token": 2, "keys": encoded({"c": True})}
    assert second.settled() == {"token": 2, "keys": encoded({})}


@pytest.mark.parametrize(
    "keys", [{}, {"1": True}, {"1": False}, {"1": True, "22": False, "3": True}]
)
def test_keys_come_back_out_of_a_position_as_they_were(keys):
    assert decoded(encoded(keys)) == keys


def test_a_position_that_was_told_does_not_change_with_what_comes_later(backlog):
    page, told = _page(backlog, 1, ("a", True))
    page.settled()
    assert told == {"token": 1, "keys": encoded({"a": True})}


def test_a_key_named_again_for_a_stronger_reason_stays_until_that_is_looked_up(backlog):
    first, _ = _page(backlog, 1, ("a", False))
    second, told = _page(backlog, 2, ("a", True))
    assert told["keys"] == encoded({"a": True})
    assert first.settled()["keys"] == encoded({"a": True})
    assert second.settled()["keys"] == encoded({})


def test_within_a_page_the_stronger_reason_counts(backlog):
    page, _ = _page(backlog, 1, ("a", True), ("a", False))
    assert page.keys == {"a": True}


def test_a_key_named_again_for_a_weaker_reason_keeps_the_stronger(backlog):
    _page(backlog, 1, ("a", True))
    _, told = _page(backlog, 2, ("a", False))
    assert told["keys"] == encoded({"a": True})


def test_with_too_many_keys_the_position_is_that_of_the_last_settled_page(backlog):
    many = [(f"k{number}", True) for number in range(_MOST_KEYS_TOLD)]
    first, told = _page(backlog, 1, *many)
    assert told["token"] == 1
    assert not backlog.is_full
    second, told = _page(backlog, 2, ("one more", True))
    assert told is None
    assert backlog.is_full
    third, _ = _page(backlog, 3, *[(f"other {key}", True) for key, _ in many])
    # The first is told already; the second is settled, and the third has too many keys.
    assert first.settled() is None
    assert second.settled() == {"token": 3, "keys": encoded(third.keys)}
    assert third.settled() == {"token": 3, "keys": encoded({})}


def test_where_later_pages_keep_it_full_each_settled_page_is_told_once(backlog):
    pages = []
    for number in range(1, 4):
        keys = [(f"{number} {each}", True) for each in range(_MOST_KEYS_TOLD + 1)]
        pages.append(_page(backlog, number, *keys)[0])
    assert pages[0].settled() == {"token": 1, "keys": encoded({})}
    assert pages[0].settled() is None
    assert pages[1].settled() == {"token": 2, "keys": encoded({})}
