"""Test the lookup of records by key: paging, filter types, and similar keys."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from marketo_opps import MarketoObject, Page
from target_marketo_opps.delivery.key_lookup import KeyLookup

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Marketo:
    """Responds with one record per page."""

    def __init__(self, *records):
        self.records = records
        self.asked = []

    def _page(self, _obj, *, next_page_token, **asked):
        self.asked.append(asked)
        number = 0 if next_page_token is None else int(next_page_token)
        more = number + 1 < len(self.records)
        token = str(number + 1) if more else None
        assert len(self.asked) < 9
        return Page([self.records[number]], token, more, "r", NOW)

    query = query_by_keys = _page


@pytest.mark.parametrize("key_fields", [("a",), ("a", "b")])
def test_all_pages_are_read(key_fields):
    records = [{"a": n, "b": 1} for n in range(3)]
    marketo = Marketo(*records)
    lookup = KeyLookup(marketo, MarketoObject.OPPORTUNITY_ROLES, key_fields, by_id=False)
    found = lookup.find(records, ["c"])
    assert [found.get(record) for record in records] == records
    assert len(marketo.asked) == 3
    assert all(asked["batch_size"] == 300 for asked in marketo.asked)
    assert all(asked["fields"] == (*key_fields, "c") for asked in marketo.asked)


def test_two_key_fields_are_looked_up_together():
    marketo = Marketo({"a": 1, "b": "1,5"})
    lookup = KeyLookup(marketo, MarketoObject.OPPORTUNITY_ROLES, ("a", "b"), by_id=False)
    lookup.find([{"a": 1, "b": "1,5", "c": 3}], [])
    assert marketo.asked[0]["keys"] == [{"a": 1, "b": "1,5"}]


@pytest.mark.parametrize(("by_id", "filter_type"), [(True, "idField"), (False, "dedupeFields")])
def test_filter_type_names_the_kind_of_key(by_id, filter_type):
    marketo = Marketo({"a": "1"})
    KeyLookup(marketo, MarketoObject.OPPORTUNITIES, ("a",), by_id=by_id).find([{"a": 1}], [])
    assert marketo.asked[0]["filter_type"] == filter_type
    assert marketo.asked[0]["filter_values"] == ["1"]


def test_among_similar_keys_only_the_exact_one_is_found():
    records = [{"a": "key", "n": 1}, {"a": "KEY", "n": 2}, {"a": "lone", "n": 3}]
    lookup = KeyLookup(Marketo(*records), MarketoObject.OPPORTUNITIES, ("a",), by_id=False)
    found = lookup.find([{"a": "x"}], [])
    assert found.get({"a": "KEY"}) == records[1]
    assert found.get({"a": "Key"}) is None
    assert found.get({"a": "LONE "}) == records[2]
    assert found.get({"a": "none"}) is None
