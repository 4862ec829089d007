"""The property by which a record says that Marketo has it no more; `reconcile` writes it."""

from __future__ import annotations

import typing as t

from singer_sdk.singerlib import Metadata, MetadataMapping, Schema

from tap_marketo_opps.reconcile.row_types import DELETED_AT
from tap_marketo_opps.schemas import DELETED_AT_SCHEMA

if t.TYPE_CHECKING:
    from singer_sdk.singerlib.catalog import CatalogEntry

_BREADCRUMB = ("properties", DELETED_AT)


def add_mark(entry: CatalogEntry) -> None:
    """Put the mark into a catalog's entry, which may be older than it."""
    properties = entry.schema.properties or {}
    properties.setdefault(DELETED_AT, Schema.from_dict(DELETED_AT_SCHEMA))
    entry.schema.properties = properties
    make_mark_automatic(entry.metadata)


def make_mark_automatic(metadata: MetadataMapping) -> None:
    """Have the mark in the SCHEMA whatever is selected.

    Where metadata speaks of no property it stays so: the mark is selected as all of them are.
    """
    if any(breadcrumb for breadcrumb in metadata):
        metadata.setdefault(_BREADCRUMB, Metadata()).inclusion = Metadata.InclusionType.AUTOMATIC
