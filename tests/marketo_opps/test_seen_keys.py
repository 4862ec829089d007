"""A set in a few bytes a key, which neither forgets a key nor takes one for another."""

from __future__ import annotations

from marketo_opps.seen_keys import KeyFlags, KeyHashSet

VALUES = [f"OPP-{number}" for number in range(700)]


def _slots_of(seen):
    return len(seen._slots)


def test_seen_keys_are_remembered_and_others_are_not():
    seen = KeyHashSet()
    for value in VALUES:
        seen.add(value)
        seen.add(value)
    assert len(seen) == 700
    assert all(value in seen for value in VALUES)
    assert not any(f"other-{number}" in seen for number in range(700))


def test_a_key_takes_16_to_32_bytes_whatever_their_number():
    seen = KeyHashSet()
    for number in range(1, 20_000):
        seen.add(str(number))
        assert number <= 512 or 16 <= _slots_of(seen) * 8 / number <= 32


def test_slots_are_half_full_before_they_are_doubled():
    seen = KeyHashSet()
    for number in range(1, 513):
        seen.add(str(number))
    assert _slots_of(seen) == 1024
    seen.add("513")
    assert _slots_of(seen) == 2048


def test_keys_that_crowd_in_one_slot_are_kept_apart():
    seen = KeyHashSet()
    crowd = range(1024, 1024 * 401, 1024)
    for number in crowd:
        # A small number is its own hash: all of these belong in the first place.
        seen.add(number)
    assert len(seen) == 400
    assert all(number in seen for number in crowd)
    assert 1024 * 401 not in seen


def test_a_search_ends_though_every_other_slot_is_taken():
    seen = KeyHashSet()
    for number in range(2, 1026, 2):
        seen.add(number)
    assert 1026 not in seen


def test_a_hash_of_zero_is_not_taken_for_an_empty_slot():
    seen = KeyHashSet()
    assert 0 not in seen
    seen.add(0)
    assert 0 in seen


def test_a_key_that_is_discarded_takes_no_other_with_it():
    seen = KeyHashSet()
    crowd = [*range(1023, 1024 * 300, 1024), *range(2, 9)]
    for number in crowd:
        seen.add(number)
    for number in crowd[::2]:
        seen.discard(number)
        seen.discard(number)
    assert [number for number in crowd if number in seen] == crowd[1::2]
    assert len(seen) == len(crowd[1::2])


def test_flags_of_a_key_add_up_and_those_of_others_stay():
    seen = KeyFlags()
    for value in VALUES:
        seen.add(value, 1)
    for value in VALUES[:100]:
        seen.add(value, 6)
        seen.add(value, 2)
    assert seen.counts() == {1: 600, 7: 100}


def test_flags_of_keys_that_crowd_in_one_slot_are_kept_apart():
    seen = KeyFlags()
    for number in range(1024, 1024 * 701, 1024):
        seen.add(number, 1 + number // 1024 % 2)
    assert seen.counts() == {1: 350, 2: 350}
