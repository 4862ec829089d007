"""Tell by `_sdc_deleted_at` whether a record marks a delete; pure."""

from __future__ import annotations

import re
import typing as t
from datetime import date, datetime

from marketo_opps import Reason
from marketo_opps.numbers import is_missing_number
from target_marketo_opps.mapping.mapped_record import INVALID_DATA, RecordError

DELETED_AT = "_sdc_deleted_at"

# Python takes "20260101" for a date too, which may be any number.
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAY_LENGTH = len("2026-01-01")
_LIVING = frozenset({"", "0", "false"})


def is_marked_deleted(mark: t.Any) -> bool:
    """Return whether a mark deletes.

    Only a date or a date-time deletes, for deleting cannot be undone. Taps write a living record
    with null, false, zero or an empty text, as a number or as text.

    Raises:
        RecordError: it can be neither.
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
        (date if len(text) == _DAY_LENGTH else datetime).fromisoformat(text)
    except ValueError:
        return False
    return True
