"""Decide by `_sdc_deleted_at` whether a record is to be deleted; no I/O."""

from __future__ import annotations

import re
import typing as t
from datetime import date, datetime

from marketo_opps import Reason
from marketo_opps.numbers import is_missing_number
from target_marketo_opps.mapping.mapped_record import INVALID_DATA, RecordError

DELETED_AT = "_sdc_deleted_at"

# Python parses "20260101" as a date too, but it may be any number.
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LIVING = frozenset({"", "0", "false"})


def is_marked_deleted(mark: t.Any) -> bool:
    """Return whether the value of `_sdc_deleted_at` marks a record as deleted.

    Only a date or date-time marks a delete, because a delete cannot be undone. Taps send null,
    false, zero or an empty value, as a number or a string, for a record that is not deleted.

    Raises:
        RecordError: the value is neither a date or date-time nor one of these.
    """
    if isinstance(mark, date) or (isinstance(mark, str) and _is_moment(mark.strip())):
        return True
    if not _is_living(mark):
        message = f"Property '{DELETED_AT}' is neither empty nor a date and time"
        raise RecordError([Reason(INVALID_DATA, message)])
    return False


def _is_living(mark: t.Any) -> bool:
    if isinstance(mark, str):
        return mark.strip().lower() in _LIVING
    return mark is None or is_missing_number(mark) or mark == 0


def _is_moment(text: str) -> bool:
    if not _DAY.match(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
