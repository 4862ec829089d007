"""Find the properties of a role that are about its lead, and read the value to look it up by."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from marketo_opps import Reason, is_valid_filter_value
from marketo_opps.fields import LEAD_ID
from marketo_opps.keys import comparable_name, lookup_text
from marketo_opps.near_names import listed
from marketo_opps.numbers import is_missing_number
from target_marketo_opps.mapping.mapped_record import INVALID_DATA, MISSING_VALUE

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from marketo_opps import ObjectDescription

_PREFIX = "lead_"
_LONGEST_VALUE = 255
"""Maximum length of Marketo's string fields that leads can be looked up by."""
_NO_LOOKUP = "so no lead can be looked up by it"


def without_lead_id(description: ObjectDescription) -> ObjectDescription:
    """Return the description of roles without the field for the lead ID."""
    return replace(
        description,
        dedupe_fields=tuple(name for name in description.dedupe_fields if name != LEAD_ID),
        fields=tuple(field for field in description.fields if field.name != LEAD_ID),
    )


class LeadProperties:
    """Recognizes the properties of a role that are about its lead, and not fields of the role.

    Args:
        lookup_field: lead field by which leads are looked up; None if roles arrive with lead IDs.
        fields: names of the fields of roles.

    Attributes:
        lookup_field: lead field by which leads are looked up.
        names: names of the properties that may hold a role's lookup value: for the field `email`,
            `lead_email` and `email`.
    """

    def __init__(self, lookup_field: str | None, fields: Iterable[str]) -> None:
        self.lookup_field = lookup_field
        own = frozenset(map(comparable_name, fields))
        names = (f"{_PREFIX}{lookup_field}", lookup_field) if lookup_field else ()
        self.names = tuple(name for name in names if comparable_name(name) not in own)
        self._forms = frozenset(map(comparable_name, self.names))

    def finds_lead(self, name: str) -> bool:
        """Return whether a property, by its name, holds the value to look up the lead by."""
        return comparable_name(name) in self._forms

    def describes_lead(self, name: str) -> bool:
        """Return whether a property, such as `lead_email`, is about a role's lead, by its name.

        It is called for properties that are no fields of roles.
        """
        form = comparable_name(name)
        return (
            name.casefold().startswith(_PREFIX)
            or form in self._forms
            or (bool(self._forms) and form == comparable_name(LEAD_ID))
        )


def read_lookup_value(values: Mapping[str, t.Any], field: str) -> tuple[str, list[Reason]]:
    """Return the value to look up the lead of a role by, and reasons if it is invalid.

    Args:
        values: values of the role's lookup properties, by property name.
        field: name of the field by which leads are looked up.
    """
    present = {name: value for name, value in values.items() if not _is_missing(value)}
    if not present:
        message = f"Missing value for '{field}', which is needed to look up the lead"
        return "", [Reason(MISSING_VALUE, message)]
    reasons = [Reason(INVALID_DATA, why) for each in present.items() if (why := _fault(*each))]
    texts = dict.fromkeys(map(lookup_text, present.values()))
    if len(texts) > 1 and not reasons:
        message = f"Properties {listed(present)} have values of different leads: send one of them"
        reasons.append(Reason(INVALID_DATA, message))
    return next(iter(texts)), reasons


def _is_missing(value: t.Any) -> bool:
    return (
        value is None or is_missing_number(value) or (isinstance(value, str) and not value.strip())
    )


def _fault(name: str, value: t.Any) -> str:
    """Return why no lead can be looked up by a value; an empty string if one can."""
    text = lookup_text(value)
    if not text or (not isinstance(value, str) and "." in text):
        return f"Property '{name}' is neither a string nor an integer, {_NO_LOOKUP}"
    if not is_valid_filter_value(text):
        return f"Property '{name}' contains a comma, {_NO_LOOKUP}"
    if len(text) > _LONGEST_VALUE:
        return f"Property '{name}' is longer than {_LONGEST_VALUE} characters, {_NO_LOOKUP}"
    if any("\ud800" <= each <= "\udfff" for each in text):
        return (
            f"Property '{name}' contains half of a surrogate pair, which is not a valid character"
        )
    return ""
