"""Every method of the client: the request that it sends, and how it reads the response."""

from __future__ import annotations

import json
import time
import typing as t
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from marketo_opps import (
    TOO_MANY_LEADS,
    AccessDeniedError,
    CrmManagedError,
    DailyQuotaError,
    DataError,
    FieldDescription,
    InvalidFilterValueError,
    MarketoClient,
    MarketoObject,
    PageTokenError,
    Reason,
    RequestRefusedError,
    StoppedError,
    encode_record,
    is_valid_filter_value,
)
from marketo_opps.errors import (
    ConnectionLostError,
    NoDataError,
    ServerError,
    UnexpectedResponseError,
)

OPPORTUNITIES, ROLES = MarketoObject.OPPORTUNITIES, MarketoObject.OPPORTUNITY_ROLES
DATE = datetime(2026, 11, 23, 17, tzinfo=UTC)
GUIDS = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(300)]


def path_of(call):
    return urlsplit(call.url).path.removeprefix("/rest/v1/")


def query_of(call):
    return {name: values[0] for name, values in parse_qs(urlsplit(call.url).query).items()}


def form_of(call):
    return {name: values[0] for name, values in parse_qs(call.body.decode()).items()}


class TestDescribe:
    def test_keys_and_fields_are_read(self, instance, client, success):
        instance.answers(
            "opportunities/roles/describe.json",
            success(
                {
                    "name": "opportunityRole",
                    "displayName": "Opportunity Role",
                    "idField": "marketoGUID",
                    "dedupeFields": ["externalOpportunityId", "leadId", "role"],
                    "searchableFields": [["externalOpportunityId", "leadId", "role"], ["leadId"]],
                    "fields": [
                        {
                            "name": "role",
                            "displayName": "Role",
                            "dataType": "string",
                            "length": 50,
                            "updateable": False,
                            "crmManaged": True,
                        },
                        {"name": "bare"},
                    ],
                }
            ),
        )
        described = client.describe(ROLES)
        assert described.name == "opportunityRole"
        assert described.id_field == "marketoGUID"
        assert described.dedupe_fields == ("externalOpportunityId", "leadId", "role")
        assert described.searchable_fields == (
            ("externalOpportunityId", "leadId", "role"),
            ("leadId",),
        )
        assert described.fields == (
            FieldDescription("role", "Role", "string", 50, updateable=False),
            FieldDescription("bare", "bare", "string", None, updateable=True),
        )
        assert described.field_names == ("role", "bare")
        assert described.field("role") is described.fields[0]
        assert described.field("Role") is None

    @pytest.mark.parametrize("result", [[], [{}, {}]])
    def test_a_describe_of_other_than_one_object_is_unexpected(
        self, result, instance, client, success
    ):
        instance.answers("opportunities/describe.json", success(*result))
        with pytest.raises(UnexpectedResponseError, match=f": {len(result)} objects"):
            client.describe(OPPORTUNITIES)


class TestQuery:
    def ask(self, client, obj=OPPORTUNITIES, **changes):
        asked = {
            "filter_type": "externalOpportunityId",
            "filter_values": ["a b", "c&d", "é+"],
            "fields": ["name", "amount"],
        }
        return client.query(obj, **(asked | changes))

    def test_a_short_query_is_sent_as_get(self, instance, client, success):
        instance.answers("opportunities.json", success({"seq": 0, "name": "n"}))
        page = self.ask(client)
        (call,) = instance.calls
        assert call.method == "GET"
        assert call.body is None
        assert query_of(call) == {
            "filterType": "externalOpportunityId",
            "filterValues": "a b,c&d,é+",
            "fields": "name,amount",
            "batchSize": "300",
        }
        assert page.records == [{"seq": 0, "name": "n"}]
        assert (page.more, page.next_page_token, page.request_id) == (None, None, "r#1")

    def test_a_query_of_300_guids_is_sent_as_a_form(self, instance, client, success):
        instance.answers("opportunities.json", success())
        self.ask(client, filter_type="idField", filter_values=GUIDS)
        (call,) = instance.calls
        assert call.method == "POST"
        assert query_of(call) == {"_method": "GET"}
        assert call.headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert form_of(call)["filterValues"].split(",") == GUIDS
        assert form_of(call)["batchSize"] == "300"

    def test_only_queries_with_a_long_uri_are_sent_as_post(self, instance, client, success):
        instance.answers("opportunities.json", success())
        methods = set()
        for length in range(500, 9000, 100):
            self.ask(client, filter_values=["x" * length])
            call = instance.calls[-1]
            methods.add(call.method)
            assert len(call.url) < 1_200
        assert methods == {"GET", "POST"}
        assert instance.calls[0].method == "GET"

    def test_a_long_page_token_is_sent_as_a_form(self, instance, client, success):
        instance.answers("opportunities.json", success())
        self.ask(client, next_page_token="t" * 7000)
        (call,) = instance.calls
        assert call.method == "POST"
        assert form_of(call)["nextPageToken"] == "t" * 7000

    def test_the_next_page_is_requested_with_the_same_arguments(self, instance, client, success):
        instance.answers(
            "opportunities.json",
            success({"name": "1"}, moreResult=True, nextPageToken="to=k+en"),
            success({"name": "2"}),
        )
        first = self.ask(client, batch_size=1)
        assert (first.more, first.next_page_token) == (True, "to=k+en")
        self.ask(client, batch_size=1, next_page_token=first.next_page_token)
        one, two = map(query_of, instance.calls)
        assert one["batchSize"] == "1"
        assert two == one | {"nextPageToken": "to=k+en"}

    def test_roles_are_queried_at_their_own_path(self, instance, client, success):
        instance.answers("opportunities/roles.json", success())
        self.ask(client, ROLES)
        assert path_of(instance.calls[0]) == "opportunities/roles.json"

    def test_a_value_with_a_comma_is_an_error_without_a_call(self, instance, client):
        with pytest.raises(InvalidFilterValueError, match="comma"):
            self.ask(client, filter_values=["fine", "not, fine"])
        assert not instance.adapter.request_history
        assert is_valid_filter_value("fine")
        assert not is_valid_filter_value("not, fine")

    def test_code_702_is_an_empty_last_page(self, instance, client, refusal):
        instance.answers("opportunities.json", refusal(702))
        page = self.ask(client)
        assert (page.records, page.more, page.next_page_token) == ([], False, None)
        assert page.request_id == "r#1"

    def test_numbers_keep_every_digit(self, instance, client):
        instance.answers(
            "opportunities.json",
            b'{"success":true,"result":[{"a":1234567890123456.78,"b":0.10,"c":12}]}',
        )
        assert self.ask(client).records == [
            {"a": Decimal("1234567890123456.78"), "b": Decimal("0.10"), "c": 12}
        ]

    @pytest.mark.parametrize("code", [1003, 610, 703])
    def test_a_refused_later_page_is_a_page_token_error(self, code, instance, client, refusal):
        instance.answers("opportunities.json", refusal(code, "invalid"))
        with pytest.raises(PageTokenError, match=f"{code} invalid.*start the read again") as caught:
            self.ask(client, next_page_token="old")
        assert caught.value.request_id == "r#1"

    def test_a_refused_first_page_is_the_original_error(self, instance, client, refusal):
        instance.answers("opportunities.json", refusal(1003, "no such filter"))
        with pytest.raises(DataError):
            self.ask(client)

    def test_a_read_with_an_incomplete_response_is_retried(self, instance, client, success):
        instance.answers("opportunities.json", b'{"success":true,"resu', success({"a": 1}))
        assert self.ask(client).records == [{"a": 1}]
        assert client.counts.retries == 1

    def test_warnings_are_logged(self, instance, client, success, caplog):
        instance.answers("opportunities.json", success(warnings=["field x is deprecated"]))
        self.ask(client)
        assert "warns about query GET /v1/opportunities.json: field x is deprecated" in caplog.text


class TestQueryByKeys:
    KEY: t.ClassVar = {"externalOpportunityId": "é", "leadId": 7, "role": "Decision Maker"}

    def test_compound_keys_are_sent_as_json(self, instance, client, success):
        instance.answers("opportunities/roles.json", success({"role": "x"}))
        page = client.query_by_keys(ROLES, keys=[self.KEY], fields=["role"], batch_size=10)
        (call,) = instance.calls
        assert call.method == "POST"
        assert query_of(call) == {"_method": "GET"}
        assert call.headers["Content-Type"] == "application/json"
        assert json.loads(call.body) == {
            "filterType": "dedupeFields",
            "fields": ["role"],
            "input": [self.KEY],
            "batchSize": 10,
        }
        assert "é".encode() in call.body
        assert page.records == [{"role": "x"}]

    def test_the_next_page_repeats_all_keys(self, instance, client, success, refusal):
        instance.answers("opportunities/roles.json", success(), refusal(1003))
        client.query_by_keys(ROLES, keys=[self.KEY], fields=["role"], next_page_token="next")
        sent = json.loads(instance.calls[0].body)
        assert sent["nextPageToken"] == "next"
        assert sent["input"] == [self.KEY]
        with pytest.raises(PageTokenError):
            client.query_by_keys(ROLES, keys=[self.KEY], fields=["role"], next_page_token="next")


class TestSync:
    def test_records_are_sent_as_compact_utf_8(self, instance, client, success):
        instance.answers(
            "opportunities.json",
            success(
                {"seq": 0, "status": "created", "marketoGUID": "g"},
                {"seq": 1, "status": "skipped", "reasons": [{"code": "1003", "message": "bad"}]},
            ),
        )
        records = [encode_record({"name": "Ünïcode", "amount": Decimal("1.10")}), b'{"name":null}']
        outcome = client.sync(OPPORTUNITIES, records, action="createOrUpdate")
        (call,) = instance.calls
        assert call.method == "POST"
        assert call.headers["Content-Type"] == "application/json"
        assert (
            call.body
            == (
                '{"action":"createOrUpdate","input":[{"name":"Ünïcode","amount":1.10},{"name":null}]}'
            ).encode()
        )
        assert [each.status for each in outcome.results] == ["created", "skipped"]
        assert outcome.results[1].reasons == (Reason("1003", "bad"),)
        assert outcome.request_id == "r#1"
        assert not outcome.ambiguous

    def test_dedupe_by_is_sent_if_given(self, instance, client, success):
        instance.answers("opportunities/roles.json", success({"status": "updated"}))
        client.sync(ROLES, [b"{}"], action="updateOnly", dedupe_by="idField")
        assert instance.calls[0].json() == {
            "action": "updateOnly",
            "dedupeBy": "idField",
            "input": [{}],
        }

    def test_code_702_is_an_error_of_a_write(self, instance, client, refusal):
        instance.answers("opportunities.json", refusal(702))
        with pytest.raises(NoDataError):
            client.sync(OPPORTUNITIES, [b"{}"], action="updateOnly")

    def test_a_crm_sync_that_owns_opportunities_is_named(self, instance, client, refusal):
        instance.answers("opportunities.json", refusal(1018))
        with pytest.raises(CrmManagedError, match="native CRM sync"):
            client.sync(OPPORTUNITIES, [b"{}"], action="updateOnly")


class TestDelete:
    @pytest.mark.parametrize(
        ("obj", "path"),
        [(OPPORTUNITIES, "opportunities/delete.json"), (ROLES, "opportunities/roles/delete.json")],
    )
    def test_a_delete_sends_keys_only(self, obj, path, instance, client, success):
        instance.answers(path, success({"seq": 0, "status": "deleted", "marketoGUID": "g"}))
        key = encode_record({"marketoGUID": "g"})
        outcome = client.delete(obj, [key], delete_by="idField")
        (call,) = instance.calls
        assert path_of(call) == path
        assert call.json() == {"deleteBy": "idField", "input": [{"marketoGUID": "g"}]}
        assert outcome.results[0].accepted


class TestAmbiguity:
    """Whether an earlier attempt at a write may have been executed, and when it was sent."""

    def sync(self, client):
        return client.sync(OPPORTUNITIES, [b"{}"], action="createOnly")

    @pytest.mark.parametrize(
        "failure",
        [
            requests.ReadTimeout("Read timed out."),
            requests.ConnectionError("Connection aborted."),
            500,
            502,
            504,
            b"",
            b'{"success":tr',
            *(f"code {code}" for code in (500, 502, 604, 608, 611, 614, 713)),
        ],
        ids=str,
    )
    def test_a_write_without_a_clear_response_is_ambiguous(
        self, *, failure, instance, client, fake_time, success, refusal
    ):
        instance.answers(
            "opportunities.json", meant(failure, refusal), success({"seq": 0, "status": "created"})
        )
        fake_time.now += 5
        outcome = self.sync(client)
        assert outcome.ambiguous
        assert outcome.first_sent_at == DATE
        assert fake_time.waited > 0

    @pytest.mark.parametrize(
        "failure",
        [requests.ConnectTimeout("timed out"), *(f"code {code}" for code in (601, 602, 606, 615))],
        ids=str,
    )
    def test_a_write_that_was_not_executed_is_not_ambiguous(
        self, failure, instance, client, success, refusal
    ):
        instance.tokens = ["token-1", "token-2"]
        instance.answers(
            "opportunities.json", meant(failure, refusal), success({"seq": 0, "status": "created"})
        )
        outcome = self.sync(client)
        assert len(instance.calls) == 2
        assert not outcome.ambiguous

    def test_a_write_stays_ambiguous_after_clear_failures(self, instance, client, success, refusal):
        instance.answers(
            "opportunities.json", 502, refusal(606), success({"seq": 0, "status": "created"})
        )
        assert self.sync(client).ambiguous

    def test_a_failed_token_request_makes_no_write_ambiguous(
        self, instance, client, fake_time, success, refusal
    ):
        """Refuse the write with 601, then fail the token request: the write was never executed."""
        instance.answers(
            "opportunities.json", refusal(601), success({"seq": 0, "status": "created"})
        )
        client.server_now()
        instance.adapter.register_uri(
            "POST",
            "/identity/oauth/token",
            [{"status_code": 503}, {"json": {"access_token": "token-2", "expires_in": 60}}],
        )
        outcome = self.sync(client)
        assert fake_time.waited > 0
        assert not outcome.ambiguous

    def test_the_first_attempts_time_is_by_marketos_clock(
        self, instance, client, fake_time, success
    ):
        instance.answers("opportunities.json", 502, 502, success({"seq": 0, "status": "created"}))
        client.server_now()
        fake_time.now += 90
        outcome = self.sync(client)
        assert outcome.first_sent_at == DATE + timedelta(seconds=90)

    def test_the_final_error_has_the_first_attempts_time(self, instance, connect):
        instance.answers("opportunities.json", requests.ReadTimeout("Read timed out."))
        with pytest.raises(ConnectionLostError) as caught:
            self.sync(connect(max_retry_seconds=0))
        assert caught.value.ambiguous


def meant(failure, refusal):
    if isinstance(failure, str):
        return refusal(failure.removeprefix("code "))
    return failure


class TestFields:
    def test_fields_are_browsed_page_by_page(self, instance, client, success):
        instance.answers(
            "opportunities/schema/fields.json",
            success({"name": "a"}, moreResult=True, nextPageToken="next"),
            success({"name": "b"}),
        )
        first = client.browse_fields(batch_size=1)
        second = client.browse_fields(batch_size=1, next_page_token=first.next_page_token)
        assert first.records + second.records == [{"name": "a"}, {"name": "b"}]
        assert [query_of(call) for call in instance.calls] == [
            {"batchSize": "1"},
            {"batchSize": "1", "nextPageToken": "next"},
        ]

    def test_a_field_is_found_by_name(self, instance, client, success):
        instance.answers("opportunities/schema/fields/amount.json", success({"name": "amount"}))
        assert client.field("amount") == {"name": "amount"}

    def test_a_field_name_is_encoded_in_the_path(self, instance, client, success):
        instance.answers("opportunities/schema/fields/a%2F..%20b.json", success({"name": "x"}))
        assert client.field("a/.. b") == {"name": "x"}

    @pytest.mark.parametrize("code", [702, 1006, 610])
    def test_an_unknown_field_is_none(self, code, instance, client, refusal):
        instance.answers("opportunities/schema/fields/x.json", refusal(code))
        assert client.field("x") is None

    def test_an_empty_result_is_none(self, instance, client, success):
        instance.answers("opportunities/schema/fields/x.json", success())
        assert client.field("x") is None

    def test_another_refusal_is_raised(self, instance, client, refusal):
        instance.answers("opportunities/schema/fields/x.json", refusal(605))
        with pytest.raises(RequestRefusedError):
            client.field("x")


class TestLeads:
    def ask(self, client, **changes):
        asked = {"filter_type": "email", "values": ["a@b.example", "ä+c@d.example"]}
        return client.leads(**(asked | {"fields": ["id", "email"]} | changes))

    def test_few_values_are_sent_as_get(self, instance, client, success):
        instance.answers("leads.json", success({"id": 7, "email": "a@b.example"}))
        page = self.ask(client)
        assert query_of(instance.calls[0]) == {
            "filterType": "email",
            "filterValues": "a@b.example,ä+c@d.example",
            "fields": "id,email",
            "batchSize": "300",
        }
        assert page.records == [{"id": 7, "email": "a@b.example"}]
        assert (page.more, page.next_page_token) == (None, None)

    def test_a_lookup_of_300_addresses_is_sent_as_a_form(self, instance, client, success):
        instance.answers("leads.json", success())
        self.ask(client, values=[f"{number}@some.example" for number in range(300)])
        (call,) = instance.calls
        assert (call.method, query_of(call)) == ("POST", {"_method": "GET"})
        assert len(form_of(call)["filterValues"].split(",")) == 300

    def test_the_next_page_is_requested_by_its_token(self, instance, client, success, refusal):
        instance.answers("leads.json", success({"id": 1}, nextPageToken="next"), refusal(1003))
        token = self.ask(client).next_page_token
        with pytest.raises(PageTokenError):
            self.ask(client, next_page_token=token)
        assert query_of(instance.calls[1])["nextPageToken"] == "next"

    def test_too_many_matches_are_an_error_with_their_code(self, instance, client, refusal):
        instance.answers("leads.json", refusal(1003, "Too many results match the filter"))
        with pytest.raises(DataError) as caught:
            self.ask(client)
        assert caught.value.code == TOO_MANY_LEADS

    def test_a_comma_is_an_error_without_a_call(self, instance, client):
        with pytest.raises(InvalidFilterValueError):
            self.ask(client, values=["a,b@c.example"])
        assert not instance.calls

    @pytest.mark.parametrize(
        ("path", "call"),
        [
            ("leads.json", ask),
            ("leads/describe.json", lambda _, client: client.describe_leads()),
            ("leads/describe2.json", lambda _, client: client.searchable_lead_fields()),
            ("lists/7/leads.json", lambda _, client: client.list_members(7, fields=["id"])),
        ],
    )
    def test_a_missing_permission_is_named(self, path, call, instance, client, refusal):
        instance.answers(path, refusal(603))
        with pytest.raises(AccessDeniedError, match="'Read-Only Lead' or 'Read-Write Lead'"):
            call(self, client)

    def test_the_members_of_a_list_are_read_page_by_page(self, instance, client, success):
        instance.answers("lists/7/leads.json", success({"id": 1}, nextPageToken="next"))
        page = client.list_members(7, fields=["id", "email"], next_page_token="here")
        assert (page.records, page.next_page_token, page.more) == ([{"id": 1}], "next", None)
        asked = {"fields": "id,email", "batchSize": "300", "nextPageToken": "here"}
        assert query_of(instance.calls[-1]) == asked

    def test_a_list_refused_at_a_later_page_is_a_page_token_error(self, instance, client, refusal):
        instance.answers("lists/7/leads.json", refusal(1003, "Invalid next page token"))
        with pytest.raises(PageTokenError):
            client.list_members(7, fields=["id"], next_page_token="old")
        with pytest.raises(DataError):
            client.list_members(7, fields=["id"])

    def test_lead_fields_have_their_rest_names(self, instance, client, success):
        instance.answers(
            "leads/describe.json",
            success(
                {
                    "id": 2,
                    "displayName": "Email Address",
                    "dataType": "email",
                    "length": 255,
                    "rest": {"name": "email", "readOnly": False},
                    "soap": {"name": "Email", "readOnly": False},
                }
            ),
        )
        described = client.describe_leads()
        assert described.fields == (FieldDescription("email", "Email Address", "email", 255),)
        assert described.field_names == ("email",)
        assert described.field("email") is described.fields[0]
        assert described.field("Email") is None

    def test_a_describe_of_leads_without_fields_is_unexpected(self, instance, client, success):
        instance.answers("leads/describe.json", success())
        with pytest.raises(UnexpectedResponseError, match="a description without fields"):
            client.describe_leads()

    def test_searchable_lead_fields_are_read_from_describe2(self, instance, client, success):
        found_by = [["id"], ["email"], ["company", "email"]]
        instance.answers("leads/describe2.json", success({"searchableFields": found_by}))
        assert client.searchable_lead_fields() == {"id", "email"}

    @pytest.mark.parametrize("answer", ["code 610", "code 702", 404, "nothing"])
    def test_without_describe2_searchable_lead_fields_are_unknown(
        self, answer, instance, client, success, refusal
    ):
        instance.answers(
            "leads/describe2.json", success() if answer == "nothing" else meant(answer, refusal)
        )
        assert client.searchable_lead_fields() is None


class TestActivities:
    def test_activity_types_are_returned_by_name(self, instance, client, success):
        instance.answers(
            "activities/types.json",
            success({"id": 34.0, "name": "Add to Opportunity"}, {"id": "36.0", "name": "Update"}),
        )
        assert client.activity_types() == {"Add to Opportunity": 34, "Update": 36}

    def test_a_paging_token_is_requested_in_utc(self, instance, client, success):
        instance.answers("activities/pagingtoken.json", success(nextPageToken="here"))
        since = datetime(2026, 11, 1, 2, 3, 4, 999, tzinfo=timezone(timedelta(hours=2)))
        assert client.paging_token(since) == "here"
        assert query_of(instance.calls[0]) == {"sinceDatetime": "2026-11-01T00:03:04Z"}

    def test_a_response_without_paging_token_is_unexpected(self, instance, client, success):
        instance.answers("activities/pagingtoken.json", success())
        with pytest.raises(UnexpectedResponseError, match=r"no paging token .*\. Run again"):
            client.paging_token(DATE)

    def test_the_log_is_read_with_types_and_token(self, instance, client, success):
        instance.answers(
            "activities.json", success({"leadId": 1}, moreResult=True, nextPageToken="next")
        )
        page = client.activities(next_page_token="here", activity_type_ids=[34, 35], batch_size=5)
        assert query_of(instance.calls[0]) == {
            "activityTypeIds": "34,35",
            "batchSize": "5",
            "nextPageToken": "here",
        }
        assert (page.records, page.more, page.next_page_token) == ([{"leadId": 1}], True, "next")

    def test_a_refused_page_token_of_the_log_is_a_page_token_error(self, instance, client, refusal):
        instance.answers("activities.json", refusal(1003))
        with pytest.raises(PageTokenError):
            client.activities(next_page_token="old", activity_type_ids=[34])


@pytest.mark.parametrize(
    ("call", "path", "seconds"),
    [
        (lambda client: client.calls_today(), "stats/usage.json", 30),
        (lambda client: client.browse_fields(), "opportunities/schema/fields.json", 30),
        (
            lambda client: client.sync(OPPORTUNITIES, [b"{}"], action="createOnly"),
            "opportunities.json",
            60,
        ),
        (lambda client: client.delete(ROLES, [b"{}"]), "opportunities/roles/delete.json", 60),
        (lambda client: client.paging_token(DATE), "activities/pagingtoken.json", 300),
    ],
)
def test_the_timeout_is_ten_seconds_longer_than_marketos(
    *, call, path, seconds, instance, client, success
):
    instance.answers(path, success({"status": "created", "total": 1}, nextPageToken="x"))
    call(client)
    assert instance.calls[0].timeout == (10.0, seconds + 10.0)
    assert instance.token_fetches[0].timeout == (10.0, 40.0)


def test_marketos_clock_continues_between_responses(instance, client, fake_time):
    assert client.server_now() == DATE
    fake_time.now += 61.5
    assert client.server_now() == DATE + timedelta(seconds=61.5)
    assert len(instance.token_fetches) == 1


def test_calls_and_retries_are_counted_without_token_requests(instance, client, success, refusal):
    instance.tokens = ["token-1", "token-2"]
    instance.answers("stats/usage.json", 502, refusal(601), success({"total": 1}))
    client.calls_today()
    client.calls_today()
    assert (client.counts.calls, client.counts.retries) == (4, 2)


def test_a_client_closes_its_connections_at_the_end(settings):
    closed = []

    class Session(requests.Session):
        def close(self):
            closed.append(self)
            super().close()

    with MarketoClient(settings(), session=Session()):
        assert not closed
    assert closed


def test_a_daily_limit_does_not_prolong_the_retries(instance, connect, fake_time):
    instance.answers("stats/usage.json", 502)
    instance.answers("opportunities/describe.json", 502)
    client = connect(max_retry_seconds=30, daily_call_limit=1000)
    with pytest.raises(ServerError):
        client.describe(OPPORTUNITIES)
    assert fake_time.waited == pytest.approx(30)


def test_only_marketos_responses_set_its_clock(instance, connect, success, fake_time):
    instance.answers("stats/usage.json", success(), 502)
    client = connect(max_retry_seconds=0)
    client.calls_today()
    before = client.server_now()
    fake_time.now += 5
    with pytest.raises(ServerError):
        client.calls_today()
    assert client.server_now() == before + timedelta(seconds=5)


def test_every_response_of_marketos_sets_its_clock(instance, connect, success, fake_time):
    instance.answers("stats/usage.json", success())
    client = connect()
    client.calls_today()
    fake_time.now += 5
    client.calls_today()
    assert client.server_now() == DATE


@pytest.mark.parametrize(("code", "possibly_applied_since"), [(611, DATE), (606, None)])
def test_a_refusal_after_an_ambiguous_attempt_is_ambiguous(
    instance, client, refusal, code, possibly_applied_since
):
    instance.answers("opportunities.json", refusal(code), refusal(1003))
    with pytest.raises(DataError) as caught:
        client.sync(OPPORTUNITIES, [b"{}"], action="createOnly")
    assert caught.value.possibly_applied_since == possibly_applied_since


def test_waiting_for_a_token_does_not_count_as_retrying(
    instance, connect, success, refusal, fake_time
):
    instance.answers("stats/usage.json", refusal(601), refusal(611), success({"total": 7}))
    assert connect(max_retry_seconds=3).calls_today() == 7


def test_after_a_stop_no_token_is_fetched(instance, client):
    client.stop()
    with pytest.raises(StoppedError):
        client.describe(OPPORTUNITIES)
    assert not instance.token_fetches


@pytest.mark.parametrize(
    "description",
    [{"name": "opportunity"}, None, "opportunity", [], {"fields": {}}, {"fields": [5]}],
)
def test_a_describe_without_fields_is_unexpected(description, instance, client, success):
    instance.answers("opportunities/describe.json", success(description))
    with pytest.raises(UnexpectedResponseError, match=r"without fields \(requestId r#1"):
        client.describe(OPPORTUNITIES)


@pytest.mark.parametrize(
    "kind", [{"id": 3}, {"name": "x", "id": None}, {"name": "x", "id": "1_0"}, None]
)
def test_an_activity_type_without_name_or_id_is_unexpected(instance, client, success, kind):
    instance.answers("activities/types.json", success(kind))
    with pytest.raises(UnexpectedResponseError, match=r"without name or id.*requestId r#1"):
        client.activity_types()


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"result": ["g"]}, "a record that is not an object"),
        ({"result": [None]}, "a record that is not an object"),
    ],
)
def test_an_invalid_page_is_unexpected(instance, client, success, members, said):
    instance.answers("opportunities.json", {**success(), **members})
    with pytest.raises(UnexpectedResponseError, match=rf"{said}.*requestId r#1"):
        client.query(OPPORTUNITIES, filter_type="x", filter_values=["a"], fields=["name"])


@pytest.fixture
def new_york(monkeypatch):
    """Set this machine's time zone to one other than UTC."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.delenv("TZ")
    time.tzset()


def test_a_paging_token_is_in_utc_in_any_local_time_zone(client, instance, success, new_york):
    instance.answers("activities/pagingtoken.json", success(nextPageToken="T"))
    client.paging_token(datetime(2026, 7, 1, 12, tzinfo=UTC))
    assert instance.calls[0].qs["sinceDatetime"] == ["2026-07-01T12:00:00Z"]


def test_marketos_clock_is_in_utc_in_any_local_time_zone(client, new_york):
    assert client.server_now().isoformat() == "2026-11-23T17:00:00+00:00"


def test_a_delete_uses_the_dedupe_fields_by_default(client, instance, success):
    instance.answers("opportunities/delete.json", success({"seq": 0, "status": "deleted"}))
    client.delete(OPPORTUNITIES, [b'{"externalOpportunityId":"K"}'])
    assert json.loads(instance.calls[0].body)["deleteBy"] == "dedupeFields"


def test_short_reads_are_sent_as_get(client, instance, success):
    described = {
        "name": "opportunity",
        "idField": "marketoGUID",
        "dedupeFields": ["externalOpportunityId"],
        "searchableFields": [["externalOpportunityId"]],
        "fields": [{"name": "amount", "dataType": "currency"}],
    }
    instance.answers("opportunities/describe.json", success(described))
    instance.answers("activities/types.json", success({"id": 5, "name": "Change"}))
    instance.answers("activities/pagingtoken.json", success(nextPageToken="T"))
    instance.answers("opportunities/schema/fields/a%2Fb.json", success({"name": "a/b"}))
    (field,) = client.describe(OPPORTUNITIES).fields
    assert field.data_type == "currency"
    assert client.activity_types() == {"Change": 5}
    client.paging_token(DATE)
    client.field("a/b")
    assert [call.method for call in instance.calls] == ["GET"] * 4


def with_status(status, members, **headers):
    """Return a response of Marketo's whose status was changed on its way."""
    return {"status_code": status, "json": members, "headers": headers}


def test_a_token_refused_with_http_401_is_renewed(instance, client, success, refusal):
    instance.tokens = ["token-1", "token-2"]
    instance.answers("stats/usage.json", with_status(401, refusal(601)), success({"total": 7}))
    assert client.calls_today() == 7
    assert instance.calls[-1].headers["Authorization"] == "Bearer token-2"


def test_code_607_with_an_error_status_is_not_retried(instance, client, refusal):
    instance.answers("stats/usage.json", with_status(503, refusal(607)))
    with pytest.raises(DailyQuotaError, match=r"607 .*requestId r#1"):
        client.calls_today()
    assert len(instance.calls) == 1


@pytest.mark.parametrize(
    ("after", "waited"), [("40", 40), ("Mon, 23 Nov 2026 17:00:45 GMT", 45), ("7200", 300)]
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_is_respected(*, status, after, waited, instance, client, fake_time, success):
    headers = {"Retry-After": after, "Date": "Mon, 23 Nov 2026 17:00:00 GMT"}
    instance.answers("stats/usage.json", with_status(status, {}, **headers), success({"total": 7}))
    assert client.calls_today() == 7
    assert fake_time.waited == pytest.approx(waited)


@pytest.mark.parametrize(("total", "read"), [("12", 12), (12.0, 12), (None, 0), (" 12 ", 12)])
def test_the_calls_of_today_may_be_a_string(total, read, instance, client, success):
    instance.answers("stats/usage.json", success({"total": total}))
    assert client.calls_today() == read


@pytest.mark.parametrize(
    "day", ["12", None, [], {"total": "many"}, {"total": [1]}, {"total": {1: 2}}]
)
def test_calls_of_today_that_are_not_a_number_are_unexpected(day, instance, client, success):
    instance.answers("stats/usage.json", success(day))
    with pytest.raises(UnexpectedResponseError, match=r"that is not a number \(requestId r#1\)"):
        client.calls_today()


@pytest.mark.parametrize("token", [12, "12"])
def test_a_paging_token_may_be_a_number(token, instance, client, success):
    instance.answers("activities/pagingtoken.json", success(nextPageToken=token))
    assert client.paging_token(DATE) == "12"


def test_the_start_of_a_run_is_by_the_earliest_date_header(instance, client, success, fake_time):
    dates = ["Tue, 24 Nov 2026 17:00:00 GMT", "Mon, 23 Nov 2026 17:00:00 GMT"]
    instance.answers(
        "stats/usage.json",
        *({"status_code": 200, "json": success(), "headers": {"Date": date}} for date in dates * 2),
    )
    for _ in range(3):
        client.calls_today()
    fake_time.now += 5
    assert client.earliest_now() == DATE + timedelta(seconds=5)
    assert client.server_now() == DATE + timedelta(days=1, seconds=5)
