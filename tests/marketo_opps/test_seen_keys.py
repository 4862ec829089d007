"""Sets of keys in a few bytes per key, which forget no key and confuse none."""

from __future__ import annotations

from marketo_opps.seen_keys import KeyFlags, KeyHashSet

VALUES = [f"OPP-{number}" for number in range(700)]


def _slots_of(seen):
    return len(seen._slots)


def test_added_keys_are_contained_and_others_are_not():
    seen = KeyHashSet()
    for value in VALUES:
        seen.add(value)
        seen.add(value)
    assert len(seen) == 700
    assert all(value in seen for value in VALUES)
    assert not any(f"other-{number}" in seen for number in range(700))


def test_a_key_takes_16_to_32_bytes_for_any_number_of_keys():
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


def test_keys_with_the_same_slot_are_distinguished():
    seen = KeyHashSet()
    crowd = range(1024, 1024 * 401, 1024)
    for number in crowd:
        # A small number is its own hash, so all of these belong in the first slot.
        seen.add(number)
    assert len(seen) == 400
    assert all(number in seen for number in crowd)
    assert 1024 * 401 not in seen


def test_a_search_ends_if_every_other_slot_is_used():
    seen = KeyHashSet()
    for number in range(2, 1026, 2):
        seen.add(number)
    assert 1026 not in seen


def test_a_hash_of_zero_does_not_count_as_empty():
    seen = KeyHashSet()
    assert 0 not in seen
    seen.add(0)
    assert 0 in seen


def test_discarding_a_key_keeps_all_others():
    seen = KeyHashSet()
    crowd = [*range(1023, 1024 * 300, 1024), *range(2, 9)]
    for number in crowd:
        seen.add(number)
    for number in crowd[::2]:
        seen.discard(number)
        seen.discard(number)
    assert [number for number in crowd if number in seen] == crowd[1::2]
    assert len(seen) == len(crowd[1::2])


def test_flags_are_added_to_those_of_the_same_key_only():
    # More keys than there are slots at first.
    values = [f"OPP-{number}" for number in range(3_000)]
    seen = KeyFlags()
    for value in values:
        seen.add(value, 1)
    for value in values[:100]:
        seen.add(value, 6)
        seen.add(value, 2)
    assert seen.counts() == {1: 2_900, 7: 100}


def test_flags_of_keys_with_the_same_slot_are_distinguished():
    seen = KeyFlags()
    for number in range(1024, 1024 * 701, 1024):
        seen.add(number, 1 + number // 1024 % 2)
    assert seen.counts() == {1: 350, 2: 350}
