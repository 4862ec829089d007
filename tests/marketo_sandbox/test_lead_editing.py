"""Merged and deleted leads: the effects on their roles and on the activity log."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from marketo_sandbox.instance.errors import RecordRefusedError

DELETE_ROLES = "/rest/v1/opportunities/roles/delete.json"
TYPES = "32,34,35,36,37"


@pytest.fixture
def api(sandbox, caller_of):
    caller = caller_of(sandbox)
    sandbox.instance.add_leads(range(1, 5))
    caller.sync([{"externalOpportunityId": each, "name": "n"} for each in ("a", "b")])
    return caller


def role(lead, external_id="a", name="Captain"):
    return {"externalOpportunityId": external_id, "leadId": lead, "role": name}


def roles(sandbox):
    """Return lead, opportunity, GUID and creation date of each role."""
    names = ("leadId", "externalOpportunityId", "marketoGUID", "updatedAt")
    return [tuple(each[name] for name in names) for each in sandbox.instance.roles()]


def test_a_merge_moves_roles_with_guid_and_dates(api, sandbox):
    api.sync_roles([role(1), role(2, "b"), role(3, "b", "Cook"), role(4)])
    before = roles(sandbox)
    sandbox.advance(60)
    sandbox.instance.merge_leads(1, [2, 3])
    assert roles(sandbox) == [(1 if lead in {2, 3} else lead, *others) for lead, *others in before]
    assert sandbox.instance.lead_ids() == [1, 4]
    found = api.get("/rest/v1/opportunities/roles.json", filterType="leadId", filterValues="1,2,3")[
        "result"
    ]
    assert [each["leadId"] for each in found] == [1, 1, 1]


def test_a_moved_role_is_found_by_its_new_key(api, sandbox):
    api.sync_roles([role(2)])
    sandbox.instance.merge_leads(1, [2])
    assert api.sync_roles([role(1)])["result"][0]["status"] == "updated"
    assert api.sync_roles([role(2)])["result"][0]["reasons"][0]["code"] == "1004"
    assert api.delete([role(1)], DELETE_ROLES)["result"][0]["status"] == "deleted"


def test_a_role_that_the_kept_lead_already_has_is_kept_once(api, sandbox):
    api.sync_roles([role(1), role(2), role(3)])
    (kept, *_) = roles(sandbox)
    sandbox.instance.merge_leads(1, [2, 3])
    assert roles(sandbox) == [kept]


def test_a_role_that_two_merged_leads_have_is_kept_once(api, sandbox):
    api.sync_roles([role(2), role(3)])
    sandbox.instance.merge_leads(1, [2, 3])
    assert [lead for lead, *_ in roles(sandbox)] == [1]


def test_a_merge_logs_only_merge_leads_on_the_kept_lead(api, sandbox):
    api.sync_roles([role(2), role(3, "b")])
    before = len(api.log(types=TYPES))
    sandbox.instance.merge_leads(1, [2, 3])
    (merge,) = api.log(types=TYPES)[before:]
    assert (merge["activityTypeId"], merge["leadId"]) == (32, 1)
    assert {"name": "Merge IDs", "value": "2,3"} in merge["attributes"]


def test_a_merge_with_anew_logs_removed_and_added_roles(api, sandbox):
    api.sync_roles([role(2), role(1, "b"), role(2, "b")])
    (old, kept, _) = roles(sandbox)
    before = len(api.log(types=TYPES))
    sandbox.advance(60)
    sandbox.instance.merge_leads(1, [2], anew=True)
    same, new = roles(sandbox)
    assert same == kept
    assert new[:2] == (1, "a")
    assert new[2] != old[2]
    assert new[3] > old[3]
    logged = api.log(types=TYPES)[before:]
    told = [(each["activityTypeId"], each["leadId"]) for each in logged]
    assert told == [(35, 2), (34, 1), (32, 1)]


def test_deleting_a_lead_deletes_its_roles_and_is_logged(api, sandbox):
    api.sync_roles([role(1), role(2), role(2, "b")])
    before = len(api.log(types=TYPES))
    sandbox.instance.delete_leads([2, 3])
    assert [lead for lead, *_ in roles(sandbox)] == [1]
    assert sandbox.instance.lead_ids() == [1, 4]
    logged = api.log(types=TYPES)[before:]
    assert [(each["activityTypeId"], each["leadId"]) for each in logged] == [(37, 2), (37, 3)]


@pytest.mark.parametrize(
    ("kept", "merged", "message"),
    [
        (9, [1], "leads not found: 9"),
        (1, [2, 8, 9], "leads not found: 8, 9"),
        (1, [1], "into itself"),
    ],
)
def test_an_invalid_merge_changes_nothing(api, sandbox, kept, merged, message):
    api.sync_roles([role(2)])
    before = roles(sandbox)
    with pytest.raises(ValueError, match=message):
        sandbox.instance.merge_leads(kept, merged)
    assert roles(sandbox) == before
    assert sandbox.instance.lead_ids() == [1, 2, 3, 4]


def test_added_leads_do_not_replace_leads_with_their_ids(sandbox):
    sandbox.instance.add_lead_records([{"id": 7, "email": "ada@acme.example"}])
    before = sandbox.instance.leads()
    sandbox.advance(60)
    sandbox.instance.add_leads([7, 8])
    assert sandbox.instance.leads()[:-1] == before
    assert sandbox.instance.lead_ids() == [7, 8]


def test_added_records_are_dated_by_the_instance_clock(sandbox):
    sandbox.set_clock(datetime(2031, 1, 1, tzinfo=UTC), frozen=True)
    assert sandbox.instance.add_lead_records([{"id": 7}, {"email": "a@b.example"}]) == [7, 8]
    dates = {(each["createdAt"], each["updatedAt"]) for each in sandbox.instance.leads()}
    assert dates == {(int(sandbox.instance.clock.seconds()),) * 2}


@pytest.mark.parametrize(
    ("record", "code"), [({"id": 7, "leadScore": "much"}, "1001"), ({"nonsense": 1}, "1006")]
)
def test_an_invalid_record_adds_no_lead(sandbox, record, code):
    with pytest.raises(RecordRefusedError) as caught:
        sandbox.instance.add_lead_records([{"id": 5}, record])
    assert caught.value.code == code
    assert sandbox.instance.lead_ids() == []


def test_a_list_keeps_the_date_of_its_first_lead(api, sandbox):
    sandbox.set_clock(datetime(2031, 1, 1, tzinfo=UTC), frozen=True)
    sandbox.instance.add_to_list(5, [1])
    sandbox.advance(60)
    sandbox.instance.add_to_list(5, [2])
    api.authenticate()
    (found,) = api.get("/rest/v1/lists.json")["result"]
    assert found["createdAt"] == found["updatedAt"] == "2031-01-01T00:00:00Z"


@pytest.mark.parametrize(("count", "named"), [(5, "50, 51, 52, 53, 54$"), (6, "54 and 1 more$")])
def test_an_error_names_five_unknown_leads(api, sandbox, count, named):
    with pytest.raises(ValueError, match=named):
        sandbox.instance.delete_leads(range(50, 50 + count))


def test_a_merge_fills_empty_fields_with_the_first_value(sandbox):
    sandbox.instance.add_lead_records(
        [
            {"id": 1, "firstName": "Ada"},
            {"id": 2, "firstName": "Eve", "company": "Acme", "lastName": "L"},
            {"id": 3, "company": "Other", "customerCode": "C-3"},
        ]
    )
    sandbox.instance.merge_leads(1, [3, 2])
    (lead,) = sandbox.instance.leads()
    names = ("firstName", "lastName", "company", "customerCode")
    assert [lead[name] for name in names] == ["Ada", "L", "Acme", "C-3"]


def test_activities_of_leads_have_the_lead_as_primary_attribute(api, sandbox):
    sandbox.instance.merge_leads(1, [2])
    sandbox.instance.delete_leads([3])
    members = ("leadId", "primaryAttributeValueId", "primaryAttributeValue")
    told = [tuple(each[name] for name in members) for each in api.log(types="32,37")]
    assert told == [(1, 1, "1"), (3, 3, "3")]


def test_a_role_of_a_merge_with_anew_is_logged_for_its_opportunity(api, sandbox):
    api.sync_roles([role(2, "b") | {"isPrimary": True}])
    (added,) = api.log(types="34")
    sandbox.instance.merge_leads(1, [2], anew=True)
    removed, anew = api.log(types="34,35")[1:]
    same = ("primaryAttributeValueId", "primaryAttributeValue", "attributes")
    for name in same:
        assert removed[name] == anew[name] == added[name]


def test_a_role_of_a_merge_with_anew_is_a_new_record(api, sandbox):
    api.sync_roles([role(2)])
    sandbox.advance(60)
    sandbox.instance.merge_leads(1, [2], anew=True)
    (new,) = sandbox.instance.roles()
    assert new["createdAt"] == new["updatedAt"]
    deals = sandbox.instance.opportunities()
    assert new["createdAt"] > deals[0]["createdAt"]
    assert new["marketoGUID"] not in {each["marketoGUID"] for each in deals}


def test_a_moved_role_has_an_exact_key_with_exact_keys(start, caller_of):
    sandbox = start(exact_keys=True)
    api = caller_of(sandbox)
    sandbox.instance.add_leads([1, 2])
    api.sync([{"externalOpportunityId": "A", "name": "n"}])
    api.sync_roles([role(2, "A")])
    sandbox.instance.merge_leads(1, [2])
    assert api.sync_roles([role(1, "A")])["result"][0]["status"] == "updated"
