"""Read the leads that a lookup returned, and choose the lead of a role; no I/O, no threads."""

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
"""Lead count of a value that over 1,000 leads have, which Marketo does not return."""

_MOST_DIGITS = 18
"""More digits than a lead ID has, and few enough for a 64-bit integer of the database."""


class FoundLead(t.NamedTuple):
    """A lead that a lookup returned.

    Attributes:
        lead_id: its id in Marketo.
        created_at: when it was created; None if Marketo's value is not a date-time.
        value: its value of the field by which it was looked up.
    """

    lead_id: int
    created_at: datetime | None
    value: str


class LeadMatch(t.NamedTuple):
    """The result of looking up the leads that have one value.

    Attributes:
        lead_id: id of the lead to use; None if no lead, or no single lead, was found.
        lead_count: number of leads that have the value.
    """

    lead_id: int | None
    lead_count: int

    def reject_reason(self, field: str) -> Reason:
        """Return the reason to reject a role: no lead, or several leads, have its lookup value.

        Args:
            field: name of the field by which leads are looked up.
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
    """Return a value in lower case without surrounding blanks, to compare spellings."""
    return value.strip().casefold()


def found_leads(records: Iterable[Record], field: str) -> list[FoundLead]:
    """Return the records of a lookup as leads; leave out records without an id or a value.

    Args:
        records: records as Marketo sent them.
        field: name of the field by which leads are looked up.
    """
    leads = {lead.lead_id: lead for record in records if (lead := _found_lead(record, field))}
    return list(leads.values())


def _found_lead(record: Record, field: str) -> FoundLead | None:
    lead_id, value = lookup_text(record.get("id")), lookup_text(record.get(field))
    # Marketo sometimes sends numbers as strings.
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
    """Choose one of the leads that have a lookup value; none if `lead_lookup_many` forbids it.

    Args:
        leads: leads that have the value.
        many: value of the setting `lead_lookup_many`: reject, oldest or newest.
    """
    if len(leads) < 2:  # noqa: PLR2004 - one is not several
        return LeadMatch(leads[0].lead_id if leads else None, len(leads))
    if many == "reject":
        return LeadMatch(None, len(leads))
    choose = min if many == "oldest" else max
    return LeadMatch(choose(leads, key=_age(leads)).lead_id, len(leads))


def _age(leads: Sequence[FoundLead]) -> t.Callable[[FoundLead], tuple[t.Any, ...]]:
    if any(lead.created_at is None for lead in leads):
        # Marketo assigns increasing ids.
        return lambda lead: (lead.lead_id,)
    return lambda lead: (lead.created_at, lead.lead_id)
