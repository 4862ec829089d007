"""Numbers with nouns, and request IDs."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from marketo_opps.wording import counted, request_note

PACKAGES = ("marketo_opps", "tap_marketo_opps", "target_marketo_opps")


@pytest.mark.parametrize(
    ("number", "noun", "told"),
    [
        (0, "record", "0 records"),
        (1, "record", "1 record"),
        (2, "record", "2 records"),
        (1, "query", "1 query"),
        (0, "query", "0 queries"),
        (999, "query", "999 queries"),
        (1_234_567, "query", "1,234,567 queries"),
        (1_000, "call", "1,000 calls"),
    ],
)
def test_a_noun_is_in_the_plural_unless_the_number_is_1(number, noun, told):
    assert counted(number, noun) == told


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (["r#1"], " (requestId r#1)"),
        (["r#1", "610 Gone"], " (610 Gone, requestId r#1)"),
        (["r#1", ""], " (requestId r#1)"),
        ([None, "610 Gone"], " (610 Gone)"),
        ([None], ""),
        (["", ""], ""),
    ],
)
def test_a_request_id_is_left_out_if_there_is_none(parts, told):
    assert request_note(*parts) == told


def test_request_ids_are_put_into_messages_by_one_function():
    places = [Path(importlib.import_module(name).__file__).parent for name in PACKAGES]
    paths = [path for place in places for path in place.rglob("*.py")]
    written = [path.name for path in paths if re.search(r"requestId (\{|%s)", path.read_text())]
    assert written == ["wording.py"]
