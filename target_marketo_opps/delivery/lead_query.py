"""Look up the leads that have given values; runs on worker threads."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from marketo_opps import TOO_MANY_LEADS, DataError, PageTokenError, QueryPaging, TooLargeError
from marketo_opps.fields import CREATED_AT
from target_marketo_opps.delivery.lead_choice import found_leads

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from marketo_opps import MarketoClient, Record
    from target_marketo_opps.delivery.lead_choice import FoundLead

_SINGLES_UNTIL_HOPELESS = 6

_Refusal = DataError | TooLargeError | PageTokenError


@dataclass(slots=True)
class LeadAnswer:
    """The result of one lookup of leads.

    Attributes:
        values: values that were looked up; no two differ only by case.
        leads: leads that have one of the values.
        too_many: values that over 1,000 leads have, which Marketo does not return.
        unusable: number of returned leads without an id or a value.
        calls: number of calls that the lookup took.
    """

    values: Sequence[str]
    leads: list[FoundLead] = field(default_factory=list)
    too_many: set[str] = field(default_factory=set)
    unusable: int = 0
    calls: int = 0


class LeadQuery:
    """Finds leads by the values of one of their fields.

    Args:
        client: makes the calls.
        field: name of the field.

    Attributes:
        field: name of the field.
    """

    def __init__(self, client: MarketoClient, field: str) -> None:
        self.field = field
        self._client = client
        self._fields = tuple(dict.fromkeys(("id", CREATED_AT, field)))
        self._has_answered = False
        self._refused_alone = 0

    def find(self, values: Sequence[str]) -> LeadAnswer:
        """Return the leads that have some values, in as many calls as needed.

        Raises:
            MarketoError: a call failed, or Marketo refuses each single value, so that the cause is
                not the number of leads.
        """
        answer = LeadAnswer(values)
        parts = [values]
        while parts:
            part = parts.pop()
            refusal = self._attempt(part, answer)
            if refusal is None:
                continue
            if len(part) == 1:
                self._note_refused_alone(refusal)
                answer.too_many.update(part)
            else:
                # Every other value, so that the first single values are from different places.
                parts += [part[1::2], part[::2]]
        return answer

    def _attempt(self, values: Sequence[str], answer: LeadAnswer) -> _Refusal | None:
        """Look up leads by some values, and add the leads to the answer.

        Returns:
            The error if the call may have matched too many leads; None if it succeeded.
        """
        try:
            records = self._records(values, answer)
        except DataError as error:
            if error.code != TOO_MANY_LEADS:
                raise
            return error
        except (TooLargeError, PageTokenError) as error:
            if len(values) == 1:
                raise
            return error
        self._has_answered = True
        leads = found_leads(records, self.field)
        answer.leads += leads
        answer.unusable += len(records) - len(leads)
        return None

    def _records(self, values: Sequence[str], answer: LeadAnswer) -> list[Record]:
        paging = QueryPaging()
        records: list[Record] = []
        token: str | None = None
        more: bool | None = True
        while more:
            answer.calls += 1
            page = paging.resolved(
                self._client.leads(
                    filter_type=self.field,
                    values=values,
                    fields=self._fields,
                    next_page_token=token,
                )
            )
            records += page.records
            more, token = page.more, page.next_page_token
        return records

    def _note_refused_alone(self, refusal: _Refusal) -> None:
        self._refused_alone += 1
        if not self._has_answered and self._refused_alone >= _SINGLES_UNTIL_HOPELESS:
            raise refusal
