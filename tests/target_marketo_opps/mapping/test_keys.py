"""Keys in log lines."""

from __future__ import annotations

import pytest

from target_marketo_opps.mapping.keys import display_key


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        (["A"], "A"),
        (["A", 7, "Buyer"], "A/7/Buyer"),
        ([None, ""], "(none)/(none)"),
        ([{"a": 1}, [1]], "(an object)/(a list)"),
        (["a\nb\u200bc"], "a?b?c"),
        (["x" * 100], "x" * 100),
        (["x" * 101], "x" * 97 + "..."),
        (["x" * 60, "y" * 60], "x" * 60 + "/" + "y" * 36 + "..."),
    ],
)
def test_a_key_is_shown_on_one_line_and_not_too_long(parts, shown):
    assert display_key(parts) == shown
