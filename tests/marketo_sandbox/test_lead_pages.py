"""Pages, page tokens and errors of the calls on leads and static lists."""

from __future__ import annotations

import pytest

from tests.marketo_sandbox.helpers import codes, outcome

LEADS = "/rest/v1/leads.json"
LISTS = "/rest/v1/lists.json"
MEMBERS = "/rest/v1/lists/5/leads.json"
BY_EMAIL = {"filterType": "email", "filterValues": "a@b.example,c@d.example", "batchSize": "1"}
CALLS = [
    (LEADS, BY_EMAIL),
    (LEADS, BY_EMAIL | {"filterValues": "a@b.example"}),
    (LEADS, BY_EMAIL | {"filterType": "customerCode"}),
    (LEADS, BY_EMAIL | {"fields": "email"}),
    (LEADS, BY_EMAIL | {"batchSize": "2"}),
    (LISTS, {"batchSize": "1"}),
    (LISTS, {"batchSize": "2"}),
    (LISTS, {"batchSize": "1", "id": "5,6,7"}),
    (LISTS, {"batchSize": "1", "name": "List 5,List 6"}),
    (MEMBERS, {"batchSize": "1"}),
    (MEMBERS, {"batchSize": "2"}),
    (MEMBERS, {"batchSize": "1", "fields": "id"}),
    ("/rest/v1/lists/6/leads.json", {"batchSize": "1"}),
]


@pytest.fixture
def api(start, caller_of):
    sandbox = start(limits={"enforced": False})
    same = {"email": "a@b.example", "customerCode": "a@b.example"}
    sandbox.instance.add_lead_records([{"id": number, **same} for number in (1, 2, 3)])
    for number in (5, 6, 7):
        sandbox.instance.add_to_list(number, [1, 2, 3])
    return caller_of(sandbox)


def ids(answer):
    return [each["id"] for each in answer["result"]]


def test_a_token_is_valid_only_for_its_call(api):
    for own in CALLS:
        token = api.get(own[0], **own[1])["nextPageToken"]
        for path, parameters in CALLS:
            answer = api.get(path, **parameters, nextPageToken=token)
            same = (path, parameters) == own
            assert codes(answer) == ([] if same else ["1003"])


@pytest.mark.parametrize("path", [LISTS, MEMBERS])
def test_only_a_page_before_others_has_a_token(api, path):
    first = api.get(path, batchSize="2")
    assert len(first["result"]) == 2
    assert "nextPageToken" in first
    for size in ("3", "4"):
        whole = api.get(path, batchSize=size)
        assert len(whole["result"]) == 3
        assert "nextPageToken" not in whole
    assert "moreResult" not in first


def test_no_list_is_an_empty_result(api):
    assert ids(api.get(LISTS, id="99")) == []
    assert ids(api.get(LISTS, id="5", name="List 6")) == []
    assert ids(api.get(LISTS, id="5,6", name="List 6")) == [6]


def test_fields_of_leads_may_be_a_list_in_json(api):
    body = {"filterType": "id", "filterValues": "1", "fields": ["customerCode"]}
    answer = api.post(f"{LEADS}?_method=GET", body)
    assert answer["result"] == [{"id": 1, "customerCode": "a@b.example"}]


def test_results_of_list_calls_name_their_leads(api):
    answer = api.get("/rest/v1/lists/5/leads/ismember.json", id="1,99")
    assert ids(answer) == [1, 99]
    assert answer["result"][1]["reasons"] == [{"code": "1004", "message": "Lead not found"}]


def test_a_list_call_has_at_most_300_leads(api):
    leads = [{"id": number} for number in range(1, 302)]
    assert len(api.post(MEMBERS, {"input": leads[:300]})["result"]) == 300
    assert codes(api.post(MEMBERS, {"input": leads})) == ["1003"]
    texts = ",".join(str(each["id"]) for each in leads)
    assert len(api.send("POST", MEMBERS, params={"id": texts[:-4]}).json()["result"]) == 300
    answer = api.send("POST", MEMBERS, params={"id": texts}).json()
    assert answer["errors"] == [{"code": "1003", "message": "Invalid data: at most 300 leads"}]


@pytest.mark.parametrize(
    ("path", "parameters", "code", "named"),
    [
        (LEADS, {"filterType": "company", "filterValues": "a"}, "1003", "filterType 'company'"),
        (LEADS, {"filterType": "id", "filterValues": "1," * 301}, "1003", "300 values"),
        (LEADS, {"filterType": "id", "filterValues": "1", "fields": "a"}, "1006", "'a'"),
        ("/rest/v1/lead/99.json", {}, "1004", "'99'"),
        ("/rest/v1/lead/x.json", {}, "1001", "'x'"),
        ("/rest/v1/lists/99.json", {}, "1013", "'99'"),
        ("/rest/v1/lists/5/leads/ismember.json", {}, "1002", "'id'"),
        ("/rest/v1/lists/5/leads/ismember.json", {"id": "1,x"}, "1001", "'x'"),
    ],
)
def test_an_error_names_the_parameter_or_the_value(api, path, parameters, code, named):
    (error,) = api.get(path, **parameters)["errors"]
    assert error["code"] == code
    assert named in error["message"]


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"lookupField": "company"}, "lookupField 'company'"),
        ({"lookupField": "id"}, "updateOnly"),
        ({"action": "merge"}, "createDuplicate"),
    ],
)
def test_an_error_of_a_sync_of_leads_names_the_parameter(api, more, named):
    (error,) = api.sync([{"email": "a@b.example"}], LEADS, **more)["errors"]
    assert named in error["message"]


def test_the_default_lookup_field_is_the_address(api):
    assert outcome(api.sync([{"email": "new@b.example"}], LEADS, lookupField="")) == ["created"]
    assert outcome(api.sync([{"email": "new@b.example"}], LEADS)) == ["updated"]
