"""Every endpoint once over HTTP, with the most common errors."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from marketo_opps import (
    AccessDeniedError,
    ConnectionSettings,
    CredentialsError,
    DailyLimitError,
    DailyQuotaError,
    DataError,
    MarketoClient,
    MarketoObject,
    PageTokenError,
    encode_record,
)
from marketo_opps.errors import UnexpectedResponseError
from marketo_opps.fields import record_reader

pytestmark = pytest.mark.waits

OPPORTUNITIES, ROLES = MarketoObject.OPPORTUNITIES, MarketoObject.OPPORTUNITY_ROLES


@pytest.fixture
def connect():
    made = []

    def make(sandbox, **changes):
        settings = ConnectionSettings.from_config(sandbox.credentials | changes)
        client = MarketoClient(settings, fraction=lambda: 0.0)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(marketo_sandbox, connect):
    return connect(marketo_sandbox)


def opportunity(number, **fields):
    return encode_record(
        {"externalOpportunityId": f"opp {number}", "name": f"Ünï {number}"} | fields
    )


def read_back(client, *keys, obj=OPPORTUNITIES, filter_type="externalOpportunityId"):
    description = client.describe(obj)
    names = description.field_names
    page = client.query(obj, filter_type=filter_type, filter_values=keys, fields=names)
    read = record_reader(description, names, lambda *misfit: pytest.fail(str(misfit)))
    return [read(record) for record in page.records]


def test_opportunities_are_written_read_and_deleted(client):
    outcome = client.sync(
        OPPORTUNITIES,
        [opportunity(1, amount=Decimal("1234567.89")), opportunity(2), b'{"name":"no key"}'],
        action="createOrUpdate",
    )
    assert [each.status for each in outcome.results] == ["created", "created", "skipped"]
    assert outcome.results[2].reasons[0].code
    assert not outcome.ambiguous

    one, two = sorted(
        read_back(client, "opp 1", "opp 2"), key=lambda record: record["externalOpportunityId"]
    )
    assert (one["name"], one["amount"]) == ("Ünï 1", Decimal("1234567.89"))
    assert one["marketoGUID"] == outcome.results[0].marketo_guid
    assert two["amount"] is None

    by_guid = read_back(client, one["marketoGUID"], filter_type="idField")
    assert by_guid == [one]

    key = encode_record({"externalOpportunityId": "opp 1"})
    assert client.delete(OPPORTUNITIES, [key]).results[0].status == "deleted"
    assert client.delete(OPPORTUNITIES, [key]).results[0].reasons[0].code == "1013"
    assert read_back(client, "opp 1") == []


def test_roles_are_written_and_read_by_their_compound_key(client, marketo_sandbox):
    (lead,) = marketo_sandbox.instance.add_leads([77]) or [77]
    client.sync(OPPORTUNITIES, [opportunity(1)], action="createOnly")
    key = {"externalOpportunityId": "opp 1", "leadId": lead, "role": "Champion"}
    outcome = client.sync(ROLES, [encode_record(key)], action="createOrUpdate")
    assert outcome.results[0].accepted
    page = client.query_by_keys(ROLES, keys=[key], fields=["role", "leadId"])
    assert [record["role"] for record in page.records] == ["Champion"]
    assert client.describe(ROLES).dedupe_fields == ("externalOpportunityId", "leadId", "role")
    assert client.delete(ROLES, [encode_record(key)]).results[0].accepted


def test_leads_are_looked_up_and_described(client, marketo_sandbox):
    people = [{"email": f"p{number}@x.example"} for number in range(301)]
    marketo_sandbox.instance.add_lead_records(people)
    asked = {"filter_type": "email", "values": [each["email"] for each in people[1:]]}
    page = client.leads(**asked, fields=["id", "email"], batch_size=200)
    assert (page.more, len(page.records)) == (None, 200)
    token = page.next_page_token
    rest = client.leads(**asked, fields=["id", "email"], batch_size=200, next_page_token=token)
    assert (rest.next_page_token, rest.records[-1]["email"]) == (None, "p300@x.example")
    assert client.describe_leads().field("email").data_type == "email"
    assert client.searchable_lead_fields() >= {"id", "email"}


def test_300_long_ids_are_read_page_by_page_as_a_form(marketo_sandbox_factory, connect):
    sandbox = marketo_sandbox_factory(opportunities=300, seed=5)
    client = connect(sandbox)
    ids = sandbox.instance.opportunity_ids(0, 300)
    guids = [record["marketoGUID"] for record in read_back(client, *ids)]
    assert len(guids) == 300
    found, token = [], None
    while True:
        page = client.query(
            OPPORTUNITIES,
            filter_type="idField",
            filter_values=guids,
            fields=["marketoGUID"],
            batch_size=200,
            next_page_token=token,
        )
        found += [record["marketoGUID"].strip() for record in page.records]
        if not page.more:
            break
        token = page.next_page_token
    assert sorted(found) == sorted(guids)
    queries = [each for each in sandbox.journal() if each["operation"] == "query opportunity"]
    assert len(queries) >= 3
    assert {each["method"] for each in queries} == {"POST"}


def test_fields_are_browsed_and_found_by_name(client, marketo_sandbox):
    names, token = [], None
    while True:
        page = client.browse_fields(batch_size=5, next_page_token=token)
        names += [field["name"] for field in page.records]
        if not page.more:
            break
        token = page.next_page_token
    assert "amount" in names
    assert len(names) == len(set(names)) > 5
    assert client.field("amount")["dataType"] == "currency"
    assert client.field("noSuchField") is None
    marketo_sandbox.acknowledge_problems()


def test_the_activity_log_is_read_page_by_page(client, marketo_sandbox):
    marketo_sandbox.instance.add_leads([77])
    began = client.server_now() - timedelta(seconds=2)
    client.sync(OPPORTUNITIES, [opportunity(1)], action="createOnly")
    role = encode_record({"externalOpportunityId": "opp 1", "leadId": 77, "role": "Champion"})
    client.sync(ROLES, [role], action="createOnly")
    types = client.activity_types()
    token = client.paging_token(began)
    leads = []
    while True:
        page = client.activities(
            next_page_token=token, activity_type_ids=[types["Add to Opportunity"]]
        )
        leads += [activity["leadId"] for activity in page.records]
        if not page.more:
            break
        token = page.next_page_token
    assert [int(lead) for lead in leads] == [77]
    with pytest.raises(PageTokenError):
        client.activities(next_page_token="never issued", activity_type_ids=[34])


def test_calls_are_counted_as_the_instance_counts_them(client, marketo_sandbox):
    for _ in range(4):
        client.describe(OPPORTUNITIES)
    assert client.counts.calls == 4
    assert client.calls_today() in {4, 5}
    rest = [entry for entry in marketo_sandbox.journal() if entry["operation"] != "identity"]
    assert len(rest) == client.counts.calls == 5


def test_the_client_has_the_clock_of_the_instance(client, marketo_sandbox):
    there = client.describe(OPPORTUNITIES) and client.server_now()
    marketo_sandbox.advance(3600)
    client.describe(OPPORTUNITIES)
    assert timedelta(minutes=59) < client.server_now() - there < timedelta(minutes=61)


@pytest.mark.parametrize(
    "fault", ["604", "608", "611", "713", "http_502", "http_503", "truncated_body", "cut_before"]
)
def test_a_transient_fault_is_retried(fault, client, marketo_sandbox):
    marketo_sandbox.fault(fault, times=1)
    outcome = client.sync(OPPORTUNITIES, [opportunity(1)], action="createOrUpdate")
    assert outcome.results[0].accepted
    assert outcome.ambiguous
    assert client.counts.retries == 1


def test_a_write_without_response_is_retried_and_ambiguous(client, marketo_sandbox):
    marketo_sandbox.fault("cut_after_write", times=1)
    outcome = client.sync(OPPORTUNITIES, [opportunity(1)], action="createOnly")
    assert outcome.results[0].reasons[0].code in {"1005", "1017"}
    assert outcome.ambiguous
    (stored,) = read_back(client, "opp 1")
    assert stored["createdAt"] >= outcome.first_sent_at.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_connection_closed_between_calls_is_not_a_failure(client, marketo_sandbox):
    marketo_sandbox.fault("drop_keep_alive", times=3)
    for _ in range(4):
        client.describe(OPPORTUNITIES)
    assert client.counts.calls - client.counts.retries == 4


@pytest.mark.parametrize("fault", ["expire_tokens", "601", "602"])
def test_a_refused_token_is_replaced(fault, client, marketo_sandbox):
    client.describe(OPPORTUNITIES)
    if fault == "expire_tokens":
        marketo_sandbox.instance.expire_tokens()
    else:
        # Otherwise identity would issue the same token, whose expiry is waited for.
        marketo_sandbox.fault(fault, times=1)
        marketo_sandbox.instance.expire_tokens()
    client.describe(OPPORTUNITIES)
    fetches = marketo_sandbox.journal(operation="identity")
    assert len(fetches) >= 2


def test_wrong_credentials_are_an_error(marketo_sandbox, connect):
    client = connect(marketo_sandbox, client_secret="not the secret")
    with pytest.raises(CredentialsError, match=r"HTTP 401.*LaunchPoint") as caught:
        client.describe(OPPORTUNITIES)
    assert "not the secret" not in str(caught.value)


def test_a_response_of_html_is_an_error(client, marketo_sandbox):
    marketo_sandbox.fault("html", status=200, times=1)
    with pytest.raises(UnexpectedResponseError, match="HTML instead of JSON"):
        client.describe(OPPORTUNITIES)


def test_a_missing_permission_is_named(marketo_sandbox_factory, connect):
    sandbox = marketo_sandbox_factory(permissions=frozenset({"Read-Only Activity"}))
    client = connect(sandbox)
    with pytest.raises(AccessDeniedError, match="'Read-Only Opportunity'"):
        client.describe(OPPORTUNITIES)
    assert client.activity_types()


def test_a_field_that_is_not_searchable_is_refused(client):
    with pytest.raises(DataError, match=r"1011 .*nextStep.*requestId"):
        client.query(OPPORTUNITIES, filter_type="nextStep", filter_values=["x"], fields=["name"])


def test_an_exhausted_daily_quota_is_an_error(marketo_sandbox_factory, connect):
    sandbox = marketo_sandbox_factory(limits={"daily_calls": 3})
    client = connect(sandbox)
    with pytest.raises(DailyQuotaError, match="06:00 UTC"):
        call_often(client)


def test_a_reached_daily_call_limit_is_an_error(marketo_sandbox_factory, connect):
    sandbox = marketo_sandbox_factory()
    client = connect(sandbox, daily_call_limit=8)
    with pytest.raises(DailyLimitError):
        call_often(client)
    rest = [entry for entry in sandbox.journal() if entry["operation"] != "identity"]
    # Marketo does not document whether it counts the usage query; the client assumes that not.
    assert len(rest) in {7, 8}


def call_often(client):
    for _ in range(20):
        client.describe(OPPORTUNITIES)
