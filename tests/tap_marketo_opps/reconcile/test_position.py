"""Tests of the encoding of a reconcile's progress."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_marketo_opps.finding.positions import PositionError
from tap_marketo_opps.reconcile.position import Counts, Progress


@given(
    next_row=st.integers(1, 10**7),
    pending=st.sets(st.integers(0, 10**7), max_size=50),
    counts=st.lists(st.integers(0, 10**7), min_size=6, max_size=6),
)
def test_what_is_encoded_is_what_is_decoded(next_row, pending, counts):
    numbers = sorted(number for number in pending if number < next_row)
    progress = Progress(next_row, dict.fromkeys(numbers), Counts(*counts))
    assert Progress.decode(progress.encode("f"), "f") == progress


def test_a_place_in_something_else_is_none():
    assert Progress.decode(Progress().encode("f"), "g") is None


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", None, 5, [], "{" * 100_000])
def test_what_is_no_place_is_an_error(text):
    with pytest.raises(PositionError):
        Progress.decode(text, "f")


def test_a_thousand_rows_that_wait_take_few_bytes():
    progress = Progress(300_000, dict.fromkeys(range(0, 300_000, 300)))
    assert len(progress.encode("f")) < 4300


@pytest.mark.parametrize(
    "changed",
    [
        {"v": 99},
        {"next": -1},
        {"next": "5"},
        {"next": True},
        {"missing": "5"},
        {"missing": "-1"},
        {"counts": {"gone": -1}},
        {"counts": {"gone": 1.5}},
        {"counts": {"unknown": 1}},
    ],
)
def test_a_place_with_an_impossible_number_is_an_error(changed):
    place = json.loads(Progress(5, {1: None}).encode("f"))
    assert Progress.decode(json.dumps(place | {"missing": "4"}), "f").pending == {4: None}
    with pytest.raises(PositionError):
        Progress.decode(json.dumps(place | changed), "f")
