"""Tests of `lead_fields` and a catalog that has other columns of leads."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from marketo_opps import SettingsError
from tap_marketo_opps.sync.lead_catalog import catalog_warnings


def warnings(columns, fields=(), known=()):
    """Return the warnings for a catalog of roles with the given columns, some of them selected."""
    roles = SimpleNamespace(
        name="opportunity_roles",
        fields=("marketoGUID", "leadId", *fields),
        known_fields=frozenset({"marketoGUID", "leadId", *fields, *known}),
    )
    return catalog_warnings(roles, {f"lead_{name}": name for name in columns})


@pytest.mark.parametrize(
    "catalog",
    [
        {"columns": []},
        {"columns": ["email"], "fields": ["lead_email"]},
        {"columns": ["email"], "known": ["lead_email"]},
        {"columns": ["email"], "fields": ["lead_email"], "known": ["lead_phone"]},
    ],
)
def test_a_catalog_with_all_columns_is_fine(catalog):
    assert warnings(**catalog) == []


def test_columns_that_the_catalog_lacks_are_told_by_their_fields():
    (told,) = warnings(["email", "phone", "title"], known=["lead_phone"])
    assert told == (
        "lead_fields includes 'email', 'title', which the catalog does not have for "
        "opportunity_roles and the run does not read: create the catalog again with --discover."
    )


@pytest.mark.parametrize(
    ("columns", "selected", "names"),
    [
        ([], "'lead_phone', 'lead_lead_x'", "'phone', 'lead_x'"),
        (["phone", "title"], "'lead_lead_x'", "'lead_x'"),
    ],
)
def test_columns_that_are_selected_but_not_set_are_refused(columns, selected, names):
    with pytest.raises(SettingsError) as caught:
        warnings(columns, ["lead_phone", "lead_lead_x"])
    assert str(caught.value) == (
        f"The catalog selects {selected} of opportunity_roles, but lead_fields does not include "
        f"{names}: add each to lead_fields, deselect it, or create the catalog again with "
        "--discover."
    )
