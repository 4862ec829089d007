"""Tests of positions that include pending keys."""

from __future__ import annotations

import pytest

from tap_marketo_opps.finding.pending_keys import (
    PendingKeys,
    decode_keys,
    encode_keys,
)


@pytest.fixture
def pending():
    return PendingKeys(max_keys=3)


def _page(pending, number, *keys):
    """Return a tracked page with pending keys, whose records are written."""
    page = pending.track({"token": number}, keys)
    for key, force in page.keys.items():
        pending.add(key, force=force)
    return page, page.mark_written()


def test_a_position_carries_the_keys_still_to_be_looked_up(pending):
    first, position = _page(pending, 1, ("a", False), ("b", True))
    assert position == {"token": 1, "keys": encode_keys({"a": False, "b": True})}
    second, position = _page(pending, 2, ("c", True))
    assert position == {"token": 2, "keys": encode_keys({"a": False, "b": True, "c": True})}
    assert first.mark_looked_up() == {"token": 2, "keys": encode_keys({"c": True})}
    assert second.mark_looked_up() == {"token": 2, "keys": encode_keys({})}


@pytest.mark.parametrize(
    "keys", [{}, {"1": True}, {"1": False}, {"1": True, "22": False, "3": True}]
)
def test_keys_come_back_out_of_a_position_as_they_were(keys):
    assert decode_keys(encode_keys(keys)) == keys


def test_a_saved_position_does_not_change_later(pending):
    page, position = _page(pending, 1, ("a", True))
    page.mark_looked_up()
    assert position == {"token": 1, "keys": encode_keys({"a": True})}


def test_a_key_named_again_and_forced_stays_until_looked_up(pending):
    first, _ = _page(pending, 1, ("a", False))
    second, position = _page(pending, 2, ("a", True))
    assert position["keys"] == encode_keys({"a": True})
    assert first.mark_looked_up()["keys"] == encode_keys({"a": True})
    assert second.mark_looked_up()["keys"] == encode_keys({})


def test_within_a_page_the_stronger_reason_counts(pending):
    page, _ = _page(pending, 1, ("a", True), ("a", False))
    assert page.keys == {"a": True}


def test_a_key_named_again_for_less_keeps_the_stronger_reason(pending):
    _page(pending, 1, ("a", True))
    _, position = _page(pending, 2, ("a", False))
    assert position["keys"] == encode_keys({"a": True})


def test_of_too_many_keys_the_position_waits_for_its_page(pending):
    many = [(f"k{number}", True) for number in range(3)]
    first, position = _page(pending, 1, *many)
    assert position["token"] == 1
    assert not pending.is_full
    second, position = _page(pending, 2, ("one more", True))
    assert position is None
    assert pending.is_full
    third, _ = _page(pending, 3, *[(f"other {key}", True) for key, _ in many])
    # The first is position already; the second is settled, and the third has too many keys.
    assert first.mark_looked_up() is None
    assert second.mark_looked_up() == {"token": 3, "keys": encode_keys(third.keys)}
    assert third.mark_looked_up() == {"token": 3, "keys": encode_keys({})}


def test_kept_full_by_later_pages_each_page_is_saved_once(pending):
    pages = []
    for number in range(1, 4):
        keys = [(f"{number} {each}", True) for each in range(4)]
        pages.append(_page(pending, number, *keys)[0])
    assert pages[0].mark_looked_up() == {"token": 1, "keys": encode_keys({})}
    assert pages[0].mark_looked_up() is None
    assert pages[1].mark_looked_up() == {"token": 2, "keys": encode_keys({})}
