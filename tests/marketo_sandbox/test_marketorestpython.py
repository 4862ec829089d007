"""A third-party client for the real Marketo, marketorestpython, run against the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from marketorestpython.client import MarketoClient
from marketorestpython.helper.http_lib import HttpLib


@pytest.fixture
def client(sandbox, monkeypatch):
    # The client sleeps 0.2 seconds before each call; the closure's first cell has the interval.
    for verb in ("get", "post", "delete"):
        limited = getattr(HttpLib, verb).__wrapped__
        for cell in limited.__closure__:
            if isinstance(cell.cell_contents, float):
                cell.cell_contents = 0.0
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = MarketoClient("123-ABC-456", sandbox.client_id, sandbox.client_secret)
    made.host = sandbox.endpoint
    return made


DEALS = [
    {"externalOpportunityId": f"deal{number}", "name": f"Deal {number}", "amount": "12.50"}
    for number in range(4)
]


def test_marketorestpython_describes_opportunities(client):
    (opportunity,) = client.execute(method="describe_opportunity")
    (role,) = client.execute(method="describe_opportunity_role")
    assert opportunity["idField"] == role["idField"] == "marketoGUID"


def test_marketorestpython_writes_and_reads_opportunities(client, sandbox):
    created = client.execute(method="create_update_opportunities", input=DEALS)
    assert [each["status"] for each in created] == ["created"] * 4
    updated = client.execute(
        method="create_update_opportunities",
        input=[{"marketoGUID": created[0]["marketoGUID"], "stage": "Won"}],
        action="updateOnly",
        dedupeBy="idField",
    )
    assert updated[0]["status"] == "updated"
    found = client.execute(
        method="get_opportunities",
        filterType="externalOpportunityId",
        filterValues=["deal0", "deal1", "deal9"],
        fields="name,stage",
    )
    assert [(each["name"], each.get("stage")) for each in found] == [
        ("Deal 0", "Won"),
        ("Deal 1", None),
    ]
    deleted = client.execute(
        method="delete_opportunities",
        input=[{"externalOpportunityId": "deal0"}, {"externalOpportunityId": "deal9"}],
        deleteBy="dedupeFields",
    )
    assert [each["status"] for each in deleted] == ["deleted", "skipped"]
    assert sandbox.instance.counts()["opportunities"] == 3


def test_marketorestpython_pages_through_opportunities(client):
    client.execute(method="create_update_opportunities", input=DEALS)
    found = client.execute(
        method="get_opportunities",
        filterType="dedupeFields",
        filterValues=[each["externalOpportunityId"] for each in DEALS],
        batchSize=3,
    )
    assert [each["externalOpportunityId"] for each in found] == [
        each["externalOpportunityId"] for each in DEALS
    ]


def test_marketorestpython_writes_and_reads_roles(client, sandbox):
    sandbox.instance.add_leads([7, 8])
    client.execute(method="create_update_opportunities", input=DEALS)
    roles = [
        {"externalOpportunityId": "deal1", "leadId": lead, "role": "Captain"} for lead in (7, 8)
    ]
    created = client.execute(method="create_update_opportunities_roles", input=roles)
    assert [each["status"] for each in created] == ["created", "created"]
    found = client.execute(
        method="get_opportunity_roles", filterType="leadId", filterValues=["8", "9"]
    )
    assert [each["marketoGUID"].strip() for each in found] == [created[1]["marketoGUID"]]
    deleted = client.execute(method="delete_opportunity_roles", input=roles)
    assert [each["status"] for each in deleted] == ["deleted", "deleted"]


def test_marketorestpython_reads_the_activity_log(client, sandbox):
    sandbox.set_clock(datetime(2026, 6, 1, 12, tzinfo=UTC), frozen=True)
    sandbox.instance.add_leads([7, 8, 9])
    client.execute(method="create_update_opportunities", input=DEALS)
    for lead in (7, 8, 9):
        sandbox.advance(60)
        role = {"externalOpportunityId": "deal1", "leadId": lead, "role": "Captain"}
        client.execute(method="create_update_opportunities_roles", input=[role])
    log = {"method": "get_lead_activities", "activityTypeIds": ["34", "35", "36"]}
    since = "2026-06-01T11:00:00Z"
    found = client.execute(**log, sinceDatetime=since, untilDatetime="2026-06-01T12:02:30+00:00")
    assert [each["leadId"] for each in found] == [7, 8]
    members = client.execute(**log, sinceDatetime=since, leadIds="9")
    assert [each["leadId"] for each in members] == [9]


def test_marketorestpython_describes_leads(client):
    fields = client.execute(method="describe")
    assert "email" in {each["rest"]["name"] for each in fields if "rest" in each}
    (searchable,) = client.execute(method="describe2")
    assert ["email"] in searchable["searchableFields"]


def test_marketorestpython_writes_and_reads_leads(client):
    people = [{"email": f"a{number}@b.example", "firstName": "A"} for number in range(3)]
    created = client.execute(method="create_update_leads", leads=people)
    assert [each["status"] for each in created] == ["created"] * 3
    found = client.execute(
        method="get_multiple_leads_by_filter_type",
        filterType="email",
        filterValues=[each["email"] for each in people],
        fields="email,firstName",
        batchSize=2,
    )
    assert [each["email"] for each in found] == [each["email"] for each in people]
    (lead,) = client.execute(method="get_lead_by_id", id=created[1]["id"])
    assert lead["email"] == "a1@b.example"


def test_marketorestpython_reads_and_changes_static_lists(client, sandbox):
    sandbox.instance.add_leads(range(1, 5))
    sandbox.instance.add_to_list(5, [1, 2, 3])
    assert [each["id"] for each in client.execute(method="get_multiple_lists")] == [5]
    members = {"method": "get_multiple_leads_by_list_id", "listId": 5}
    assert [each["id"] for each in client.execute(**members)] == [1, 2, 3]
    paged = client.execute(**members, fields="id", batchSize=2)
    assert paged == [{"id": 1}, {"id": 2}, {"id": 3}]
    added = client.execute(method="add_leads_to_list", listId=5, id=[4])
    removed = client.execute(method="remove_leads_from_list", listId=5, id=[1])
    assert [each["status"] for each in added + removed] == ["added", "removed"]
    told = client.execute(method="member_of_list", listId=5, id=[1, 4])
    assert [each["status"] for each in told] == ["notmemberof", "memberof"]


def test_marketorestpython_reads_usage_and_errors(client):
    (today,) = client.execute(method="get_daily_usage")
    assert today["total"] == 1
    assert len(client.execute(method="get_last_7_days_usage")) == 7
    (errors,) = client.execute(method="get_daily_errors")
    assert errors["total"] == 0
    assert len(client.execute(method="get_last_7_days_errors")) == 7


def test_marketorestpython_raises_the_error_code(client, sandbox):
    sandbox.fault("603", times=1)
    with pytest.raises(Exception, match="603"):
        client.execute(method="describe_opportunity")


def test_marketorestpython_recognizes_wrong_credentials(client):
    client.client_secret = "wrong"
    with pytest.raises(Exception, match="Bad client credentials"):
        client.execute(method="describe_opportunity")
