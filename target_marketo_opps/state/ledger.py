"""Keep track of which STATE may be written; no I/O, no threads."""

from __future__ import annotations

import typing as t
from collections import deque

if t.TYPE_CHECKING:
    from collections.abc import Hashable, Iterator


class _Checkpoint:
    """A STATE, and the unsettled batches and records that arrived between it and the STATE before.

    Settled means that the records are accepted or rejected.
    """

    __slots__ = ("arrived_at", "blockers", "number", "parked", "value")

    def __init__(self, number: int) -> None:
        self.number = number
        self.value: t.Any = None
        self.arrived_at = 0.0
        self.blockers: set[Hashable] = set()
        self.parked = 0

    @property
    def is_free(self) -> bool:
        """Return whether all records since the previous STATE have been accepted or rejected."""
        return not self.blockers and not self.parked


class Ledger:
    """Holds each STATE back until everything that arrived before it is settled.

    Records are settled when they are accepted or rejected. A token is an unsettled batch, or an
    unsettled record in a queue. Each token blocks the first STATE that arrives after it. STATEs are
    released in order, so the token blocks all later ones too. A token that is never settled blocks
    every later STATE for ever.

    Parked records (roles whose opportunity is missing) have no tokens, because there may be very
    many. They are counted at the number of the first STATE that waits for them.
    """

    def __init__(self) -> None:
        self._held: deque[_Checkpoint] = deque()
        self._next = _Checkpoint(0)
        self._blocked_by: dict[Hashable, _Checkpoint] = {}
        self._with_parked: dict[int, _Checkpoint] = {}

    def hold(self, token: Hashable) -> None:
        """Make every STATE that arrives from now on wait for a batch or queued record (token)."""
        if token not in self._blocked_by:
            self._block(self._next, token)

    def move(self, token: Hashable, onto: Hashable) -> None:
        """Make the STATEs that wait for a queued record wait instead for the batch that it joins.

        Args:
            token: the record, which leaves its queue.
            onto: the batch.
        """
        home = self._unblock(token)
        other = self._blocked_by.get(onto)
        if other is not None and other.number <= home.number:
            return
        if other is not None:
            self._unblock(onto)
        self._block(home, onto)

    def park(self, token: Hashable | None = None) -> int:
        """Make STATEs wait for a parked record, a role whose opportunity is missing.

        Args:
            token: a batch or queued record; STATEs that wait for it will also wait for the parked
                record. None if only STATEs that arrive from now on will.

        Returns:
            The number to pass to `unpark`.
        """
        point = self._next if token is None else self._blocked_by[token]
        point.parked += 1
        self._with_parked[point.number] = point
        return point.number

    def unpark(self, number: int, onto: Hashable | None = None) -> None:
        """Unblock the STATEs that wait for a parked record, which was queued again or settled.

        Args:
            number: the number that `park` returned.
            onto: the queued record, for which these STATEs wait from now on; None if settled.
        """
        point = self._with_parked[number]
        point.parked -= 1
        if not point.parked:
            del self._with_parked[number]
        if onto is None:
            return
        other = self._blocked_by.get(onto)
        if other is not None and other.number <= number:
            return
        if other is not None:
            self._unblock(onto)
        self._block(point, onto)

    def settle(self, token: Hashable) -> None:
        """Unblock the STATEs that wait for a batch or queued record, whose outcome is now known."""
        self._unblock(token)

    def state(self, value: t.Any, *, now: float) -> None:
        """Hold back a STATE that has arrived, until all records before it are accepted or rejected.

        If this is already true of all records between it and the previous STATE, it replaces that
        STATE.

        Args:
            value: value of the STATE message.
            now: current time, in seconds of a monotonic clock; see `overdue`.
        """
        if self._held and self._next.is_free:
            self._held[-1].value = value
            return
        self._next.value, self._next.arrived_at = value, now
        self._held.append(self._next)
        self._next = _Checkpoint(self._next.number + 1)

    def due(self) -> Iterator[t.Any]:
        """Remove and yield the values of all STATEs that may be written, in order of arrival.

        Every record that arrived before such a STATE is accepted or rejected.
        """
        while self._held and self._held[0].is_free:
            yield self._held.popleft().value

    @property
    def has_due(self) -> bool:
        """Return whether a STATE may be written, because all records before it are settled."""
        return bool(self._held) and self._held[0].is_free

    @property
    def oldest_arrived_at(self) -> float | None:
        """Return when the oldest STATE that is held back arrived; None if there is none."""
        return self._held[0].arrived_at if self._held else None

    def overdue(self, *, arrived_until: float) -> list[Hashable]:
        """Return the batches and queued records that block STATEs which arrived up to a moment."""
        late = (point for point in self._held if point.arrived_at <= arrived_until)
        return [token for point in late for token in point.blockers]

    def last_overdue(self, *, arrived_until: float) -> int:
        """Return the number of the last held-back STATE that arrived up to a moment; -1 if none.

        STATEs are numbered in order of arrival.
        """
        return max(
            (point.number for point in self._held if point.arrived_at <= arrived_until), default=-1
        )

    def _block(self, point: _Checkpoint, token: Hashable) -> None:
        point.blockers.add(token)
        self._blocked_by[token] = point

    def _unblock(self, token: Hashable) -> _Checkpoint:
        point = self._blocked_by.pop(token)
        point.blockers.discard(token)
        return point
