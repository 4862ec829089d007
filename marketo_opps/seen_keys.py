"""A set of keys, and a mapping from keys to flags, that need only a few bytes per key."""

from __future__ import annotations

from array import array
from collections import Counter

_FIRST_SLOTS = 1 << 10
_EMPTY = 0
_HASH_MASK = (1 << 64) - 1


class KeyHashSet:
    """Set of keys (strings) that needs only 16 to 32 bytes per key: it stores 64-bit hashes.

    A Python set with the ids of a million leads would need about 100 MB. Two keys with the same
    hash count as one key: for a million keys the probability of that is one in 30 million.
    """

    def __init__(self) -> None:
        self._slots = _empty_slots(_FIRST_SLOTS)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: str) -> bool:
        return self._slots[_slot_of(self._slots, _hash(key))] != _EMPTY

    def add(self, key: str) -> None:
        """Add a key to the set."""
        hashed = _hash(key)
        slot = _slot_of(self._slots, hashed)
        if self._slots[slot] != _EMPTY:
            return
        self._slots[slot] = hashed
        self._count += 1
        if self._count * 2 > len(self._slots):
            self._grow()

    def discard(self, key: str) -> None:
        """Remove a key, and other keys with the same hash; do nothing if it is not in the set."""
        slots = self._slots
        slot = _slot_of(self._slots, _hash(key))
        if slots[slot] == _EMPTY:
            return
        slots[slot] = _EMPTY
        self._count -= 1
        # The following hashes may belong in an earlier slot that this one had occupied.
        while slots[slot := (slot + 1) % len(slots)] != _EMPTY:
            hashed, slots[slot] = slots[slot], _EMPTY
            slots[_slot_of(self._slots, hashed)] = hashed

    def _grow(self) -> None:
        kept = self._slots
        self._slots = _empty_slots(2 * len(kept))
        for hashed in kept:
            if hashed != _EMPTY:
                self._slots[_slot_of(self._slots, hashed)] = hashed


class KeyFlags:
    """Compact mapping from keys (strings) to flags, such as whether a record has a role.

    The flags of a key are the bits of one byte. An entry needs 18 to 36 bytes, because hashes are
    stored instead of the keys, as in `KeyHashSet`.
    """

    def __init__(self) -> None:
        self._slots = _empty_slots(_FIRST_SLOTS)
        self._flags = bytearray(_FIRST_SLOTS)
        self._count = 0

    def add(self, key: str, flags: int) -> None:
        """Set flags of a key, in addition to the flags that it has already.

        Args:
            key: the key, which need not have flags yet.
            flags: bits to set, from 1 to 255.
        """
        hashed = _hash(key)
        slot = _slot_of(self._slots, hashed)
        self._count += not self._flags[slot]
        self._slots[slot] = hashed
        self._flags[slot] |= flags
        if self._count * 2 > len(self._slots):
            self._grow()

    def counts(self) -> Counter[int]:
        """Return for each combination of flags how many keys have exactly these flags."""
        return Counter(flags for flags in self._flags if flags)

    def _grow(self) -> None:
        kept = zip(self._slots, self._flags, strict=True)
        size = 2 * len(self._slots)
        self._slots, self._flags = _empty_slots(size), bytearray(size)
        for hashed, flags in kept:
            if flags:
                slot = _slot_of(self._slots, hashed)
                self._slots[slot], self._flags[slot] = hashed, flags


def _slot_of(slots: array[int], hashed: int) -> int:
    """Return the index at which a hash is stored, or else the free index at which to store it.

    Args:
        slots: array of stored hashes, used as an open-addressing hash table.
        hashed: the hash.
    """
    last = len(slots) - 1
    slot = hashed & last
    while slots[slot] not in (_EMPTY, hashed):
        slot = (slot + 1) & last
    return slot


def _empty_slots(count: int) -> array[int]:
    return array("Q", bytes(8 * count))


def _hash(key: str) -> int:
    return hash(key) & _HASH_MASK or 1
