"""Collect which properties of a stream are not written, for log lines at the end of the run."""

from __future__ import annotations

import typing as t

from marketo_opps.near_names import example_setting, listed, or_near

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class StreamNotes:
    """Collects which properties and values of a stream's records are not written, for log lines.

    It covers all SCHEMAs of the stream.

    Args:
        stream: name of the stream.
        logs_unknown: whether unknown properties are logged.

    Attributes:
        missing_numbers: number of values that were NaN or infinite.
    """

    def __init__(self, stream: str, *, logs_unknown: bool = True) -> None:
        self.missing_numbers = 0
        self._stream = stream
        self._logs_unknown = logs_unknown
        # Dictionaries instead of sets, to keep the order.
        self._unknown: dict[str, str] = {}
        self._unwritable: dict[str, None] = {}
        self._overruled: dict[str, str] = {}

    def note_unknown(self, name: str, fields: Iterable[str]) -> None:
        """Remember a property that matches none of the fields of the instance.

        Args:
            name: name of the property.
            fields: names of the fields, of which a similar one is shown in the log.
        """
        if self._logs_unknown and name not in self._unknown:
            self._unknown[name] = or_near(name, fields)

    def note_unwritable(self, name: str) -> None:
        """Remember a property whose field Marketo does not allow to be updated."""
        self._unwritable[name] = None

    def note_overruled(self, names: Iterable[str], exact: str) -> None:
        """Remember properties that are not written because another has their field's exact name.

        Args:
            names: the properties that are not written.
            exact: the property that is written instead.
        """
        self._overruled.update(dict.fromkeys(names, exact))

    def warnings(self) -> Iterator[str]:
        """Yield up to three warnings for the log about properties and values that were not written.

        They name the properties without a field, name those that Marketo does not allow to be
        updated, and count the values that were NaN or infinite.
        """
        if self._unknown:
            example = example_setting({self._stream: {next(iter(self._unknown)): "..."}})
            yield (
                f"Stream '{self._stream}': the instance has no field for "
                f"{', '.join(self._unknown.values())}; not written. Name Marketo's field in "
                f"field_map, as in {example}, or see the setting unknown_fields."
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
        """Yield a log line for each property that is not written because of another property.

        Both match one field, and the other property has the field's exact name.
        """
        for name, exact in self._overruled.items():
            yield (
                f"Stream '{self._stream}': property '{name}' is not written in records that have "
                f"'{exact}', which is the exact name of the field."
            )
