"""Test which values of `_sdc_deleted_at` delete a record: a delete cannot be undone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from target_marketo_opps.mapping.delete_mark import is_marked_deleted
from target_marketo_opps.mapping.mapped_record import RecordError


@pytest.mark.parametrize(
    "mark",
    [
        "2026-01-01",
        " 2026-01-01 ",
        "2026-01-01T10:20:30Z",
        "2026-01-01 10:20:30.5+02:00",
        date(2026, 1, 1),
        datetime(2026, 1, 1, tzinfo=UTC),
    ],
)
def test_a_date_or_moment_marks_a_delete(mark):
    assert is_marked_deleted(mark) is True


@pytest.mark.parametrize(
    "mark",
    [None, False, 0, 0.0, Decimal(0), float("nan"), "", "  ", "0", " false ", "False", "FALSE"],
)
def test_an_empty_mark_deletes_nothing(mark):
    assert is_marked_deleted(mark) is False


@pytest.mark.parametrize(
    "mark",
    [
        True,
        1,
        20260101,
        [],
        {},
        "true",
        "1",
        "20260101",
        "2026-1-1",
        "2026-13-01",
        "2026-01-01T25:00:00",
        "x2026-01-01",
        "2026-01-01 soon",
    ],
)
def test_any_other_mark_is_an_error_and_deletes_nothing(mark):
    with pytest.raises(RecordError) as caught:
        is_marked_deleted(mark)
    (reason,) = caught.value.reasons
    assert reason.code == "1003"
    assert "'_sdc_deleted_at' is neither empty nor a date and time" in reason.message
