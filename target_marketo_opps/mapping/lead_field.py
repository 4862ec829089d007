"""Validate the setting `lead_lookup_field` against the lead fields of the instance."""

from __future__ import annotations

import typing as t

from marketo_opps.near_names import or_near
from target_marketo_opps.errors import UnwritableStreamError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection


def check_lead_field(
    stream: str,
    field: str,
    *,
    searchable: Collection[str] | None,
    all_fields: Callable[[], Collection[str]],
) -> None:
    """Raise an error if leads cannot be looked up by a field.

    Args:
        stream: name of the stream of roles, for error messages.
        field: value of the setting.
        searchable: names of the searchable lead fields; None if Marketo does not list them.
        all_fields: returns the names of all lead fields; makes a call.

    Raises:
        UnwritableStreamError: the field does not exist, or is not searchable.
    """
    if searchable is not None and field in searchable:
        return
    names = all_fields()
    if field not in names:
        raise UnwritableStreamError(
            f"Stream '{stream}': invalid lead_lookup_field: leads have no field "
            f"{or_near(field, searchable or names)}. Use the field's REST API name."
        )
    if searchable is not None:
        raise UnwritableStreamError(
            f"Stream '{stream}': invalid lead_lookup_field: leads cannot be looked up by "
            f"{or_near(field, searchable)}, which Marketo does not list as searchable. Use a "
            "field that identifies a single lead, such as 'email'."
        )
