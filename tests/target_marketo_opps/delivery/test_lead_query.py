"""Test lookups of leads, with a client that the test controls."""

from __future__ import annotations

import pytest

from marketo_opps import (
    AccessDeniedError,
    DataError,
    Page,
    PageTokenError,
    Reason,
    TooLargeError,
)
from target_marketo_opps.delivery.lead_query import LeadQuery

TOO_MANY = DataError("GET /x", [Reason("1003", "Too many results match the filter")], "r")
TOO_LONG = TooLargeError("GET /x", [Reason("413", "Too large")], "r")
STALE = PageTokenError("GET /x", [Reason("1003", "Paging token")], "r")


class Client:
    """Returns leads with the requested values; `refuse` returns why a call is refused."""

    def __init__(self, refuse=lambda values, token: None, page=300):
        self.asked, self.refuse, self.page = [], refuse, page

    def leads(self, *, filter_type, values, fields, next_page_token=None):
        assert filter_type == "email"
        assert set(fields) == {"id", "createdAt", "email"}
        self.asked.append(list(values))
        error = self.refuse(values, next_page_token)
        if error is not None:
            raise error
        start = int(next_page_token or 0)
        records = [{"id": int(value), "email": value} for value in values]
        end = start + self.page
        return Page(records[start:end], str(end), end < len(records), "r")


def values(count):
    return [str(number) for number in range(1, count + 1)]


def found(client, wanted):
    answer = LeadQuery(client, "email").find(wanted)
    return sorted(each.lead_id for each in answer.leads), answer


def test_lookup_reads_all_pages():
    client = Client(page=100)
    leads, answer = found(client, values(250))
    assert leads == list(range(1, 251))
    assert answer.calls == 3


def test_refused_lookup_is_halved_down_to_single_values():
    client = Client(lambda asked, _: TOO_MANY if "77" in asked else None)
    leads, answer = found(client, values(300))
    assert leads == [number for number in range(1, 301) if number != 77]
    assert answer.too_many == {"77"}
    assert answer.calls == len(client.asked) <= 2 * 10


def test_single_value_may_have_too_many_leads():
    _, answer = found(Client(lambda *_: TOO_MANY), ["1"])
    assert answer.too_many == {"1"}


def test_lookup_fails_if_each_single_value_is_refused():
    client = Client(lambda *_: TOO_MANY)
    with pytest.raises(DataError):
        found(client, values(300))
    assert len(client.asked) <= 20
    assert sum(len(asked) == 1 for asked in client.asked) == 6


def test_refused_values_are_no_failure_once_a_lookup_was_answered():
    client = Client(lambda asked, _: TOO_MANY if set(asked) & set(values(20)) else None)
    query = LeadQuery(client, "email")
    assert [each.lead_id for each in query.find(["100"]).leads] == [100]
    answer = query.find(values(20))
    assert (answer.values, answer.too_many) == (values(20), set(values(20)))


def test_leads_without_an_id_or_a_value_are_counted():
    class Careless(Client):
        def leads(self, **asked):
            page = super().leads(**asked)
            cut = [{"id": None, "email": "x"}, {"id": 7}]
            return Page([*page.records, *cut], page.next_page_token, page.more, "r")

    client = Careless(lambda asked, _: TOO_LONG if len(asked) > 5 else None)
    leads, answer = found(client, values(10))
    assert leads == list(range(1, 11))
    assert (answer.unusable, answer.calls) == (4, 3)


def test_lookup_that_is_too_large_is_halved():
    client = Client(lambda asked, _: TOO_LONG if len(asked) > 100 else None)
    assert found(client, values(300))[0] == list(range(1, 301))
    with pytest.raises(TooLargeError):
        found(Client(lambda *_: TOO_LONG), ["1"])


def test_refused_page_token_repeats_the_lookup():
    client = Client(lambda asked, token: STALE if token and len(asked) == 10 else None, page=4)
    assert found(client, values(10))[0] == list(range(1, 11))


def test_other_refusals_end_the_lookup():
    denied = AccessDeniedError("GET /x", [Reason("603", "Access denied")], "r")
    other = DataError("GET /x", [Reason("1006", "Field not found")], "r")
    for error in (denied, other):
        client = Client(lambda *_, error=error: error)
        with pytest.raises(type(error)):
            found(client, values(10))
        assert len(client.asked) == 1
