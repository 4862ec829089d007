"""Count the results of lead lookups for the closing line."""

from __future__ import annotations

import typing as t

from marketo_opps.wording import counted

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from target_marketo_opps.delivery.lead_choice import LeadMatch


class LeadCounts:
    """Counts the values that were looked up, and the roles that were rejected for lack of a lead.

    Args:
        field: name of the field by which leads are looked up.

    Attributes:
        calls: number of calls that the lookups took.
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
        """Count values that were looked up, by whether they match one lead, none, or several.

        Args:
            matches: number of leads of each value.
            too_many: number of values that over 1,000 leads have.
            calls: number of calls that the lookup took.
        """
        self.calls += calls
        self._ambiguous += too_many
        for count in matches:
            self._found += count == 1
            self._not_found += not count
            self._ambiguous += count > 1

    def add_role(self, match: LeadMatch) -> None:
        """Count a role that was rejected because its lookup value matches no or several leads."""
        if match.lead_count:
            self._roles_ambiguous += 1
        else:
            self._roles_not_found += 1

    def summary(self) -> str:
        """Return the text about lead lookups that is part of the closing log line."""
        return (
            f"leads by {self._field}: {self._found:,} found, "
            f"{self._not_found:,} not found{_of_roles(self._roles_not_found)}, "
            f"{self._ambiguous:,} ambiguous{_of_roles(self._roles_ambiguous)}, "
            f"{counted(self.calls, 'lookup call')}"
        )


def _of_roles(count: int) -> str:
    return f" ({counted(count, 'role')} rejected)" if count else ""
