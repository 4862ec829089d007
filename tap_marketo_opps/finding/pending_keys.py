"""Keys that the first pipeline stage has found, and that later stages still look up."""

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
"""With this many lead IDs a position takes 5 KB, in every STATE and for each stream of a run."""

_KEYS = re.compile(r"(-?[0-9]+(,-?[0-9]+)*)?", re.ASCII)

Keys = dict[str, bool]
"""Keys to look up; the value is True if their records are emitted regardless of age."""


def encode_keys(keys: Keys) -> dict[str, str]:
    """Return keys to look up as two strings of comma-separated keys, to be saved in a position.

    The string `always` has the keys whose records are emitted however old they are; `if_new` has
    the keys of which only new records are emitted. Keys must not contain commas.
    """
    return {
        "always": ",".join(key for key, force in keys.items() if force),
        "if_new": ",".join(key for key, force in keys.items() if not force),
    }


def decode_keys(members: Mapping[str, str]) -> Keys:
    """Return the keys to look up, given the two strings that `encode_keys` made of them."""
    forced, others = (filter(None, members[name].split(",")) for name in ("always", "if_new"))
    return dict.fromkeys(forced, True) | dict.fromkeys(others, False)


def are_encoded_keys(members: t.Any) -> bool:
    """Return True if a value has the form that `encode_keys` returns for integer keys."""
    return (
        isinstance(members, dict)
        and {*encode_keys({})} <= members.keys()
        and all(isinstance(each, str) and _KEYS.fullmatch(each) for each in members.values())
    )


class PendingKeys:
    """Stores the keys that the first pipeline stage has found and that are not yet looked up.

    The position saved in a STATE includes these pending keys, so that a resumed run looks them up.
    So the position can be that of a page whose keys are not yet looked up. If there are more keys
    than a STATE should contain, the position stays at the last page whose keys are all looked up.

    Args:
        max_keys: Maximum number of keys in a position.
    """

    def __init__(self, max_keys: int = MAX_KEYS_IN_POSITION) -> None:
        self._max_keys = max_keys
        self._keys: Keys = {}
        self._numbers = itertools.count(1)
        self._last_written: TrackedPage | None = None
        self._last_saved = 0

    @property
    def is_full(self) -> bool:
        """Return True if there are more pending keys than the position in a STATE may contain."""
        return len(self._keys) > self._max_keys

    def track(self, position: Position, keys: Iterable[Key]) -> TrackedPage:
        """Return an object by which a pipeline reports what it has done with a page.

        The pipeline calls its method `mark_written` once the page's records are written, and then
        `mark_looked_up` once all keys found in the page are looked up.

        Args:
            position: Position right after the page, where a later run can resume.
            keys: Keys found in the page, each with True if its records are always emitted.
        """
        named: Keys = {}
        for key, force in keys:
            named[key] = force or named.get(key, False)
        return TrackedPage(self, next(self._numbers), position, named)

    def add(self, key: str, *, force: bool) -> None:
        """Store a key to look up as pending, until the page with the key is marked as looked up.

        Args:
            key: The key.
            force: True if the records found by it are emitted however old they are.
        """
        self._keys[key] = force or self._keys.get(key, False)

    def mark_written(self, page: TrackedPage) -> Position | None:
        """Record that the records of a page are written.

        Return the new position to save, from which a later run resumes; None if it is unchanged.
        """
        self._last_written = page
        return self._position()

    def mark_looked_up(self, page: TrackedPage) -> Position | None:
        """Remove the keys of a page from the pending keys, because all of them have been looked up.

        Return the new position to save, from which a later run resumes; None if it is unchanged.
        """
        for key, force in page.keys.items():
            # A key that is now required regardless of age is looked up again, so it stays.
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
    """A page that the first pipeline stage has read, and what is left to do with it.

    A pipeline marks the page once its records are written, and again once its keys are looked up.

    Attributes:
        pending: Stores all keys that are not yet looked up, including those of this page.
        number: Number of the page, in the order of reading.
        position: Position right after the page.
        keys: Keys found in the page.
    """

    pending: PendingKeys
    number: int
    position: Position
    keys: Keys

    def mark_written(self) -> Position | None:
        """Record that the records of this page are written.

        Return the new position to save, from which a later run resumes; None if it is unchanged.
        """
        return self.pending.mark_written(self)

    def mark_looked_up(self) -> Position | None:
        """Remove this page's keys from the pending keys, because all of them have been looked up.

        Return the new position to save, from which a later run resumes; None if it is unchanged.
        """
        return self.pending.mark_looked_up(self)
