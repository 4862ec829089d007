"""Where a read that comes in pages ends, with complete and incomplete responses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from marketo_opps import LogPaging, MarketoObject, Page, QueryPaging
from marketo_opps.errors import UnexpectedResponseError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOES_ON, ENDS = True, False
OPPORTUNITIES = MarketoObject.OPPORTUNITIES
BOTH_NAMED = r"GET /v1/x\.json: .*requestId r#1"


def page(*guids, more=None, token="next"):
    return page_of(*({"marketoGUID": guid} for guid in guids), more=more, token=token)


def page_of(*records, more=None, token="next"):
    return Page(list(records), token, more, "r#1", "GET /v1/x.json")


def ends(paging, *pages):
    return [paging.resolved(each).more for each in pages]


# Queries


@pytest.mark.parametrize(
    ("only", "outcome"),
    [
        (page("a", more=False), ENDS),
        (page(more=False, token=None), ENDS),
        (page("a", token=None), ENDS),
        (page(token=None), ENDS),
        (page(), ENDS),
        (page("a"), GOES_ON),
        (page("a", more=True), GOES_ON),
        (page(more=True), GOES_ON),
    ],
)
def test_a_query_ends_without_more_result_or_token(only, outcome):
    resolved = QueryPaging().resolved(only)
    assert resolved.more is outcome
    assert (resolved.records, resolved.next_page_token) == (only.records, only.next_page_token)


def test_without_more_result_a_page_without_news_is_the_last():
    assert ends(QueryPaging(), page("a", "b"), page("b", "c"), page("a", "c ")) == [
        GOES_ON,
        GOES_ON,
        ENDS,
    ]


def test_with_more_result_one_page_without_news_is_skipped():
    pages = [page("a"), page("a"), page("b"), page(), page("c"), page("d", more=False)]
    told = [Page(each.records, "t", more=True, request_id="r") for each in pages]
    assert ends(QueryPaging(), *told[:-1], pages[-1]) == [GOES_ON] * 5 + [ENDS]


@pytest.mark.parametrize("second", [page("a", more=True), page(more=True)])
def test_two_pages_in_a_row_without_news_are_an_error(second):
    paging = QueryPaging()
    ends(paging, page("a", more=True), page("a", more=True))
    with pytest.raises(UnexpectedResponseError, match=r"two pages in a row .*requestId r#1"):
        paging.resolved(second)


def test_an_error_names_the_call_and_the_request():
    with pytest.raises(UnexpectedResponseError, match=BOTH_NAMED):
        QueryPaging().resolved(page("a", more=True, token=None))


@pytest.mark.parametrize("paging", [QueryPaging(), QueryPaging(["a"])])
def test_more_result_without_a_token_is_an_error(paging):
    with pytest.raises(UnexpectedResponseError, match="moreResult is true without a page token"):
        paging.resolved(page("a", more=True, token=None))


def test_records_without_a_guid_are_compared_by_content():
    one, other = {"seq": 0, "name": "n", "size": 1}, {"seq": 0, "name": "n", "size": 2}
    again = {"size": 1, "name": "n", "seq": 7}
    assert ends(QueryPaging(), page_of(one), page_of(other), page_of(again)) == [
        GOES_ON,
        GOES_ON,
        ENDS,
    ]


@pytest.mark.parametrize("more", [None, True])
def test_a_lookup_ends_with_the_last_value_found(more):
    paging = QueryPaging([" A", "B ", "B"])
    pages = [page("A", more=more), page("C", more=more), page(" B", more=more)]
    assert ends(paging, *pages) == [GOES_ON, GOES_ON, ENDS]


def test_values_are_looked_for_in_the_field_given():
    paging = QueryPaging(["1", "2"], "externalOpportunityId")
    first, second = ({"marketoGUID": f"g{n}", "externalOpportunityId": n} for n in (1, 2))
    assert ends(paging, page_of(first), page_of(second)) == [GOES_ON, ENDS]


def test_a_value_in_another_case_is_not_found():
    assert ends(QueryPaging(["a", "A"]), page("A"), page("a")) == [GOES_ON, ENDS]


def test_without_looked_up_values_no_page_is_the_last():
    assert ends(QueryPaging(()), page("a")) == [GOES_ON]


def test_records_are_remembered_in_the_callers_set():
    class Hashes(set):
        def add(self, key):
            super().add(hash(key))

        def __contains__(self, key):
            return super().__contains__(hash(key))

    kept = Hashes()
    assert ends(QueryPaging(seen=kept), page("a"), page("a")) == [GOES_ON, ENDS]
    assert set(kept) == {hash("a")}


# The activity log


def walk(paging, *pages, asked="first"):
    told = []
    for each in pages:
        told.append(paging.resolved(each, asked).more)
        asked = each.next_page_token
    return told


def test_the_log_continues_through_empty_pages():
    pages = [page(more=True, token=f"t{n}") for n in range(50)]
    assert walk(LogPaging(), *pages, page(more=False, token="t49")) == [GOES_ON] * 50 + [ENDS]


def test_a_page_of_the_log_without_more_result_is_an_error():
    with pytest.raises(UnexpectedResponseError, match=r"no moreResult .*requestId r#1"):
        walk(LogPaging(), page("a"))


def test_more_result_in_the_log_without_a_token_is_an_error():
    with pytest.raises(UnexpectedResponseError, match="without a page token"):
        walk(LogPaging(), page("a", more=True, token=None))
    assert walk(LogPaging(), page("a", more=False, token=None)) == [ENDS]


@pytest.mark.parametrize("tokens", [["first"], ["b", "b"], ["b", "c", "b"], ["b", "first"]])
def test_a_repeated_page_token_of_the_log_is_an_error(tokens):
    pages = [page(str(n), more=True, token=token) for n, token in enumerate(tokens)]
    assert walk(LogPaging(), *pages[:-1]) == [GOES_ON] * (len(tokens) - 1)
    with pytest.raises(UnexpectedResponseError, match="that it sent before"):
        walk(LogPaging(), *pages)


def test_many_empty_pages_are_logged_at_each_power_of_ten(caplog):
    paging = LogPaging()
    pages = [page(more=True, token=str(n)) for n in range(2000)]
    walk(paging, *pages[:99])
    assert not caplog.records
    walk(paging, *pages[99:1500])
    assert [record.getMessage().split()[2] for record in caplog.records] == ["100", "1,000"]
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert "requestId r#1" in caplog.text
    caplog.clear()
    walk(paging, page("a", more=True, token="x"), *pages[1501:1600])
    assert not caplog.records
    walk(paging, page(more=True, token="y"))
    assert [record.getMessage().split()[2] for record in caplog.records] == ["100"]


# Pages of the client


def ask(client):
    return client.query(OPPORTUNITIES, filter_type="x", filter_values=["a"], fields=["name"])


@pytest.mark.parametrize(
    ("said", "more"),
    [
        ({}, None),
        ({"moreResult": None}, None),
        ({"moreResult": True}, True),
        ({"moreResult": False}, False),
        ({"moreResult": "true"}, True),
        ({"moreResult": "False "}, False),
    ],
)
def test_more_result_is_passed_on_unchanged(instance, client, success, said, more):
    instance.answers("opportunities.json", success(nextPageToken="t", **said))
    assert ask(client).more is more


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"moreResult": "perhaps"}, "a moreResult that is not a boolean"),
        ({"moreResult": ""}, "a moreResult that is not a boolean"),
        ({"moreResult": 1}, "a moreResult that is not a boolean"),
        ({"moreResult": []}, "a moreResult that is not a boolean"),
        ({"nextPageToken": [5]}, "a page token that is not a string"),
    ],
)
def test_more_result_and_token_of_wrong_types_are_errors(instance, client, success, said, told):
    instance.answers("opportunities.json", success(**said))
    with pytest.raises(
        UnexpectedResponseError, match=rf"GET /v1/opportunities\.json: {told} .*requestId r#1"
    ):
        ask(client)


def test_an_invalid_more_result_does_not_fail_a_write(instance, client, success):
    instance.answers("opportunities.json", success({"status": "created"}, moreResult="perhaps"))
    outcome = client.sync(OPPORTUNITIES, [b"{}"], action="createOrUpdate")
    assert outcome.results[0].accepted


def test_an_empty_token_is_none(instance, client, success):
    instance.answers("opportunities.json", success({"marketoGUID": "a"}, nextPageToken=""))
    assert QueryPaging().resolved(ask(client)).more is ENDS


def test_a_paging_error_names_the_clients_call(instance, client, success):
    instance.answers("opportunities.json", success(moreResult=True))
    with pytest.raises(UnexpectedResponseError, match=r"GET /v1/opportunities\.json: .*r#1"):
        QueryPaging().resolved(ask(client))
