"""A tap with a catalog, which makes no call before it runs."""

from __future__ import annotations

from tests.tap_marketo_opps.conftest import CapturingWriter
from tests.tap_marketo_opps.helpers import UnpacedTap

CONFIG = {"endpoint": "https://one.example", "client_id": "i", "client_secret": "s"}
BY_FILTER = {**CONFIG, "filter_values": ["a"]}
TEXT = {"type": ["string", "null"]}
NUMBER = {"type": ["number", "null"]}
TIME = {**TEXT, "format": "date-time"}


def entry(name="opportunities", properties=None, *, key="marketoGUID", time="updatedAt", **more):
    """Return the catalog entry of a stream with a key, a time and other properties."""
    needed = {key: {"type": "string"}} | ({time: TIME} if time else {})
    return {
        "tap_stream_id": name,
        "stream": name,
        "schema": {"properties": needed | (properties or {})},
        "key_properties": [key],
        "replication_key": time,
        "metadata": [selection(selected=True)],
        **more,
    }


def selection(*breadcrumb, **metadata):
    """Return an item of a catalog entry's metadata."""
    return {"breadcrumb": [*breadcrumb], "metadata": metadata}


def property_metadata(name, **metadata):
    """Return an item of a catalog entry's metadata, which is about a property."""
    return selection("properties", name, **metadata)


def offline_tap(*entries, config=None, state=None):
    """Return a tap whose catalog has these entries, and whose messages are kept."""
    return UnpacedTap(
        config=BY_FILTER | (config or {}),
        catalog={"streams": [*entries]},
        state=state,
        message_writer=CapturingWriter(),
    )


def offline_stream(name="opportunities", properties=None, *, config=None, state=None, **more):
    """Return the only stream that is selected in the catalog of a tap."""
    tap = offline_tap(entry(name, properties, **more), config=config, state=state)
    return tap.streams[name]
