"""Queries of opportunities: parameters, pages, keys and values."""

from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime

import pytest

from marketo_sandbox.instance.page_tokens import PageTokens
from marketo_sandbox.instance.paging import Pager
from marketo_sandbox.options import SandboxOptions
from tests.marketo_sandbox.helpers import codes

PATH = "/rest/v1/opportunities.json"
KEYS = frozenset({"seq", "marketoGUID"})


@pytest.fixture
def seeded(start):
    return start(opportunities=400, leads=50, seed=3)


@pytest.fixture
def api(seeded, caller_of):
    return caller_of(seeded)


def test_a_query_without_fields_returns_the_default_fields(api):
    (record,) = api.find(["OPP-0000005"])["result"]
    assert set(record) == {"seq", "marketoGUID", "externalOpportunityId", "createdAt", "updatedAt"}


def test_a_query_returns_its_filter_field_by_default(api):
    answer = api.get(PATH, filterType="legacyNumber", filterValues="100007")
    (record,) = answer["result"]
    assert str(record["legacyNumber"]) == "100007"
    assert record["externalOpportunityId"] == "OPP-0000007"


def test_a_query_returns_requested_fields_without_nulls(api, seeded):
    named = "name,description,region"
    stored = {each["externalOpportunityId"]: each for each in seeded.instance.opportunities()}
    ids = seeded.instance.opportunity_ids(0, 50)
    plain = [each for each in ids if each.startswith("OPP-") and len(each) == 11]
    records = api.find(plain, fields=named)["result"]
    assert len(records) == len(plain)
    assert any("description" not in record for record in records)
    for record in records:
        whole = stored[record["externalOpportunityId"]]
        wanted = ["externalOpportunityId", *named.split(",")]
        expected = {name: whole[name] for name in wanted if name in whole}
        told = {name: value for name, value in record.items() if name not in KEYS}
        assert told == expected
        assert record["marketoGUID"].strip() == whole["marketoGUID"]


def test_field_names_ignore_case_as_in_adobes_example(api):
    (record,) = api.find(["OPP-0000005"], fields="marketoGuid,NAME")["result"]
    assert set(record) == {"seq", "marketoGUID", "externalOpportunityId", "name"}


def test_opportunities_are_found_by_company_id(api, seeded):
    stored = seeded.instance.opportunities()
    company = next(each["externalCompanyId"] for each in stored if "externalCompanyId" in each)
    query = {"filterType": "externalCompanyId", "filterValues": company.lower()}
    found = api.get(PATH, **query, fields="externalCompanyId")["result"]
    expected = [each for each in stored if each.get("externalCompanyId") == company]
    assert [each["externalOpportunityId"] for each in found] == [
        each["externalOpportunityId"] for each in expected
    ]


def test_an_unknown_field_name_is_1006(api):
    assert codes(api.find(["OPP-0000005"], fields="name,nonsense")) == ["1006"]


def test_filter_values_without_a_match_give_an_empty_result(api):
    answer = api.find(["OPP-0000005", "nobody", "OPP-0000006"])
    assert [record["seq"] for record in answer["result"]] == [0, 1]
    assert "moreResult" not in answer
    assert api.find(["nobody"])["result"] == []


@pytest.mark.parametrize("alias", ["idField", "marketoGUID"])
def test_guids_are_found_even_with_a_trailing_blank(api, alias):
    ids = [f"OPP-{number:07d}" for number in range(1, 20)]
    guids = [record["marketoGUID"] for record in api.find(ids)["result"]]
    assert any(guid.endswith(" ") for guid in guids)
    answer = api.get(PATH, filterType=alias, filterValues=",".join(guids).upper())
    assert [record["marketoGUID"] for record in answer["result"]] == guids


@pytest.mark.parametrize(
    ("filter_type", "code"),
    [("name", "1011"), ("amount", "1011"), ("nonsense", "1006"), ("", "701")],
)
def test_a_filter_field_that_is_not_searchable_is_refused(api, filter_type, code):
    assert codes(api.get(PATH, filterType=filter_type, filterValues="a")) == [code]


def test_missing_and_blank_parameters_are_named(api):
    answer = api.get(PATH, filterValues="a")
    assert answer["errors"] == [
        {"code": "1002", "message": "Missing value for the required parameter 'filterType'"}
    ]
    assert codes(api.get(PATH, filterType="idField")) == ["1002"]
    assert codes(api.get(PATH, filterType="idField", filterValues=" ")) == ["701"]


@pytest.mark.parametrize("name", ["filterType", "filterValues"])
@pytest.mark.parametrize("value", [["OPP-0000005"], [], {"a": 1}, True])
def test_a_parameter_neither_string_nor_number_is_1001(api, name, value):
    body = {"filterType": "dedupeFields", "filterValues": "OPP-0000005", name: value}
    answer = api.post(f"{PATH}?_method=GET", body)
    assert answer["errors"] == [
        {"code": "1001", "message": f"Invalid value '{value}'. Required of type 'string'"}
    ]


def test_a_filter_value_may_be_a_number(api):
    body = {"filterType": "legacyNumber", "filterValues": 100007}
    (record,) = api.post(f"{PATH}?_method=GET", body)["result"]
    assert record["externalOpportunityId"] == "OPP-0000007"


def test_more_than_300_filter_values_are_1003(api):
    form = {"filterType": "dedupeFields"}
    for count, expected in ((300, True), (301, False)):
        form["filterValues"] = ",".join(f"a{number}" for number in range(count))
        answer = api.send("POST", f"{PATH}?_method=GET", data=form).json()
        assert answer["success"] is expected


@pytest.mark.parametrize(
    ("batch_size", "code"), [("0", "1003"), ("301", "1003"), ("-1", "1003"), ("many", "1001")]
)
def test_a_batch_size_out_of_range_is_refused(api, batch_size, code):
    assert codes(api.find(["a"], batchSize=batch_size)) == [code]


@pytest.mark.parametrize("batch_size", ["", None, "300", " 300 "])
def test_a_page_has_300_records_at_most_and_by_default(api, batch_size):
    form = {"filterType": "dedupeFields", "batchSize": batch_size}
    form["filterValues"] = ",".join(f"OPP-{number:07d}" for number in range(1, 301))
    answer = api.send("POST", f"{PATH}?_method=GET", data=form).json()
    assert len(answer["result"]) > 290
    assert "moreResult" not in answer


@pytest.mark.parametrize("batch_size", ["many", "1e999999999999999999", "1.5", "[1]", "true"])
def test_a_batch_size_that_is_no_integer_is_1001_in_json_too(api, batch_size):
    body = '{"filterType":"dedupeFields","filterValues":"a","batchSize":%s}'
    spelled = f'"{batch_size}"' if batch_size == "many" else batch_size
    headers = {"Content-Type": "application/json"}
    answer = api.send("POST", f"{PATH}?_method=GET", data=body % spelled, headers=headers)
    assert codes(answer.json()) == ["1001"]


@pytest.mark.parametrize(("size", "expected"), [(30, [30, 30, 30, 10]), (50, [50, 50])])
def test_page_tokens_lead_through_all_records(api, seeded, size, expected):
    ids = seeded.instance.opportunity_ids(0, 100)
    form = {"filterType": "dedupeFields", "filterValues": ",".join(ids), "batchSize": str(size)}
    found, sizes, more = [], [], True
    while more:
        answer = api.send("POST", f"{PATH}?_method=GET", data=form).json()
        found += [record["externalOpportunityId"] for record in answer["result"]]
        sizes.append(len(answer["result"]))
        more = answer.get("moreResult", False)
        assert ("nextPageToken" in answer) is more
        form["nextPageToken"] = answer.get("nextPageToken", "")
    assert found == ids
    assert sizes == expected


def test_a_page_token_is_accepted_beside_a_posted_form(api):
    form = {"filterType": "dedupeFields", "filterValues": "OPP-0000001,OPP-0000002"}
    form["batchSize"] = "1"
    first = api.send("POST", f"{PATH}?_method=GET", data=form).json()
    more = {"_method": "GET", "nextPageToken": first["nextPageToken"]}
    second = api.send("POST", PATH, params=more, data=form).json()
    assert second["result"][0]["externalOpportunityId"] == "OPP-0000002"


def test_short_pages_return_all_records(start, caller_of):
    api = caller_of(start(opportunities=90, short_pages=1.0))
    ids = [f"OPP-{number:07d}" for number in range(1, 91)]
    found, more, token, pages = [], True, "", 0
    while more:
        answer = api.find(ids, nextPageToken=token, batchSize="40")
        found += [record["externalOpportunityId"] for record in answer["result"]]
        assert len(answer["result"]) < 40
        more, token = answer.get("moreResult", False), answer.get("nextPageToken")
        pages += 1
    assert found == ids
    assert pages > 3


@pytest.mark.parametrize("size", ["1", "2"])
def test_a_short_page_has_at_least_one_record(start, caller_of, size):
    api = caller_of(start(opportunities=3, short_pages=1.0))
    answer = api.find(["OPP-0000001", "OPP-0000002", "OPP-0000003"], batchSize=size)
    assert [each["externalOpportunityId"] for each in answer["result"]] == ["OPP-0000001"]


@pytest.mark.parametrize(
    ("probability", "sizes"), [(0.0, {4}), (0.5, {1, 2, 3, 4}), (1.0, {1, 2, 3})]
)
def test_short_pages_have_any_smaller_size(probability, sizes):
    pager = Pager(PageTokens(b""), SandboxOptions(short_pages=probability), random.Random(1))
    assert {pager.size(4) for _ in range(300)} == sizes
    assert pager.size(1) == 1


def test_the_seed_determines_which_pages_are_short(start, caller_of):
    ids = [f"OPP-{number:07d}" for number in range(1, 91)]

    def sizes(seed):
        api = caller_of(start(opportunities=90, short_pages=1.0, seed=seed))
        return [len(api.find(ids, batchSize="40")["result"]) for _ in range(8)]

    assert sizes(1) == sizes(1) != sizes(2)


def test_guids_are_lower_case_and_ascend(seeded):
    guids = [each["marketoGUID"] for each in seeded.instance.opportunities()]
    assert guids == sorted(set(guids))
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", each) for each in guids)


def test_the_seed_determines_the_guids(start):
    def guids(seed):
        instance = start(opportunities=3, leads=2, seed=seed).instance
        return [each["marketoGUID"] for each in instance.opportunities() + instance.roles()]

    assert guids(1) == guids(1)
    assert not set(guids(1)) & set(guids(2))


@pytest.mark.parametrize("sent", ["opp-0000005", "OPP-0000005  ", "Opp-0000005"])
def test_keys_ignore_case_and_trailing_blanks(api, sent):
    answer = api.send(
        "POST", f"{PATH}?_method=GET", data={"filterType": "dedupeFields", "filterValues": sent}
    ).json()
    assert [each["externalOpportunityId"] for each in answer["result"]] == ["OPP-0000005"]


def test_a_blank_before_a_key_counts(api):
    record = {"externalOpportunityId": " OPP-0000005", "name": "n"}
    assert api.sync([record])["result"][0]["status"] == "created"


def test_exact_keys_compares_every_character(start, caller_of):
    api = caller_of(start(exact_keys=True))
    assert (
        api.sync([{"externalOpportunityId": each, "name": "n"} for each in ("a", "A")])["result"][
            1
        ]["status"]
        == "created"
    )
    for key in ("a", "A"):
        (found,) = api.find([key])["result"]
        assert found["externalOpportunityId"] == key


def test_field_values_have_varying_types(api, seeded):
    ids = [f"OPP-{number:07d}" for number in range(1, 100)]
    form = {
        "filterType": "dedupeFields",
        "filterValues": ",".join(ids),
        "fields": "amount,probability,createdAt,updatedAt",
    }
    records = api.send("POST", f"{PATH}?_method=GET", data=form).json()["result"]
    assert {type(record["amount"]) for record in records} == {str, float}
    assert {type(record["probability"]) for record in records} == {str, int}
    assert {record["createdAt"][19:] for record in records} == {"Z", "+0000"}


def test_dates_are_those_of_creation_and_last_update(sandbox, caller_of):
    sandbox.set_clock(datetime(2031, 1, 1, tzinfo=UTC), frozen=True)
    api = caller_of(sandbox)
    deals = [{"externalOpportunityId": each, "name": "n"} for each in "abcd"]
    for _ in range(2):
        api.sync(deals)
        sandbox.advance(60)
    found = api.find("abcd", fields="createdAt,updatedAt")["result"]
    dates = [(each["createdAt"], each["updatedAt"]) for each in found]
    assert dates == [
        *[("2031-01-01T00:00:00Z", "2031-01-01T00:01:00Z")] * 3,
        ("2031-01-01T00:00:00+0000", "2031-01-01T00:01:00+0000"),
    ]


def test_a_posted_query_in_json_accepts_simple_filters(api):
    body = {"filterType": "dedupeFields", "filterValues": "OPP-0000005", "fields": ["name"]}
    answer = api.send(
        "POST",
        f"{PATH}?_method=GET",
        data=json.dumps(body),
        headers={"Content-Type": "application/json"},
    ).json()
    assert "name" in answer["result"][0]
