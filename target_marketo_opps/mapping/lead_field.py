"""Check the setting `lead_lookup_field` against what the instance says of its leads."""

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
    """Raise if leads cannot be looked up by a field.

    Args:
        stream: whose roles need it, for error texts.
        field: the setting.
        searchable: names of the fields that leads are found by; None where Marketo does not tell.
        all_fields: returns the names of all fields; costs a call.

    Raises:
        UnwritableStreamError: there is no such field, or leads are not found by it.
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
