"""Valid exit statuses of the processes of a run."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Mapping

TAP, TARGET = "tap", "target"


def valid_codes(name: str, killed: Mapping[str, int]) -> set[int]:
    """Return the exit statuses that a process may have, given the signals sent in its run.

    A tap ends with 1 if its reader is gone, a target if a killed tap left an incomplete line.

    Args:
        name: `tap`, `target`, or the user agent of another process.
        killed: signal by name.
    """
    other = {TAP: TARGET, TARGET: TAP}.get(name)
    return _own_codes(killed.get(name)) | ({1} if other in killed else set())


def _own_codes(signum: int | None) -> set[int]:
    """Return the exit statuses that a process may have after a signal, or without one.

    It may have finished before the signal, or may not have installed its handler yet.
    """
    return {0} if signum is None else {0, -signum, 128 + signum}
