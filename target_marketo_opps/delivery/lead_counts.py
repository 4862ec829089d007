"""Count what lookups of leads have found, and put it into words."""

from __future__ import annotations

import typing as t

from marketo_opps.wording import counted

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from target_marketo_opps.delivery.lead_choice import LeadMatch


class LeadCounts:
    """Counts values that were looked up, and roles that are rejected for want of a lead.

    Args:
        field: that leads are looked up by.

    Attributes:
        calls: how many the lookups took.
    """

    def __init__(self, field: str) -> None:
        self.calls = 0
        self._field = field
        self._found = 0
        self._not_found = 0
        self._ambiguous = 0
        self._roles_not_found = 0
        self._roles_ambiguous = 0

    def add(self, matches: Iterable[int], too_many: int, calls: int) -> None:
        """Count the answer of a lookup.

        Args:
            matches: how many leads each value has.
            too_many: values whose leads Marketo does not tell.
            calls: how many it took.
        """
        self.calls += calls
        self._ambiguous += too_many
        for count in matches:
            self._found += count == 1
            self._not_found += not count
            self._ambiguous += count > 1

    def add_role(self, match: LeadMatch) -> None:
        """Count a role that is rejected because of what was found."""
        if match.lead_count:
            self._roles_ambiguous += 1
        else:
            self._roles_not_found += 1

    def summary(self) -> str:
        """Return the counts for the closing line."""
        return (
            f"leads by {self._field}: {self._found:,} found, "
            f"{self._not_found:,} not found{_of_roles(self._roles_not_found)}, "
            f"{self._ambiguous:,} ambiguous{_of_roles(self._roles_ambiguous)}, "
            f"{counted(self.calls, 'lookup call')}"
        )


def _of_roles(count: int) -> str:
    return f" ({counted(count, 'role')} rejected)" if count else ""
