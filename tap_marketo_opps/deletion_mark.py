"""`_sdc_deleted_at`, set by `find_by: reconcile` in records that Marketo no longer has."""

from __future__ import annotations

import typing as t

from singer_sdk.singerlib import Metadata, MetadataMapping, Schema

from tap_marketo_opps.reconcile.row_types import DELETED_AT
from tap_marketo_opps.schemas import DELETED_AT_SCHEMA

if t.TYPE_CHECKING:
    from singer_sdk.singerlib.catalog import CatalogEntry

_BREADCRUMB = ("properties", DELETED_AT)


def add_mark(entry: CatalogEntry) -> None:
    """Add `_sdc_deleted_at` to a catalog entry that lacks it."""
    properties = entry.schema.properties or {}
    properties.setdefault(DELETED_AT, Schema.from_dict(DELETED_AT_SCHEMA))
    entry.schema.properties = properties
    make_mark_automatic(entry.metadata)


def make_mark_automatic(metadata: MetadataMapping) -> None:
    """Make the SCHEMA include `_sdc_deleted_at`, even if the catalog does not select it.

    Metadata without any property is not changed, because it selects all properties.
    """
    if any(breadcrumb for breadcrumb in metadata):
        metadata.setdefault(_BREADCRUMB, Metadata()).inclusion = Metadata.InclusionType.AUTOMATIC
