"""What a tap has written, as others are to hand it back."""

from __future__ import annotations

import json
import typing as t
from decimal import Decimal

Record = dict[str, t.Any]

KEYS = {
    "opportunities": ("marketoGUID",),
    "opportunity_activities": ("marketoGUID",),
    "opportunity_changes": ("marketoGUID", "field"),
    "opportunity_fields": ("name",),
    "opportunity_role_changes": ("marketoGUID",),
    "opportunity_roles": ("marketoGUID",),
}
"""The streams, each with its key."""


def by_key(stream: str, found: t.Iterable[Record]) -> dict[tuple[str, ...], Record]:
    """Return records of a stream by key, the last record of each key."""
    return {tuple(record[name] for name in KEYS[stream]): record for record in found}


def records(output: bytes, stream: str) -> dict[tuple[str, ...], Record]:
    """Return the records of a stream in Singer messages by key, with exact numbers.

    The last record of each key counts.
    """
    messages = [json.loads(line, parse_float=Decimal) for line in output.splitlines()]
    found = [each for each in messages if each["type"] == "RECORD"]
    return by_key(stream, (each["record"] for each in found if each["stream"] == stream))


def last_state(output: bytes) -> t.Any:
    states = [line for line in output.splitlines() if b'"STATE"' in line]
    return json.loads(states[-1])["value"]
