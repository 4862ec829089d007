"""Merge the versions of a record field by field, without decoding values."""

from __future__ import annotations

import typing as t

import msgspec

if t.TYPE_CHECKING:
    from collections.abc import Iterable

_Fields = dict[str, msgspec.Raw]
_fields_of = msgspec.json.Decoder(_Fields).decode
_encode = msgspec.json.encode


def merged_body(bodies: Iterable[bytes]) -> bytes:
    """Merge several JSON bodies of one record into one; later values replace earlier ones."""
    fields: _Fields = {}
    for body in bodies:
        fields.update(_fields_of(body))
    return _encode(fields)


class MergedBody:
    """One JSON body that has the same effect as several versions of a record sent in order.

    Args:
        first: body of the first version.
        key_fields: fields whose values must be identical in all versions: Adobe does not document
            whether Marketo treats two spellings of a key as equal.

    Attributes:
        size_bytes: length of the body.
    """

    __slots__ = ("_body", "_fields", "_key_fields", "size_bytes")

    def __init__(self, first: bytes, key_fields: Iterable[str]) -> None:
        self._key_fields = key_fields
        self._fields = _fields_of(first)
        self._body: bytes | None = first
        self.size_bytes = len(first)

    def add(self, body: bytes, *, most_bytes: int) -> bool:
        """Merge the body of the next version into this body; its values replace earlier ones.

        Nothing is merged if the version spells the key differently, or if this body would grow by
        more than `most_bytes`.

        Args:
            body: body of a version that arrived after those merged so far.
            most_bytes: maximum number of bytes that this body may grow by.

        Returns:
            Whether the version was merged.
        """
        fields = _fields_of(body)
        growth = sum(map(self._growth, fields.items()))
        if growth > most_bytes or not self._is_alike(fields):
            return False
        self._fields.update(fields)
        self.size_bytes += growth
        self._body = None
        return True

    def encoded(self) -> bytes:
        """Return the merged body as JSON."""
        if self._body is None:
            self._body = _encode(self._fields)
        return self._body

    def _is_alike(self, fields: _Fields) -> bool:
        return all(bytes(fields[name]) == bytes(self._fields[name]) for name in self._key_fields)

    def _growth(self, member: tuple[str, msgspec.Raw]) -> int:
        name, value = member
        old = self._fields.get(name)
        # A new member brings its name, a colon and a comma.
        return len(value) - len(old) if old is not None else len(_encode(name)) + len(value) + 2
