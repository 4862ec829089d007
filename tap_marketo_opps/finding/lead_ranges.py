"""Lead IDs in files, and labels of sets of leads in bookmarks, such as `lead_ids 1-2000`."""

from __future__ import annotations

import re

from marketo_opps.field_types import whole_number
from tap_marketo_opps.settings import LARGEST_LEAD_ID

LABEL_SEPARATOR = ", "
_LIST = "lead_list "
_LARGEST = str(LARGEST_LEAD_ID)
_LABEL = re.compile(r"lead_ids ([0-9]{1,18})-([0-9]{1,18})")


def range_digest(first: int, last: int) -> str:
    """Return a range of lead IDs as a string, such as `1-2000`."""
    return f"{first}-{last}"


def leads_label(digest: str) -> str:
    """Return the text by which bookmarks identify a set of lead IDs, such as `lead_ids 1-2000`.

    Args:
        digest: Digest of the lead IDs; for a range of IDs, the range itself, such as `1-2000`.
    """
    return f"lead_ids {digest}"


def list_label(list_id: int) -> str:
    """Return the text by which bookmarks identify the leads of a static list, given its ID."""
    return f"{_LIST}{list_id}"


def is_list_label(label: str) -> bool:
    """Return True if a label in a bookmark identifies the leads of a static list.

    Leads may have been added to the list since the bookmark was written.
    """
    return label.startswith(_LIST)


def lead_range(label: str | None) -> range:
    """Return the lead IDs in a label: 1 to 2000 for the label `lead_ids 1-2000`.

    Return an empty range for a label without a range, such as that of a static list, and for None.
    """
    match = _LABEL.fullmatch(label or "")
    return range(int(match[1]), int(match[2]) + 1) if match else range(0)


def lead_ranges(labels: str) -> list[range]:
    """Return the ranges of lead IDs in a text such as `lead_ids 1-2000, lead_ids 5000-6000`.

    Such a text is stored in a bookmark. Labels in it that have no range are skipped.
    """
    return [leads for label in labels.split(LABEL_SEPARATOR) if (leads := lead_range(label))]


def lead_range_contains(label: str, other: str) -> bool:
    """Return True if a label such as `lead_ids 1-2000` includes another, such as `lead_ids 5-90`.

    Labels are the texts by which bookmarks identify sets of leads. A label includes itself, too. A
    label without a range, such as that of a static list, includes no other.

    Args:
        label: Label of the leads that may be the larger set.
        other: Label of the leads that may be included in it.
    """
    if label == other:
        return True
    wide, narrow = lead_range(label), lead_range(other)
    return bool(narrow) and wide.start <= narrow.start and narrow.stop <= wide.stop


def plain_lead_id(key: str) -> str:
    """Return a lead ID as a spreadsheet writes it, such as `12.0` or `1.2E1`, as `12`.

    Text that is not a whole number is returned unchanged.
    """
    if key.isdigit() or not key:
        return key
    try:
        return str(whole_number(key))
    except ValueError:
        return key


def is_valid_lead_id(key: str) -> bool:
    """Return True if a string can be a lead ID: digits only, and not over the largest ID."""
    if not (key.isascii() and key.isdigit()):
        return False
    digits = key.lstrip("0")
    # Not by int, which refuses thousands of digits. Of equal length, digits compare as numbers do.
    return (len(digits), digits) <= (len(_LARGEST), _LARGEST)
