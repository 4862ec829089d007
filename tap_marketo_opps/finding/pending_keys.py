"""Keys that a source's pages have named and that are not looked up to the end."""

from __future__ import annotations

import itertools
import re
import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_marketo_opps.finding.page_result import Key
    from tap_marketo_opps.finding.resume_point import Position

MAX_KEYS_IN_POSITION = 600
"""A position with as many lead ids takes some 5 KB, in every STATE and for each stream of a run."""

_KEYS = re.compile(r"(-?[0-9]+(,-?[0-9]+)*)?", re.ASCII)

Keys = dict[str, bool]
"""Keys to look up; True for one that has what it leads to emitted regardless of its age."""


def encode_keys(keys: Keys) -> dict[str, str]:
    """Return keys in few bytes, for a position; none of them holds a comma."""
    return {
        "always": ",".join(key for key, force in keys.items() if force),
        "if_new": ",".join(key for key, force in keys.items() if not force),
    }


def decode_keys(members: Mapping[str, str]) -> Keys:
    """Return the keys that `encode_keys` was given."""
    forced, others = (filter(None, members[name].split(",")) for name in ("always", "if_new"))
    return dict.fromkeys(forced, True) | dict.fromkeys(others, False)


def are_encoded_keys(members: t.Any) -> bool:
    """Return True for what `encode_keys` returns; keys are whole numbers."""
    return (
        isinstance(members, dict)
        and {*encode_keys({})} <= members.keys()
        and all(isinstance(each, str) and _KEYS.fullmatch(each) for each in members.values())
    )


class PendingKeys:
    """Lets a source's position go on while what its pages named is still being looked up.

    The position carries those keys, so that the next run looks them up. Where they are more than
    a STATE should hold, the position waits: then it is that of the last page that is looked up.

    Args:
        max_keys: How many keys a position carries at most.
    """

    def __init__(self, max_keys: int = MAX_KEYS_IN_POSITION) -> None:
        self._max_keys = max_keys
        self._keys: Keys = {}
        self._numbers = itertools.count(1)
        self._last_written: TrackedPage | None = None
        self._last_saved = 0

    @property
    def is_full(self) -> bool:
        """Return True if the keys are more than a position carries."""
        return len(self._keys) > self._max_keys

    def track(self, position: Position, keys: Iterable[Key]) -> TrackedPage:
        """Return a page with the position right after it, and the keys that it names."""
        named: Keys = {}
        for key, force in keys:
            named[key] = force or named.get(key, False)
        return TrackedPage(self, next(self._numbers), position, named)

    def add(self, key: str, *, force: bool) -> None:
        """Record a pending key."""
        self._keys[key] = force or self._keys.get(key, False)

    def mark_written(self, page: TrackedPage) -> Position | None:
        """Return the position now that a page's records, and all before them, are written."""
        self._last_written = page
        return self._position()

    def mark_looked_up(self, page: TrackedPage) -> Position | None:
        """Return the position now that all is written that a page, and all before it, led to."""
        for key, force in page.keys.items():
            # What an earlier page named for a weaker reason is looked up again for this one.
            if force or not self._keys.get(key):
                self._keys.pop(key, None)
        if not self.is_full:
            return self._position()
        if page.number <= self._last_saved:
            return None
        self._last_saved = page.number
        return page.position | {"keys": encode_keys({})}

    def _position(self) -> Position | None:
        if self.is_full or not self._last_written:
            return None
        self._last_saved = self._last_written.number
        return self._last_written.position | {"keys": encode_keys(self._keys)}


@dataclass(frozen=True, slots=True)
class TrackedPage:
    """A page of a source, what it names, and the position right after it.

    Attributes:
        pending: Where its keys are held.
        number: Of the page, in the order of reading.
        position: Right after the page.
        keys: That it names.
    """

    pending: PendingKeys
    number: int
    position: Position
    keys: Keys

    def mark_written(self) -> Position | None:
        """Return the position now that its records are written; None if unchanged."""
        return self.pending.mark_written(self)

    def mark_looked_up(self) -> Position | None:
        """Return the position now that all it led to is written; None if unchanged."""
        return self.pending.mark_looked_up(self)
