"""Lead ids as text: in files, and in bookmarks: `lead_ids 1-2000`, `lead_list 1001`."""

from __future__ import annotations

import re

from marketo_opps.field_types import whole_number

LABEL_SEPARATOR = ", "
_LIST = "lead_list "
_LABEL = re.compile(r"lead_ids ([0-9]{1,18})-([0-9]{1,18})")


def range_digest(first: int, last: int) -> str:
    """Return a range of lead ids as text."""
    return f"{first}-{last}"


def leads_label(digest: str) -> str:
    """Return the name of the lead ids of a source in bookmarks; of a range it can be read."""
    return f"lead_ids {digest}"


def list_label(list_id: int) -> str:
    """Return the name of the leads of a static list in bookmarks."""
    return f"{_LIST}{list_id}"


def is_list_label(label: str) -> bool:
    """Return True if a label names a static list, whose leads may be others by now."""
    return label.startswith(_LIST)


def lead_range(label: str | None) -> range:
    """Return the lead ids that a label names; empty if it names no range."""
    match = _LABEL.fullmatch(label or "")
    return range(int(match[1]), int(match[2]) + 1) if match else range(0)


def lead_ranges(labels: str) -> list[range]:
    """Return the ranges that labels name, written as bookmarks join them."""
    return [leads for label in labels.split(LABEL_SEPARATOR) if (leads := lead_range(label))]


def lead_range_contains(label: str, other: str) -> bool:
    """Return True if one label's lead ids hold all of another's: same file, or wider range."""
    if label == other:
        return True
    wide, narrow = lead_range(label), lead_range(other)
    return bool(narrow) and wide.start <= narrow.start and narrow.stop <= wide.stop


def plain_lead_id(key: str) -> str:
    """Return a lead id without the `.0` or exponent of a spreadsheet; else the text as it is."""
    if key.isdigit() or not key:
        return key
    try:
        return str(whole_number(key))
    except ValueError:
        return key


def is_valid_lead_id(key: str) -> bool:
    """Return True if a line of a lead id file can be a lead id."""
    return key.isascii() and key.isdigit()
