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
    """Return keys to look up in a form for a position: two strings of comma-separated keys.

    One is for keys whose records are emitted regardless of age, the other for the rest. Keys must
    not contain commas.
    """
    return {
        "always": ",".join(key for key, force in keys.items() if force),
        "if_new": ",".join(key for key, force in keys.items() if not force),
    }


def decode_keys(members: Mapping[str, str]) -> Keys:
    """Return the keys that `encode_keys` encoded as the two strings in `members`."""
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

    The saved position includes these pending keys, so that a resumed run looks them up. So the
    position can advance before the keys of all pages are looked up. If there are more keys than a
    STATE should contain, the position is that of the last page whose keys are all looked up.

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
        """Return True if more keys are pending than a saved position may contain."""
        return len(self._keys) > self._max_keys

    def track(self, position: Position, keys: Iterable[Key]) -> TrackedPage:
        """Return a `TrackedPage` for a page of the first stage, to be marked when it is processed.

        Args:
            position: Position right after the page, where a later run can resume.
            keys: Keys found in the page, which later stages look up.
        """
        named: Keys = {}
        for key, force in keys:
            named[key] = force or named.get(key, False)
        return TrackedPage(self, next(self._numbers), position, named)

    def add(self, key: str, *, force: bool) -> None:
        """Store a key that is queued for lookup, until its page is marked as looked up."""
        self._keys[key] = force or self._keys.get(key, False)

    def mark_written(self, page: TrackedPage) -> Position | None:
        """Record that a page's records are written.

        Return the new position, from which a later run resumes; None if it is unchanged.
        """
        self._last_written = page
        return self._position()

    def mark_looked_up(self, page: TrackedPage) -> Position | None:
        """Record that later stages have looked up all keys of a page, and remove these keys.

        Return the new position, from which a later run resumes; None if it is unchanged.
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
    """A page of the first pipeline stage: marked once written, and once its keys are looked up.

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
        """Record that this page's records are written.

        Return the new position, from which a later run resumes; None if it is unchanged.
        """
        return self.pending.mark_written(self)

    def mark_looked_up(self) -> Position | None:
        """Record that later stages have looked up all keys of this page.

        Return the new position, from which a later run resumes; None if it is unchanged.
        """
        return self.pending.mark_looked_up(self)
