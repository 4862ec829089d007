"""What the target has to know of `stream_maps` beyond what the SDK applies."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from singer_sdk.mapper import PluginMapper

from marketo_opps import Reason
from target_marketo_opps.stream_maps import failures, plain_record, unmatched, written_name

SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}


def mapper_of(maps, *streams):
    mapper = PluginMapper({"stream_maps": maps}, logging.getLogger("test"))
    for stream in streams:
        mapper.register_raw_stream_schema(stream, SCHEMA, ["id"])
    return mapper


@pytest.mark.parametrize(
    ("maps", "name"),
    [
        ({}, "crm"),
        ({"other": {"__alias__": "deals"}}, "crm"),
        ({"crm": {"name": "upper(name)"}}, "crm"),
        ({"crm": {"__alias__": "deals"}}, "deals"),
        ({"crm": {"__alias__": "'deals'"}}, "deals"),
        ({"crm": {"__alias__": '"deals"'}}, "deals"),
        ({"c*": {"__alias__": "deals"}}, "deals"),
        ({"c*": {"__alias__": "first"}, "crm": {"__alias__": "last"}}, "last"),
        ({"crm": None}, None),
        ({"crm": "__NULL__"}, None),
        ({"__else__": None}, None),
        ({"__else__": None, "crm": {}}, "crm"),
        ({"deals": {"__source__": "crm"}}, "crm"),
        ({"deals": {"__source__": "crm"}, "crm": None}, "crm"),
        ({"deals": {"__source__": "other"}, "crm": None}, None),
        ({"crm": {"__source__": "other", "__alias__": "copy"}}, "crm"),
    ],
)
def test_the_name_of_a_stream_after_the_maps(maps, name):
    assert written_name(mapper_of(maps), "crm") == name


def test_names_that_match_no_stream_are_found():
    maps = {
        "crm": {},
        "cmr": {},
        "c*": {},
        "copy": {"__source__": "crm"},
        "bad": {"__source__": "x"},
    }
    assert unmatched(mapper_of(maps), ["crm", "roles"]) == ["cmr", "bad"]
    assert unmatched(mapper_of(maps), []) == [*maps]


RECORD = {"id": "1", "name": 5}


def reasons_of(maps, record=RECORD, *, at=0):
    """Return the reasons of a failure in a stream map of `crm`, by its index."""
    mapper = mapper_of(maps, "crm")
    stream_map = mapper.stream_maps["crm"][at]
    try:
        stream_map.transform(record)
    except Exception as error:  # noqa: BLE001 - as the sink does
        return failures(mapper, "crm", stream_map, record, error)
    return failures(mapper, "crm", stream_map, record, KeyError("name"))


def test_each_expression_that_fails_is_a_reason():
    maps = {"crm": {"id": "id", "a": "name / 0", "__filter__": "int(id) > 0", "b": "int('x')"}}
    assert reasons_of(maps) == [
        Reason("1003", "stream_maps fails on 'a' (name / 0) with ZeroDivisionError"),
        Reason("1003", "stream_maps fails on 'b' (int('x')) with ValueError"),
    ]


def test_an_expression_may_use_its_property_as_self():
    assert reasons_of({"crm": {"name": "1 / self"}}, {"name": 5}) == [
        Reason("1003", "stream_maps or flattening fails with KeyError")
    ]
    assert reasons_of({"crm": {"name": "1 / self"}}, {"name": 0}) == [
        Reason("1003", "stream_maps fails on 'name' (1 / self) with ZeroDivisionError")
    ]


def test_each_expression_has_a_self_of_its_own():
    maps = {"crm": {"name": "1 / self", "id": "int(self)"}}
    assert [each.message for each in reasons_of(maps, {"name": 0, "id": "x"})] == [
        "stream_maps fails on 'name' (1 / self) with ZeroDivisionError",
        "stream_maps fails on 'id' (int(self)) with ValueError",
    ]


def test_of_several_definitions_only_the_one_that_applies_is_tried():
    (reason,) = reasons_of({"c*": {"a": "1 / 0"}, "crm": {"b": "1 / 0"}})
    assert "on 'b'" in reason.message


def test_a_copy_is_judged_by_its_own_expressions():
    maps = {"crm": {"a": "1 / 0"}, "copy": {"__source__": "crm", "b": "1 / 0"}}
    (of_stream,), (of_copy,) = reasons_of(maps), reasons_of(maps, at=1)
    assert "on 'a'" in of_stream.message
    assert "on 'b'" in of_copy.message


def test_values_of_expressions_become_json():
    moment = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert plain_record({"a": 1.1, "b": date(2026, 3, 4), "c": moment, "d": None, "e": 7}) == {
        "a": Decimal("1.1"),
        "b": "2026-03-04",
        "c": "2026-03-04T05:06:07+00:00",
        "d": None,
        "e": 7,
    }
