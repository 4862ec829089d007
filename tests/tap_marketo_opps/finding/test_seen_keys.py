"""A set in a few bytes a key, which neither forgets a key nor takes one for another."""

from __future__ import annotations

from tap_marketo_opps.finding.seen_keys import Seen

VALUES = [f"OPP-{number}" for number in range(700)]


def test_seen_keys_are_remembered_and_others_are_not():
    seen = Seen()
    for value in VALUES:
        seen.add(value)
        seen.add(value)
    assert len(seen) == 700
    assert all(value in seen for value in VALUES)
    assert not any(f"other-{number}" in seen for number in range(700))


def test_a_key_takes_16_to_32_bytes_whatever_their_number():
    seen = Seen()
    for number in range(1, 20_000):
        seen.add(str(number))
        assert number <= 512 or 16 <= len(seen._slots) * 8 / number <= 32


def test_the_places_are_full_to_the_half_before_there_are_more():
    seen = Seen()
    for number in range(1, 513):
        seen.add(str(number))
    assert len(seen._slots) == 1024
    seen.add("513")
    assert len(seen._slots) == 2048


def test_keys_that_crowd_in_one_place_are_told_apart():
    seen = Seen()
    crowd = range(1024, 1024 * 401, 1024)
    for number in crowd:
        # A small number is its own hash: all of these belong in the first place.
        seen.add(number)
    assert len(seen) == 400
    assert all(number in seen for number in crowd)
    assert 1024 * 401 not in seen


def test_looking_for_a_place_ends_though_every_other_one_is_taken():
    seen = Seen()
    for number in range(2, 1026, 2):
        seen.add(number)
    assert 1026 not in seen


def test_a_hash_of_nought_is_none_of_an_empty_place():
    seen = Seen()
    assert 0 not in seen
    seen.add(0)
    assert 0 in seen
