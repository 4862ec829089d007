"""Look up records in Marketo by key, 300 per call."""

from __future__ import annotations

import typing as t

from marketo_opps import MAX_BATCH_RECORDS, QueryPaging, is_valid_filter_value
from marketo_opps.keys import comparable_key

if t.TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    from marketo_opps import MarketoClient, MarketoObject, Page, Record


class KeyLookup:
    """Finds records of one object by key.

    Args:
        client: makes the calls.
        obj: opportunities or roles.
        key_fields: the object's dedupe fields, or its id field.
        by_id: whether the key field is the id field.
    """

    def __init__(
        self,
        client: MarketoClient,
        obj: MarketoObject,
        key_fields: Sequence[str],
        *,
        by_id: bool,
    ) -> None:
        self._client = client
        self._obj = obj
        self._key_fields = tuple(key_fields)
        self._by_id = by_id

    def find(self, records: Sequence[Record], fields: Sequence[str]) -> KeyIndex:
        """Return an index of the records in Marketo that have the keys of the given records.

        Args:
            records: up to 300 records, each with all key fields.
            fields: names of the fields to return, besides the key fields.
        """
        asked = [record for record in records if self.is_valid_key(record)]
        wanted = tuple(dict.fromkeys([*self._key_fields, *fields]))
        found = KeyIndex(self._key_fields)
        if asked:
            for page in self._pages(asked, wanted):
                found.add(page.records)
        return found

    def is_valid_key(self, record: Record) -> bool:
        """Return whether Marketo can be queried for a record's key; not if it has a comma."""
        return self._is_compound or is_valid_filter_value(str(record[self._key_fields[0]]))

    @property
    def _is_compound(self) -> bool:
        return len(self._key_fields) > 1

    def _pages(self, records: Sequence[Record], fields: Sequence[str]) -> Iterator[Page]:
        ask = self._by_compound_key if self._is_compound else self._by_single_key
        paging = self._paging(records)
        token: str | None = None
        more: bool | None = True
        while more:
            page = paging.resolved(ask(records, fields, token))
            yield page
            more, token = page.more, page.next_page_token

    def _paging(self, records: Sequence[Record]) -> QueryPaging:
        if self._is_compound:
            return QueryPaging()
        key_field = self._key_fields[0]
        return QueryPaging((str(record[key_field]) for record in records), key_field)

    def _by_single_key(
        self,
        records: Sequence[Record],
        fields: Sequence[str],
        token: str | None,
    ) -> Page:
        return self._client.query(
            self._obj,
            filter_type="idField" if self._by_id else "dedupeFields",
            filter_values=[str(record[self._key_fields[0]]) for record in records],
            fields=fields,
            batch_size=MAX_BATCH_RECORDS,
            next_page_token=token,
        )

    def _by_compound_key(
        self,
        records: Sequence[Record],
        fields: Sequence[str],
        token: str | None,
    ) -> Page:
        return self._client.query_by_keys(
            self._obj,
            keys=[{name: record[name] for name in self._key_fields} for record in records],
            fields=fields,
            batch_size=MAX_BATCH_RECORDS,
            next_page_token=token,
        )


class KeyIndex:
    """Records that a lookup returned, by key.

    Args:
        key_fields: the fields that identify a record.
    """

    def __init__(self, key_fields: Sequence[str]) -> None:
        self._key_fields = key_fields
        self._records: dict[Hashable, list[Record]] = {}

    def add(self, records: Sequence[Record]) -> None:
        """Add records, as Marketo returned them, to the index."""
        for record in records:
            self._records.setdefault(self._key(record, comparable_key), []).append(record)

    def holds(self, record: Mapping[str, t.Any]) -> bool:
        """Return whether an indexed record has the key of a given record, in any spelling."""
        return self._key(record, comparable_key) in self._records

    def get(self, record: Mapping[str, t.Any]) -> Record | None:
        """Return the indexed record that has the key of a given record.

        Returns:
            None if no record has the key, or if several have it and all spell it differently.
        """
        candidates = self._records.get(self._key(record, comparable_key), [])
        exact = [one for one in candidates if self._key(one, str) == self._key(record, str)]
        chosen = exact or candidates
        return chosen[0] if len(chosen) == 1 else None

    def _key(self, record: Mapping[str, t.Any], form: Callable[[t.Any], Hashable]) -> Hashable:
        return tuple(form(record.get(name)) for name in self._key_fields)
