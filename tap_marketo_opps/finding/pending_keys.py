"""Keys that a source's pages have named and that are not looked up to the end."""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_marketo_opps.finding.stages import Key
    from tap_marketo_opps.sync.state import Position

# A position with as many lead ids takes some 5 KB, in every STATE and for every stream of a run.
_MOST_KEYS_TOLD = 600

Keys = dict[str, bool]
"""Keys to look up, and whether what each leads to is emitted however old it is."""


def encoded(keys: Keys) -> dict[str, str]:
    """Keys in few bytes, for a position; none of them holds a comma."""
    return {
        "always": ",".join(key for key, always in keys.items() if always),
        "if_new": ",".join(key for key, always in keys.items() if not always),
    }


def decoded(told: Mapping[str, str]) -> Keys:
    """The keys that `encoded` told."""
    always, if_new = (filter(None, told[name].split(",")) for name in ("always", "if_new"))
    return dict.fromkeys(always, True) | dict.fromkeys(if_new, False)


class Backlog:
    """Lets a source's position go on while what its pages named is still being looked up.

    The position carries those keys, so that the next run looks them up. Where they are more than
    a STATE should hold, the position waits: then it is that of the last page that is settled.
    """

    def __init__(self) -> None:
        self._keys: Keys = {}
        self._numbers = itertools.count(1)
        self._written: PageNamed | None = None
        self._told = 0

    @property
    def is_full(self) -> bool:
        """Whether the keys are more than a position carries."""
        return len(self._keys) > _MOST_KEYS_TOLD

    def page(self, position: Position, keys: Iterable[Key]) -> PageNamed:
        """A page, the position right after it, and the keys that it names."""
        named: Keys = {}
        for key, always in keys:
            named[key] = always or named.get(key, False)
        return PageNamed(self, next(self._numbers), position, named)

    def add(self, key: str, *, always: bool) -> None:
        """Take note of a key that is going to be looked up."""
        self._keys[key] = always or self._keys.get(key, False)

    def written(self, page: PageNamed) -> Position | None:
        """The position now that a page's records, and all before them, are written."""
        self._written = page
        return self._position()

    def settled(self, page: PageNamed) -> Position | None:
        """The position now that all is written that a page, and all before it, led to."""
        for key, always in page.keys.items():
            # What an earlier page named for a weaker reason is looked up again for this one.
            if always or not self._keys.get(key):
                self._keys.pop(key, None)
        if not self.is_full:
            return self._position()
        if page.number <= self._told:
            return None
        self._told = page.number
        return page.position | {"keys": encoded({})}

    def _position(self) -> Position | None:
        if self.is_full or not self._written:
            return None
        self._told = self._written.number
        return self._written.position | {"keys": encoded(self._keys)}


@dataclass(frozen=True, slots=True)
class PageNamed:
    """A page of a source, what it names, and the position right after it."""

    backlog: Backlog
    number: int
    position: Position
    keys: Keys

    def written(self) -> Position | None:
        """What a STATE may tell once its records are written; None for what was told last."""
        return self.backlog.written(self)

    def settled(self) -> Position | None:
        """What a STATE may tell once all that it led to is written."""
        return self.backlog.settled(self)
