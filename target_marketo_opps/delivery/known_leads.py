"""Remember the results of lead lookups: in memory up to a limit, then in a temporary file."""

from __future__ import annotations

import typing as t
from collections import defaultdict

from marketo_opps.private_database import CACHE_BYTES, private_database
from target_marketo_opps.delivery.lead_choice import TOO_MANY, LeadMatch, choose_lead, folded

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from target_marketo_opps.delivery.lead_choice import FoundLead
    from target_marketo_opps.delivery.lead_query import LeadAnswer

_SCHEMA = """
CREATE TABLE lead_matches (
    value TEXT PRIMARY KEY,
    lead_id INTEGER,
    matches INTEGER NOT NULL
) WITHOUT ROWID;
"""
_ANY_SPELLING = ","
"""Prefix of a folded value: the result for spellings that no lead has. No value has a comma."""


class KnownLeads:
    """The results of lead lookups, by the value that was looked up.

    Args:
        many: value of the setting `lead_lookup_many`, which decides between several leads with the
            same value: reject, oldest or newest.
        cache_bytes: maximum memory before a temporary file is used.

    Attributes:
        ignores_case: whether Marketo has returned a lead whose value differs from the requested one
            by case, so that all spellings of a value match the same leads.
    """

    def __init__(self, many: str, *, cache_bytes: int = CACHE_BYTES) -> None:
        self.ignores_case = False
        self._many = many
        self._database = private_database(_SCHEMA, cache_bytes=cache_bytes)

    def match(self, value: str) -> LeadMatch | None:
        """Return the result of looking up a value; None if the value was not looked up."""
        match = self._stored(value)
        if match is None and self.ignores_case:
            form = folded(value)
            match = self._stored(_ANY_SPELLING + form) or self._stored(form)
        return match

    def add(self, answer: LeadAnswer) -> tuple[list[int], int]:
        """Store the leads that a lookup returned, by the values that they match.

        A lead belongs to the value that is equal to its own, or else to the one that differs only
        by case.

        Returns:
            The number of leads of each value, except values that over 1,000 leads have; and the
            number of leads that belong to none of the values.
        """
        by_form: defaultdict[str, list[FoundLead]] = defaultdict(list)
        for lead in answer.leads:
            by_form[folded(lead.value)].append(lead)
        self._database.execute("BEGIN")
        for value in answer.too_many:
            self._store(value, LeadMatch(None, TOO_MANY), is_alone=True)
        asked = [value for value in answer.values if value not in answer.too_many]
        matches = [self._add_value(value, by_form.pop(folded(value), [])) for value in asked]
        self._database.execute("COMMIT")
        return matches, sum(map(len, by_form.values()))

    def _add_value(self, value: str, leads: Sequence[FoundLead]) -> int:
        spellings = {lead.value for lead in leads}
        if spellings - {value}:
            self.ignores_case = True
        is_alone = spellings <= {value}
        self._store(value, self._match(value, leads), is_alone=is_alone)
        if not is_alone:
            self._write([(_ANY_SPELLING + folded(value), *choose_lead(leads, self._many))])
            self._write((each, *self._match(each, leads)) for each in spellings)
        return len(leads)

    def _match(self, value: str, leads: Sequence[FoundLead]) -> LeadMatch:
        exact = [lead for lead in leads if lead.value == value]
        return choose_lead(exact or leads, self._many)

    def _store(self, value: str, match: LeadMatch, *, is_alone: bool) -> None:
        self._write([(value, *match)])
        if is_alone and (form := folded(value)) != value:
            self._write([(_ANY_SPELLING + form, *match)])

    def _write(self, rows: Iterable[tuple[str, int | None, int]]) -> None:
        self._database.executemany("INSERT OR REPLACE INTO lead_matches VALUES (?, ?, ?)", rows)

    def _stored(self, value: str) -> LeadMatch | None:
        rows: Iterator[tuple[int | None, int]] = self._database.execute(
            "SELECT lead_id, matches FROM lead_matches WHERE value = ?", (value,)
        )
        return next((LeadMatch(*row) for row in rows), None)
