"""Comparison of `lead_fields` with the lead columns in a catalog; pure."""

from __future__ import annotations

import typing as t

from marketo_opps import SettingsError
from marketo_opps.near_names import listed
from tap_marketo_opps.settings import LEAD_PREFIX

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_marketo_opps.sync.stream_output import StreamOutput

_AGAIN = "create the catalog again with --discover"


def catalog_warnings(roles: StreamOutput, columns: Mapping[str, str]) -> list[str]:
    """Return a warning about fields in `lead_fields` that the catalog lacks; [] if it has all.

    Args:
        roles: Output of opportunity_roles, as in the catalog.
        columns: Maps lead columns of roles (`lead_email`) to REST names of lead fields (`email`).

    Raises:
        SettingsError: The catalog selects lead columns that `lead_fields` does not include.
    """
    selected = [name for name in roles.fields if name.startswith(LEAD_PREFIX)]
    if unnamed := [name for name in selected if name not in columns]:
        names = listed(name.removeprefix(LEAD_PREFIX) for name in unnamed)
        raise SettingsError(
            f"The catalog selects {listed(unnamed)} of {roles.name}, but lead_fields does not "
            f"include {names}: add each to lead_fields, deselect it, or {_AGAIN}."
        )
    missing = [name for column, name in columns.items() if column not in roles.known_fields]
    if not missing:
        return []
    without = f"lead_fields includes {listed(missing)}, which the catalog does not have"
    return [f"{without} for {roles.name} and the run does not read: {_AGAIN}."]
