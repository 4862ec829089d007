"""Validation of catalog files, and conversion of older catalog formats."""

from __future__ import annotations

import copy
import typing as t

from marketo_opps import SettingsError
from marketo_opps.near_names import listed, or_near
from tap_marketo_opps.field_metadata import FIELDS
from tap_marketo_opps.finding.activity_log import LOG_STREAMS
from tap_marketo_opps.finding.stage_plan import OPPORTUNITIES, ROLES

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.singerlib import Catalog

Json = dict[str, t.Any]

STREAMS = (OPPORTUNITIES, ROLES, FIELDS, *LOG_STREAMS)
_NO_STREAM = f"is the catalog of another tap: it has none of the streams {', '.join(STREAMS)}"
_TEXTS = {"true": True, "false": False}
_SELECTED = ("selected", "selected-by-default")


def catalog_fault(catalog: Json) -> str | None:
    """Return why a JSON object is not a catalog of this tap; None if it is a catalog."""
    streams = catalog.get("streams")
    if not isinstance(streams, list):
        return "is not a Singer catalog: it must have an array 'streams', as printed by --discover"
    if all(map(_is_stream, streams)):
        return None if any(each["tap_stream_id"] in STREAMS for each in streams) else _NO_STREAM
    return (
        "is not a Singer catalog: each stream must have 'tap_stream_id', a 'schema' with "
        "'properties', and 'metadata', as printed by --discover"
    )


def _is_stream(stream: t.Any) -> bool:
    if not isinstance(stream, dict) or "tap_stream_id" not in stream:
        return False
    schema, metadata = stream.get("schema", {}), stream.get("metadata", [])
    properties = _member(schema, "properties") or {}
    return (
        isinstance(schema, dict)
        and isinstance(stream.get("stream") or "", str)
        and isinstance(properties, dict)
        and all(isinstance(each, dict) for each in properties.values())
        and isinstance(metadata, list)
        and all(isinstance(_member(each, "metadata"), dict) for each in metadata)
        and all(isinstance(_member(each, "breadcrumb"), list) for each in metadata)
    )


def ignored_streams(catalog: Catalog) -> list[str]:
    """Return a warning for each selected stream of a catalog that this tap does not have.

    Args:
        catalog: The catalog in today's form. Its `opportunity_roles` are known to the tap, even
            if the instance has no roles.
    """
    return [
        f"The catalog selects the stream {or_near(str(name), STREAMS)}, which this tap does not "
        f"have: it is ignored. Correct its 'tap_stream_id'; it must be one of {listed(STREAMS)}."
        for name, entry in catalog.items()
        if name not in STREAMS and entry.metadata.resolve_selection()[()]
    ]


def _member(value: t.Any, name: str) -> t.Any:
    return value.get(name) if isinstance(value, dict) else None


def in_todays_form(catalog: Json) -> Json:
    """Return a copy of a catalog in which streams and fields are selected by metadata only.

    In older catalog formats `selected` is a member of the stream, of its schema, or of the schema
    of a property, and some tools write it as a string. Such a selection is copied to the metadata,
    unless the metadata already has one.

    Raises:
        SettingsError: A `selected` is neither true nor false, or two streams have the same name.
    """
    catalog = copy.deepcopy(catalog)
    for stream in catalog["streams"]:
        for place in _places_of_selection(stream):
            for name in _SELECTED:
                if name in place:
                    place[name] = _read_selected(place[name], stream["tap_stream_id"])
        _move_to_metadata(stream)
    _check_names([each.get("stream") or each["tap_stream_id"] for each in catalog["streams"]])
    return catalog


def _places_of_selection(stream: Json) -> Iterator[Json]:
    schema = stream.get("schema") or {}
    yield stream
    yield schema
    yield from (schema.get("properties") or {}).values()
    yield from (each["metadata"] for each in stream.get("metadata", []))


def _read_selected(value: t.Any, stream: str) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and (selected := _TEXTS.get(value.strip().lower())) is not None:
        return selected
    raise SettingsError(
        f"The catalog's 'selected' of stream {stream} or of one of its properties must be true or "
        f"false (got {value!r})."
    )


def _move_to_metadata(stream: Json) -> None:
    schema = stream.get("schema") or {}
    selections: list[tuple[list[str], bool | None]] = [
        ([], schema.pop("selected", None)),
        ([], stream.pop("selected", None)),
    ]
    for name, property_schema in (schema.get("properties") or {}).items():
        selections.append((["properties", name], property_schema.pop("selected", None)))
    for breadcrumb, selected in selections:
        if selected is not None:
            _metadata_at(stream, breadcrumb).setdefault("selected", selected)
    roots = (each["metadata"] for each in stream.get("metadata", []) if not each["breadcrumb"])
    root: Json = next(roots, {})
    for place, name in ((stream, "key_properties"), (root, "table-key-properties")):
        if isinstance(place.get(name), str):
            place[name] = [place[name]]
    # Users set the method in metadata, where the SDK reads only discovered values.
    if method := root.get("replication-method"):
        stream["replication_method"] = method


def _metadata_at(stream: Json, breadcrumb: list[str]) -> Json:
    metadata = stream.setdefault("metadata", [])
    for each in metadata:
        if each["breadcrumb"] == breadcrumb:
            return t.cast("Json", each["metadata"])
    metadata.append({"breadcrumb": breadcrumb, "metadata": {}})
    return t.cast("Json", metadata[-1]["metadata"])


def _check_names(names: list[str]) -> None:
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise SettingsError(
            f"The catalog has two streams named {twice[0]!r}: give each its own 'stream', which is "
            "the name that targets see."
        )
