"""Write each STATE as soon as the outcomes of all records before it are known."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from target_marketo_opps.state.ledger import Ledger


class StateRelease:
    """Holds each STATE back until all records before it are settled, then writes it.

    A record is settled when Marketo has accepted it or it was rejected.

    Args:
        ledger: tells which STATE may be written.
        write: writes one STATE; None if none may be written, as in a dry run or a sample.
        before_write: called before a STATE is written, to write rejects and receipts to disk.
        clock: returns seconds of a monotonic clock.
        patience_seconds: time after which a STATE is held back for too long.
    """

    def __init__(
        self,
        ledger: Ledger,
        write: Callable[[t.Any], None] | None,
        *,
        before_write: Callable[[], None],
        clock: Callable[[], float],
        patience_seconds: float = 300.0,
    ) -> None:
        self._ledger = ledger
        self._write = write
        self._before_write = before_write
        self._clock = clock
        self._patience_seconds = patience_seconds

    def add(self, value: t.Any) -> None:
        """Add the value of a STATE message; write it now if all records before it are settled."""
        self._ledger.state(value, now=self._clock())
        self.write_due()

    def settle(self, token: Hashable) -> None:
        """Unblock the STATEs that wait for a settled batch, and write those that may be written."""
        self._ledger.settle(token)
        self.write_due()

    def write_due(self) -> None:
        """Flush the files, then write every STATE before which all records are settled."""
        if not self._ledger.has_due:
            return
        self._before_write()
        for value in self._ledger.due():
            if self._write is not None:
                self._write(value)

    def overdue(self) -> list[Hashable]:
        """Return the batches and queued records that have held back a STATE for too long."""
        return self._ledger.overdue(arrived_until=self._clock() - self._patience_seconds)

    def overdue_number(self) -> int:
        """Return the number of the last STATE that has been held back for too long; -1 if none has.

        STATEs are numbered in order of arrival.
        """
        return self._ledger.last_overdue(arrived_until=self._clock() - self._patience_seconds)

    @property
    def next_overdue_at(self) -> float | None:
        """Return the moment at which the oldest STATE will have been held back for too long.

        Returns:
            None if no STATE is held back, or if that moment has passed.
        """
        oldest = self._ledger.oldest_arrived_at
        if oldest is None or oldest + self._patience_seconds <= self._clock():
            return None
        return oldest + self._patience_seconds
