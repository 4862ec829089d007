"""Which files are catalogs of this tap, and what older formats of a catalog mean."""

from __future__ import annotations

import copy

import pytest
from singer_sdk.singerlib import Catalog

from marketo_opps import SettingsError
from tap_marketo_opps.catalogs import catalog_fault, ignored_streams, in_todays_form


def stream(name="opportunities", *metadata, **more):
    return {
        "tap_stream_id": name,
        "schema": {"properties": {"a": {"type": "string"}}},
        "metadata": [*metadata],
        **more,
    }


def entry(*breadcrumb, **metadata):
    return {"breadcrumb": [*breadcrumb], "metadata": metadata}


@pytest.mark.parametrize(
    "streams",
    [
        [stream()],
        [stream("opportunity_fields"), stream("other")],
        [stream("opportunity_role_changes")],
        [{"tap_stream_id": "opportunities"}],
        [{"tap_stream_id": "opportunities", "schema": {}}],
        [stream(schema={"properties": None})],
        [stream(stream=None)],
        [stream("opportunity_roles", entry(), entry("properties", "a"), stream="roles")],
    ],
)
def test_a_catalog_has_one_of_the_taps_streams(streams):
    assert catalog_fault({"streams": streams}) is None


@pytest.mark.parametrize("streams", [[], [stream("other"), stream("another")]])
def test_the_catalog_of_another_tap_is_told(streams):
    assert catalog_fault({"streams": streams}) == (
        "is the catalog of another tap: it has none of the streams opportunities, "
        "opportunity_roles, opportunity_fields, opportunity_activities, opportunity_changes, "
        "opportunity_role_changes"
    )


@pytest.mark.parametrize("catalog", [{}, {"streams": None}, {"streams": {"a": 1}}])
def test_without_streams_it_is_no_catalog(catalog):
    assert "must have an array 'streams'" in catalog_fault(catalog)


@pytest.mark.parametrize(
    "broken",
    [
        "opportunities",
        {"stream": "opportunities"},
        stream(schema=[]),
        stream(stream=5),
        stream(schema={"properties": ["a"]}),
        stream(schema={"properties": {"a": "string"}}),
        stream(metadata={}),
        stream("opportunities", "a"),
        stream("opportunities", {"breadcrumb": []}),
        stream("opportunities", {"metadata": {}}),
        stream("opportunities", {"breadcrumb": "", "metadata": {}}),
    ],
)
def test_a_stream_in_another_form_is_told(broken):
    said = catalog_fault({"streams": [stream(), broken]})
    assert said == (
        "is not a Singer catalog: each stream must have 'tap_stream_id', a 'schema' with "
        "'properties', and 'metadata', as printed by --discover"
    )


def converted(*streams):
    given = {"streams": [*streams]}
    before = copy.deepcopy(given)
    after = in_todays_form(given)
    assert given == before
    return after["streams"]


def selections(one):
    """Return `selected` by breadcrumb."""
    return {tuple(each["breadcrumb"]): each["metadata"] for each in one["metadata"]}


@pytest.mark.parametrize(
    "older",
    [
        stream(selected=True),
        stream(selected="True "),
        stream(schema={"selected": True, "properties": {}}),
        {"tap_stream_id": "opportunities", "selected": True},
        stream("opportunities", entry(selected="true")),
    ],
)
def test_a_selected_stream_is_selected_in_its_metadata(older):
    (one,) = converted(older)
    assert selections(one) == {(): {"selected": True}}
    assert "selected" not in one
    assert "selected" not in one.get("schema", {})


def test_the_selection_of_a_property_moves_too():
    properties = {"a": {"selected": "false"}, "b": {"selected": None}, "c": {"selected": True}}
    (one,) = converted(
        stream(
            "opportunities",
            entry("properties", "c", inclusion="available"),
            schema={"properties": properties},
        )
    )
    assert selections(one) == {
        ("properties", "a"): {"selected": False},
        ("properties", "c"): {"inclusion": "available", "selected": True},
    }
    assert one["schema"]["properties"] == {"a": {}, "b": {}, "c": {}}


def test_metadata_that_selects_already_is_kept():
    metadata = [entry(selected=False), entry("properties", "a", selected="FALSE")]
    properties = {"a": {"selected": True}}
    (one,) = converted(
        stream("opportunities", *metadata, selected=True, schema={"properties": properties})
    )
    assert selections(one) == {(): {"selected": False}, ("properties", "a"): {"selected": False}}


def test_of_stream_and_schema_the_schemas_selection_counts():
    (one,) = converted(stream(selected=True, schema={"selected": False, "properties": {}}))
    assert selections(one) == {(): {"selected": False}}


def test_texts_of_the_default_selection_are_read():
    (one,) = converted(stream("opportunities", entry(**{"selected-by-default": "true"})))
    assert selections(one) == {(): {"selected-by-default": True}}


@pytest.mark.parametrize("value", ["yes", 1, [], ""])
def test_another_selection_is_an_error(value):
    with pytest.raises(SettingsError) as caught:
        converted(stream(), stream("opportunity_roles", entry(selected=value)))
    assert str(caught.value) == (
        "The catalog's 'selected' of stream opportunity_roles or of one of its properties must be "
        f"true or false (got {value!r})."
    )


def test_a_key_given_as_text_becomes_a_list():
    root = entry(**{"table-key-properties": "b"})
    (one,) = converted(stream("opportunities", root, key_properties="a"))
    assert one["key_properties"] == ["a"]
    assert selections(one)[()] == {"table-key-properties": ["b"]}
    (other,) = converted(stream("opportunities", key_properties=["a"]))
    assert other["key_properties"] == ["a"]


def test_a_method_in_the_metadata_counts():
    inner = entry("properties", "a", **{"replication-method": "INCREMENTAL"})
    root = entry(**{"replication-method": "FULL_TABLE"})
    (one,) = converted(stream("opportunities", inner, root))
    assert one["replication_method"] == "FULL_TABLE"
    (other,) = converted(stream("opportunities", inner))
    assert "replication_method" not in other


def test_two_streams_of_one_name_are_an_error():
    roles = stream("opportunity_roles", stream="opportunities")
    with pytest.raises(SettingsError, match=r"has two streams named 'opportunities': give each"):
        converted(stream(), roles)
    assert len(converted(stream(stream="a"), roles)) == 2


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        (
            "opportunitys",
            "'opportunitys' (near: 'opportunities', 'opportunity_roles', 'opportunity_fields')",
        ),
        ("leads", "'leads'"),
    ],
)
def test_a_selected_stream_that_is_unknown_is_told(name, quoted):
    catalog = Catalog.from_dict({"streams": [stream(), stream(name, entry(selected=True))]})

    (warning,) = ignored_streams(catalog)
    assert warning == (
        f"The catalog selects the stream {quoted}, which this tap does not have: it is ignored. "
        "Correct its 'tap_stream_id'; it must be one of 'opportunities', 'opportunity_roles', "
        "'opportunity_fields', 'opportunity_activities', 'opportunity_changes', "
        "'opportunity_role_changes'."
    )


@pytest.mark.parametrize(
    "other",
    [
        stream("leads", entry(selected=False)),
        stream("leads", entry()),
        stream("opportunity_roles", entry(selected=True)),
        stream("opportunities", entry(selected=True), stream="leads"),
    ],
)
def test_other_streams_of_a_catalog_are_not_told(other):
    assert ignored_streams(Catalog.from_dict({"streams": [other]})) == []
