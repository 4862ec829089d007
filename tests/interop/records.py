"""What a tap has written, as others are to hand it back."""

from __future__ import annotations

import json
import typing as t
from decimal import Decimal

Record = dict[str, t.Any]

KEYS = {
    "opportunities": "marketoGUID",
    "opportunity_activities": "marketoGUID",
    "opportunity_fields": "name",
    "opportunity_roles": "marketoGUID",
}
"""The streams, each with its key."""


def records(output: bytes, stream: str) -> dict[str, Record]:
    """The records of a stream by key; the last of each, numbers to the last digit."""
    messages = [json.loads(line, parse_float=Decimal) for line in output.splitlines()]
    return {
        each["record"][KEYS[stream]]: each["record"]
        for each in messages
        if each["type"] == "RECORD" and each["stream"] == stream
    }


def last_state(output: bytes) -> t.Any:
    states = [line for line in output.splitlines() if b'"STATE"' in line]
    return json.loads(states[-1])["value"]
