"""Keep what is to be told of a stream at the end of a run, one line for each kind."""

from __future__ import annotations

import typing as t

from marketo_opps.near_names import listed, or_near

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class StreamNotes:
    """Collects what is left out of a stream's records, over all of its SCHEMAs.

    Args:
        stream: its name.
        tells_unknown: whether unknown properties are told.

    Attributes:
        missing_numbers: how many values were NaN or infinite.
    """

    def __init__(self, stream: str, *, tells_unknown: bool = True) -> None:
        self.missing_numbers = 0
        self._stream = stream
        self._tells_unknown = tells_unknown
        # Dictionaries, for they keep the order.
        self._unknown: dict[str, str] = {}
        self._unwritable: dict[str, None] = {}
        self._overruled: dict[str, str] = {}

    def note_unknown(self, name: str, fields: Iterable[str]) -> None:
        """Note a property that the instance has no field for."""
        if self._tells_unknown and name not in self._unknown:
            self._unknown[name] = or_near(name, fields)

    def note_unwritable(self, name: str) -> None:
        """Note a property that Marketo does not let anybody update."""
        self._unwritable[name] = None

    def note_overruled(self, names: Iterable[str], exact: str) -> None:
        """Note properties that gave way to one that has the field's exact name."""
        self._overruled.update(dict.fromkeys(names, exact))

    def warnings(self) -> Iterator[str]:
        """Yield a sentence for each kind of what was left out."""
        if self._unknown:
            yield (
                f"Stream '{self._stream}': the instance has no field for "
                f"{', '.join(self._unknown.values())}; not written. Map them in field_map, as in "
                f'{{"{self._stream}": {{"{next(iter(self._unknown))}": "..."}}}}, or see the '
                "setting unknown_fields."
            )
        if self._unwritable:
            yield (
                f"Stream '{self._stream}': Marketo does not allow updates of "
                f"{listed(self._unwritable)}; not written."
            )
        if self.missing_numbers:
            yield (
                f"Stream '{self._stream}': values that are NaN or infinite, treated as null: "
                f"{self.missing_numbers:,}."
            )

    def remarks(self) -> Iterator[str]:
        """Yield a sentence for what needs nobody's attention."""
        for name, exact in self._overruled.items():
            yield (
                f"Stream '{self._stream}': property '{name}' is not written in records that have "
                f"'{exact}', which is the exact name of the field."
            )
