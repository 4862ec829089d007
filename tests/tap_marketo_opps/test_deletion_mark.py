"""`_sdc_deleted_at` in catalogs that lack it, or do not select it."""

from __future__ import annotations

import pytest
from singer_sdk.singerlib import Metadata, MetadataMapping, Schema
from singer_sdk.singerlib.catalog import CatalogEntry

from tap_marketo_opps.deletion_mark import add_mark, make_mark_automatic

MARK = "_sdc_deleted_at"
AUTOMATIC = Metadata.InclusionType.AUTOMATIC
GUID = {"marketoGUID": {"type": "string"}}


def metadata_of(**fields):
    """Return the metadata of a stream and of these fields, which say if each is selected."""
    by_field = {
        ("properties", name): Metadata(inclusion=Metadata.InclusionType.AVAILABLE, selected=is_on)
        for name, is_on in fields.items()
    }
    return MetadataMapping({(): Metadata(selected=True)} | by_field)


def entry(properties, **fields):
    schema = Schema.from_dict({"type": "object", **properties})
    return CatalogEntry("opportunities", metadata_of(**fields), schema)


@pytest.mark.parametrize("properties", [{"properties": GUID}, {"properties": {}}, {}])
def test_a_mark_is_added_to_a_schema_that_lacks_it(properties):
    old = entry(properties, marketoGUID=True)
    add_mark(old)
    found = old.schema.to_dict()["properties"]
    mark = found.pop(MARK)
    assert found == properties.get("properties", {})
    assert (mark["type"], mark["format"]) == (["string", "null"], "date-time")
    assert old.metadata["properties", MARK].inclusion == AUTOMATIC


def test_a_mark_that_is_there_stays_as_it_is():
    given = {MARK: {"type": "string", "title": "Gone"}}
    old = entry({"properties": given}, _sdc_deleted_at=False)
    add_mark(old)
    assert old.schema.to_dict()["properties"] == given
    assert old.metadata["properties", MARK] == Metadata(inclusion=AUTOMATIC, selected=False)


def test_a_mark_is_automatic_beside_selected_fields():
    metadata = metadata_of(marketoGUID=True)
    before = metadata_of(marketoGUID=True)
    make_mark_automatic(metadata)
    assert metadata.pop(("properties", MARK)) == Metadata(inclusion=AUTOMATIC)
    assert metadata == before


@pytest.mark.parametrize("metadata", [metadata_of(), MetadataMapping()])
def test_metadata_that_selects_all_fields_is_not_changed(metadata):
    before = MetadataMapping(metadata)
    make_mark_automatic(metadata)
    assert metadata == before
