"""Calls on leads and static lists: queries, pages, describes, syncs, list membership."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.marketo_sandbox.helpers import codes, outcome

LEADS = "/rest/v1/leads.json"
LISTS = "/rest/v1/lists.json"
MEMBERS = "/rest/v1/lists/5/leads.json"
PEOPLE = [
    {"id": 11, "email": "Ada@Acme.example", "firstName": "Ada", "customerCode": "C-1"},
    {"id": 12, "email": "ada@acme.example", "memberNumber": 7, "company": "Acme"},
    {"id": 13, "email": "zoe@acme.example", "sfdcContactId": "003A"},
    {"id": 14},
]


@pytest.fixture
def people(sandbox):
    sandbox.instance.add_lead_records(PEOPLE)


@pytest.fixture
def find(api, people):
    def find(filter_type, *values, **more):
        parameters = {"filterType": filter_type, "filterValues": ",".join(values), **more}
        return api.get(LEADS, **parameters)

    return find


def ids(answer):
    return [each["id"] for each in answer["result"]]


@pytest.mark.parametrize(
    ("filter_type", "values", "found"),
    [
        ("id", ("13", "11", "99"), [11, 13]),
        ("email", ("ADA@acme.example", "zoe@acme.example"), [11, 12, 13]),
        ("customerCode", ("c-1",), [11]),
        ("memberNumber", ("7",), [12]),
        ("sfdcContactId", ("003A",), [13]),
        ("email", ("nobody@acme.example",), []),
    ],
)
def test_leads_are_found_by_searchable_fields(find, filter_type, values, found):
    assert ids(find(filter_type, *values)) == found


@pytest.mark.parametrize("filter_type", ["firstName", "interests", "createdAt", "nonsense"])
def test_leads_by_a_field_that_is_not_searchable_are_1003(find, filter_type):
    assert codes(find(filter_type, "x")) == ["1003"]


def test_leads_have_six_fields_by_default(find):
    (found,) = find("id", "11")["result"]
    assert set(found) == {"id", "email", "createdAt", "updatedAt", "firstName"}
    assert found["createdAt"].endswith("Z")


def test_leads_have_the_requested_fields_without_nulls(find):
    (found,) = find("id", "12", fields="company,email,leadScore")["result"]
    assert found == {"id": 12, "company": "Acme", "email": "ada@acme.example"}
    assert codes(find("id", "12", fields="email,nonsense")) == ["1006"]


def test_more_than_300_filter_values_for_leads_are_1003(find):
    assert find("id", *map(str, range(1, 301)))["success"]
    assert codes(find("id", *map(str, range(1, 302)))) == ["1003"]


def test_a_long_query_of_leads_is_accepted_by_post(api, people):
    others = [f"nobody.at.all.{number:030d}@acme.example" for number in range(299)]
    query = {"filterType": "email", "filterValues": ",".join(["zoe@acme.example", *others])}
    assert api.send("GET", LEADS, params=query).status_code == 414
    assert ids(api.send("POST", f"{LEADS}?_method=GET", data=query).json()) == [13]
    assert ids(api.send("POST", LEADS, data={**query, "_method": "GET"}).json()) == [13]


def test_pages_of_leads_have_tokens_and_no_more_result(find):
    first = find("id", "11", "12", "13", batchSize="2")
    assert ids(first) == [11, 12]
    assert "moreResult" not in first
    token = first["nextPageToken"]
    second = find("id", "11", "12", "13", batchSize="2", nextPageToken=token)
    assert ids(second) == [13]
    assert "nextPageToken" not in second
    other = find("id", "11", batchSize="2", nextPageToken=token)
    assert codes(other) == ["1003"]


def test_tokens_only_gives_the_last_page_of_leads_a_token(start, caller_of):
    sandbox = start(dialects={"tokens-only"})
    sandbox.instance.add_leads([1])
    answer = caller_of(sandbox).get(LEADS, filterType="id", filterValues="1")
    assert ids(answer) == [1]
    assert "nextPageToken" in answer


def test_more_than_1000_matching_leads_are_1003(api, sandbox):
    address = {"email": "all@acme.example"}
    sandbox.instance.add_lead_records([address] * 1000)
    query = {"filterType": "email", "filterValues": "all@acme.example"}
    assert len(api.get(LEADS, **query)["result"]) == 300
    sandbox.instance.add_lead_records([address])
    refused = api.get(LEADS, **query)["errors"]
    assert refused == [{"code": "1003", "message": "Too many results match the filter"}]


def test_a_lead_is_read_by_its_id(api, people):
    path = "/rest/v1/lead/{}.json"
    (found,) = api.get(path.format(13), fields="sfdcContactId")["result"]
    assert found == {"id": 13, "sfdcContactId": "003A"}
    assert codes(api.get(path.format(99))) == ["1004"]
    assert codes(api.get(path.format(2**63 - 1))) == ["1004"]
    for invalid in ("x", "0", "-1", 2**63):
        assert codes(api.get(path.format(invalid))) == ["1001"]


def test_describe_leads_names_each_field_for_rest_and_soap(api):
    fields = api.get("/rest/v1/leads/describe.json")["result"]
    by_name = {each["rest"]["name"]: each for each in fields if "rest" in each}
    assert by_name["email"]["dataType"] == "email"
    assert by_name["email"]["length"] == 255
    assert by_name["id"]["rest"]["readOnly"]
    assert not by_name["customerCode"]["rest"]["readOnly"]
    assert [each for each in fields if "rest" not in each]


def test_describe2_lists_the_searchable_fields_of_leads(api, find):
    (described,) = api.get("/rest/v1/leads/describe2.json")["result"]
    assert described["name"] == "API Lead"
    searchable = [name for (name,) in described["searchableFields"]]
    assert {"id", "email", "customerCode", "memberNumber", "sfdcContactId"} == set(searchable)
    assert all(find(name, "1")["success"] for name in searchable)


def test_leads_are_created_and_updated_by_email(api, sandbox):
    first = api.sync([{"email": "a@b.example", "firstName": "A"}, {"email": "c@d.example"}], LEADS)
    assert outcome(first) == ["created", "created"]
    again = api.sync([{"email": "A@B.example", "lastName": "L"}], LEADS)
    assert (outcome(again), ids(again)) == (["updated"], ids(first)[:1])
    (lead, _) = sandbox.instance.leads()
    assert (lead["firstName"], lead["lastName"]) == ("A", "L")
    assert [each["leadId"] for each in api.log(types="12")] == ids(first)


@pytest.mark.parametrize(
    ("record", "more", "became"),
    [
        ({"email": "zoe@acme.example"}, {"action": "createOnly"}, "1005"),
        ({"email": "new@acme.example"}, {"action": "updateOnly"}, "1004"),
        ({"email": "zoe@acme.example"}, {"action": "createDuplicate"}, "created"),
        ({"email": "ada@acme.example"}, {}, "1007"),
        ({"firstName": "No address"}, {}, "1002"),
        ({"email": "a@b.example", "nonsense": 1}, {}, "1006"),
        ({"email": "a@b.example", "leadScore": "much"}, {}, "1001"),
        ({"email": "a@b.example", "createdAt": "2026-01-01"}, {}, "1011"),
        ({"id": 14, "email": "x@b.example"}, {"lookupField": "id", "action": "updateOnly"}, "ok"),
        ({"memberNumber": 7, "company": "New"}, {"lookupField": "memberNumber"}, "updated"),
    ],
)
def test_a_lead_is_written_or_skipped_with_a_reason(api, people, record, more, became):
    assert outcome(api.sync([record], LEADS, **more)) == ["updated" if became == "ok" else became]


@pytest.mark.parametrize(
    ("record", "more", "code", "named"),
    [
        ({"email": ""}, {}, "1002", "'email'"),
        ({"email": None}, {}, "1002", "'email'"),
        ({"firstName": "A"}, {"lookupField": "memberNumber"}, "1002", "'memberNumber'"),
        ({"email": "ada@acme.example"}, {}, "1007", "lead"),
        ({"email": "zoe@acme.example"}, {"action": "createOnly"}, "1005", "Lead "),
        ({"email": "new@acme.example"}, {"action": "updateOnly"}, "1004", "Lead "),
        ({"email": "a@b.example", "nonsense": 1}, {}, "1006", "'nonsense'"),
    ],
)
def test_a_reason_of_a_lead_names_the_field(api, people, record, more, code, named):  # noqa: PLR0917
    ((reason,),) = (each["reasons"] for each in api.sync([record], LEADS, **more)["result"])
    assert reason["code"] == code
    assert named in reason["message"]


def test_a_lead_is_created_with_numbers_and_dated_anew_by_updates(sandbox, caller_of):
    sandbox.set_clock(datetime(2031, 1, 1, tzinfo=UTC), frozen=True)
    api = caller_of(sandbox)
    for score in (5, 6):
        api.sync([{"email": "a@b.example", "leadScore": score}], LEADS)
        sandbox.advance(60)
    fields = "leadScore,createdAt,updatedAt"
    query = {"filterType": "email", "filterValues": "a@b.example", "fields": fields}
    (found,) = api.get(LEADS, **query)["result"]
    assert int(found["leadScore"]) == 6
    assert found["createdAt"] == "2031-01-01T00:00:00Z"
    assert found["updatedAt"] == "2031-01-01T00:01:00Z"


@pytest.mark.parametrize(
    "more", [{"action": "merge"}, {"lookupField": "firstName"}, {"lookupField": "id"}]
)
def test_a_sync_of_leads_with_an_unknown_action_is_1003(api, more):
    assert codes(api.sync([{"email": "a@b.example"}], LEADS, **more)) == ["1003"]


def test_static_list_members_are_read_page_by_page(api, people, sandbox):
    sandbox.instance.add_to_list(5, [11, 13, 14])
    first = api.get(MEMBERS, batchSize="2", fields="id")
    assert first["result"] == [{"id": 11}, {"id": 13}]
    token = first["nextPageToken"]
    assert "moreResult" not in first
    assert ids(api.get(MEMBERS, batchSize="2", fields="id", nextPageToken=token)) == [14]
    assert ids(api.get("/rest/v1/list/5/leads.json")) == [11, 13, 14]
    assert codes(api.get("/rest/v1/lists/6/leads.json")) == ["1013"]


def test_leads_are_added_to_and_removed_from_a_static_list(api, people, sandbox):
    sandbox.instance.add_to_list(5, [11])
    assert outcome(api.send("POST", f"{MEMBERS}?id=12&id=99").json()) == ["added", "1004"]
    assert outcome(api.post(MEMBERS, {"input": [{"id": 13}]})) == ["added"]
    assert ids(api.get(MEMBERS)) == [11, 12, 13]
    removed = api.send("DELETE", MEMBERS, json={"input": [{"id": 11}, {"id": 14}]}).json()
    assert outcome(removed) == ["removed", "removed"]
    assert outcome(api.send("DELETE", f"{MEMBERS}?id=12").json()) == ["removed"]
    is_member = "/rest/v1/lists/5/leads/ismember.json"
    told = outcome(api.get(is_member, id="11,13,99"))
    assert told == ["notmemberof", "memberof", "1004"]
    assert codes(api.get(is_member)) == ["1002"]


def test_static_lists_are_found_by_id_and_name(api, people, sandbox):
    for number in (5, 6, 9):
        sandbox.instance.add_to_list(number, [11])
    assert ids(api.get(LISTS)) == [5, 6, 9]
    assert ids(api.get(LISTS, id="6,7")) == [6]
    assert ids(api.get(LISTS, name="List 9")) == [9]
    first = api.get(LISTS, batchSize="2")
    assert ids(api.get(LISTS, batchSize="2", nextPageToken=first["nextPageToken"])) == [9]
    assert api.get("/rest/v1/lists/6.json")["result"][0]["name"] == "List 6"


def test_a_merge_moves_values_and_lists_to_the_kept_lead(api, people, sandbox):
    sandbox.instance.add_to_list(5, [12, 13])
    sandbox.instance.merge_leads(11, [12, 13])
    assert ids(api.get(MEMBERS)) == [11]
    kept = sandbox.instance.leads()[0]
    assert (kept["email"], kept["company"], kept["sfdcContactId"]) == (
        "Ada@Acme.example",
        "Acme",
        "003A",
    )
    assert ids(api.get(LEADS, filterType="id", filterValues="11,12,13")) == [11]


@pytest.mark.parametrize(
    ("kept", "path", "refused"),
    [
        ({"Read-Only Lead"}, LEADS, False),
        ({"Read-Write Lead"}, MEMBERS, False),
        ({"Read-Write Opportunity"}, LEADS, True),
    ],
)
def test_lead_calls_need_a_lead_permission(start, caller_of, kept, path, refused):
    api = caller_of(start(permissions=frozenset(kept)))
    answer = api.get(path, filterType="id", filterValues="1")
    assert (codes(answer) == ["603"]) is refused


def test_read_only_lead_permission_does_not_allow_writes(start, caller_of):
    api = caller_of(start(permissions=frozenset({"Read-Only Lead"})))
    assert codes(api.sync([{"email": "a@b.example"}], LEADS)) == ["603"]


def test_some_seeded_leads_share_an_email_address(start, caller_of):
    sandbox = start(leads=1000)
    leads = sandbox.instance.leads()
    addresses = [each["email"].casefold() for each in leads if "email" in each]
    shared = len(addresses) - len(set(addresses))
    assert 0.02 < shared / len(leads) < 0.05
    assert 0 < len(leads) - len(addresses) < 40
    assert any("sfdcContactId" not in each for each in leads)
    double = caller_of(sandbox).get(LEADS, filterType="email", filterValues=leads[31]["email"])
    assert ids(double) == [32, 33]
