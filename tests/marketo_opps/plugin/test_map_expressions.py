"""Expressions of `stream_maps` that are refused."""

from __future__ import annotations

import pytest

from marketo_opps import SettingsError
from marketo_opps.plugin.map_expressions import check_expressions

DEEP = "-" * 200_000 + "1"


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("", " (it is empty)"),
        ("# nothing", " (it is empty)"),
        ("1 +", " (invalid syntax)"),
        (" name", " (unexpected indent)"),
        (DEEP, ""),
    ],
    ids=["empty", "comment", "cut", "indented", "deep"],
)
@pytest.mark.parametrize("name", ["name", "__filter__"])
def test_an_invalid_expression_is_told_with_its_place(name, expression, why):
    with pytest.raises(SettingsError) as caught:
        check_expressions({"deals": {"stage": "'x'", name: expression}})
    place = f"setting 'stream_maps'['deals']['{name}']"
    assert str(caught.value) == f"Invalid value for {place}: must be a Python expression{why}."


@pytest.mark.parametrize("alias", ["", "  ", "my deals"])
def test_an_alias_is_an_expression(alias):
    with pytest.raises(SettingsError, match=r"'stream_maps'\['deals'\]\['__alias__'\]: must be"):
        check_expressions({"deals": {"__alias__": alias}})


@pytest.mark.parametrize(
    "maps",
    [
        {},
        {"deals": None, "roles": "__NULL__"},
        {"deals": {"__alias__": " crm_deals ", "__filter__": "a > 1", "name": "name or '-'"}},
        {"deals": {"name": None, "stage": "__NULL__", "__filter__": None}},
        {"deals": {"__source__": "my deals", "__else__": None, "__key_properties__": ["a b"]}},
    ],
)
def test_other_maps_are_left_to_the_sdk(maps):
    check_expressions(maps)
