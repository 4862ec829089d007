"""Describe the instance: the fields of its objects, and the searchable fields of its leads."""

from __future__ import annotations

import typing as t

from target_marketo_opps.mapping.lead_field import check_lead_field

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from marketo_opps import MarketoClient, MarketoObject, ObjectDescription

_T = t.TypeVar("_T")


class Descriptions:
    """Requests the descriptions of objects and leads from Marketo, each once per run.

    Args:
        client: makes the calls.
        call: makes a call on a worker thread and waits for it, so that signals can end the wait.
        lookup_field: value of the setting `lead_lookup_field`.

    Attributes:
        calls: number of calls made.
    """

    def __init__(
        self,
        client: MarketoClient,
        call: Callable[[Callable[[], t.Any]], t.Any],
        *,
        lookup_field: str | None,
    ) -> None:
        self.calls = 0
        self._client = client
        self._call = call
        self._lookup_field = lookup_field
        self._is_field_checked = False
        self._objects: dict[MarketoObject, ObjectDescription] = {}

    def of(self, obj: MarketoObject) -> ObjectDescription:
        """Return the description of an object's fields; request it from Marketo the first time."""
        if obj not in self._objects:
            self._objects[obj] = self._made(lambda: self._client.describe(obj))
        return self._objects[obj]

    def lead_lookup_field(self, stream: str) -> str | None:
        """Return the field by which leads are looked up; check first that this is possible.

        Args:
            stream: name of the stream of roles, for error messages.

        Returns:
            The value of the setting `lead_lookup_field`; None if roles arrive with lead IDs.

        Raises:
            UnwritableStreamError: leads cannot be looked up by the field.
        """
        field = self._lookup_field
        if field is not None and not self._is_field_checked:
            check_lead_field(
                stream,
                field,
                searchable=self._made(self._client.searchable_lead_fields),
                all_fields=lambda: self._made(self._client.describe_leads).field_names,
            )
            self._is_field_checked = True
        return field

    def _made(self, call: Callable[[], _T]) -> _T:
        self.calls += 1
        return t.cast("_T", self._call(call))
