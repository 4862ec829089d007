"""Numbers with nouns."""

from __future__ import annotations

import pytest

from marketo_opps.wording import counted


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
