"""Which leads have a value, and which of them takes the role; no I/O, no threads."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime

from marketo_opps import Reason
from marketo_opps.fields import CREATED_AT
from marketo_opps.keys import lookup_text

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from marketo_opps import Record

NOT_FOUND = "1004"
SEVERAL_MATCH = "1007"

TOO_MANY = 1_001
"""Stands for the number of leads with a value where Marketo does not tell them: over 1,000."""

_MOST_DIGITS = 18
"""More than any id of a lead has; as many as a database takes for sure."""


class FoundLead(t.NamedTuple):
    """A lead as far as it matters here.

    Attributes:
        lead_id: Marketo's id of it.
        created_at: when it was created; None where that cannot be read.
        value: what it has in the field that it was looked up by.
    """

    lead_id: int
    created_at: datetime | None
    value: str


class LeadMatch(t.NamedTuple):
    """What a lookup has found out about a value.

    Attributes:
        lead_id: of the lead that takes the role; None where there is none.
        lead_count: how many leads have the value.
    """

    lead_id: int | None
    lead_count: int

    def reject_reason(self, field: str) -> Reason:
        """Return why a role is rejected for which there is no lead.

        Args:
            field: that leads are looked up by.
        """
        if not self.lead_count:
            return Reason(
                NOT_FOUND,
                f"No lead with this '{field}' is visible to the API user: it does not exist, or "
                "is in a lead partition of a workspace that the user's role cannot access",
            )
        if self.lead_count < TOO_MANY:
            return Reason(
                SEVERAL_MATCH,
                f"{self.lead_count:,} leads have this '{field}': merge them in Marketo, or see "
                "lead_lookup_many",
            )
        return Reason(
            SEVERAL_MATCH,
            f"Over 1,000 leads have this '{field}', more than Marketo returns: use a "
            "lead_lookup_field that identifies a single lead",
        )


def folded(value: str) -> str:
    """Return the form in which spellings of one value are alike."""
    return value.strip().casefold()


def found_leads(records: Iterable[Record], field: str) -> list[FoundLead]:
    """Return the leads on the pages of a lookup, each once, as far as they can be used.

    Args:
        records: as Marketo sent them.
        field: that they were looked up by.
    """
    leads = {lead.lead_id: lead for record in records if (lead := _found_lead(record, field))}
    return list(leads.values())


def _found_lead(record: Record, field: str) -> FoundLead | None:
    lead_id, value = lookup_text(record.get("id")), lookup_text(record.get(field))
    # Numbers come as texts now and then.
    is_number = lead_id.isascii() and lead_id.isdigit() and len(lead_id) <= _MOST_DIGITS
    if not is_number or not value:
        return None
    return FoundLead(int(lead_id), _moment(record.get(CREATED_AT)), value)


def _moment(value: t.Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def choose_lead(leads: Sequence[FoundLead], many: str) -> LeadMatch:
    """Return which of the leads with a value takes the role.

    Args:
        leads: with the value.
        many: the setting `lead_lookup_many`.
    """
    if len(leads) < 2:  # noqa: PLR2004 - one is not several
        return LeadMatch(leads[0].lead_id if leads else None, len(leads))
    if many == "reject":
        return LeadMatch(None, len(leads))
    choose = min if many == "oldest" else max
    return LeadMatch(choose(leads, key=_age(leads)).lead_id, len(leads))


def _age(leads: Sequence[FoundLead]) -> t.Callable[[FoundLead], tuple[t.Any, ...]]:
    if any(lead.created_at is None for lead in leads):
        # Marketo counts ids up.
        return lambda lead: (lead.lead_id,)
    return lambda lead: (lead.created_at, lead.lead_id)
