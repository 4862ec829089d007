"""Every code of Marketo's: its class, its recovery, and how the client handles it."""

from __future__ import annotations

import re
import typing as t
from datetime import UTC, datetime

import pytest

from marketo_opps import MarketoClient, MarketoObject, Reason, Recovery, errors
from marketo_opps.errors import (
    AccessDeniedError,
    ConcurrencyLimitError,
    CrmManagedError,
    DailyQuotaError,
    DataError,
    NoDataError,
    RateLimitError,
    RequestRefusedError,
    ResponseError,
    ServerError,
    TokenRefusedError,
    TooLargeError,
    TransientError,
    unexpected_response,
)

OPPORTUNITIES = MarketoObject.OPPORTUNITIES
READ_LEAD = "Read-Only Lead' or 'Read-Write Lead"
READ_ACTIVITY = "Read-Only Activity' or 'Read-Write Activity"
RETRY, REAUTHENTICATE = Recovery.RETRY, Recovery.REAUTHENTICATE
RESHAPE, FATAL = Recovery.RESHAPE, Recovery.FATAL

# Half of each wait is jitter, and `fraction` is 0.5: three quarters of 1, 2, 4 ... 30 seconds,
# of 8, 16, 20 for 606, and of 1, 2, 4, 8 for 615; the last one ends with the 300 seconds.
TRANSIENT_WAITS = [0.75, 1.5, 3, 6, 12, *[22.5] * 12, 6.75]
RATE_WAITS = [6, 12, *[15] * 18, 12]
CONCURRENCY_WAITS = [0.75, 1.5, 3, *[6] * 49, 0.75]


class Row(t.NamedTuple):
    code: str
    error: type[ResponseError]
    recovery: Recovery
    attempts: int
    waits: list[float]
    ambiguous: bool = False


TABLE = [
    *(
        Row(code, TransientError, RETRY, 19, TRANSIENT_WAITS, ambiguous=True)
        for code in ("500", "502", "604", "608", "611", "614", "713", "719")
    ),
    Row("606", RateLimitError, RETRY, 22, RATE_WAITS),
    Row("615", ConcurrencyLimitError, RETRY, 54, CONCURRENCY_WAITS),
    *(Row(code, TokenRefusedError, REAUTHENTICATE, 3, []) for code in ("601", "602")),
    Row("607", DailyQuotaError, FATAL, 1, []),
    Row("603", AccessDeniedError, FATAL, 1, []),
    *(
        Row(code, RequestRefusedError, FATAL, 1, [])
        for code in (
            *("600", "605", "609", "610", "612", "613", "616", "701", "703", "704", "709"),
            *("710", "711", "712", "714", "1234", "999"),
        )
    ),
    *(
        Row(code, DataError, RESHAPE, 1, [])
        for code in (
            "718",
            *("1001", "1002", "1003", "1004", "1005", "1006", "1007", "1008"),
            *("1011", "1013", "1017", "1022", "1036"),
        )
    ),
    Row("1018", CrmManagedError, FATAL, 1, []),
    *(Row(code, TooLargeError, RESHAPE, 1, []) for code in ("413", "414")),
    Row("702", NoDataError, RESHAPE, 1, []),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.code)
def test_a_refused_call_is_retried_if_its_code_allows_it(
    *, row, instance, client, fake_time, refusal, caplog
):
    caplog.set_level("INFO")
    instance.tokens = ["token-1", "token-2", "token-3", "token-4"]
    instance.answers("opportunities.json", refusal(row.code, "in Marketo's words"))

    with pytest.raises(ResponseError) as caught:
        client.sync(OPPORTUNITIES, [b"{}"], action="createOrUpdate")

    error = caught.value
    assert type(error) is row.error
    assert error.recovery is row.recovery
    assert error.ambiguous is row.ambiguous
    assert len(instance.calls) == row.attempts
    assert logged_delays(caplog) == pytest.approx(row.waits, abs=0.05 + 1e-9)
    assert fake_time.waited >= sum(row.waits) - 1e-6
    assert f"{row.code} in Marketo's words" in str(error)
    assert "requestId r#1" in str(error)
    assert "POST /v1/opportunities.json" in str(error)


def logged_delays(caplog):
    """Return the wait after each failed attempt, from the log."""
    return [float(each) for each in re.findall(r"Trying again in ([\d.]+) s", caplog.text)]


@pytest.mark.parametrize(("status", "attempts"), [(413, 1), (414, 1)])
def test_http_413_and_414_ask_for_another_call(status, attempts, instance, client):
    instance.answers("opportunities.json", status)
    with pytest.raises(TooLargeError, match=rf"{status} .*too much data"):
        client.sync(OPPORTUNITIES, [b"{}"], action="createOrUpdate")
    assert len(instance.calls) == attempts


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 599])
def test_a_transient_status_is_retried(status, instance, client, fake_time, success):
    instance.answers("opportunities.json", status, status, success())
    client.query(OPPORTUNITIES, filter_type="idField", filter_values=["a"], fields=["name"])
    assert len(instance.calls) == 3
    assert fake_time.waited == pytest.approx(0.75 + 1.5)


@pytest.mark.parametrize("status", [425, 429])
def test_a_gateway_that_throttles_is_retried(status, instance, client, fake_time, success):
    instance.answers("opportunities.json", status, status, success({"seq": 0, "status": "created"}))
    outcome = client.sync(OPPORTUNITIES, [b"{}"], action="createOnly")
    assert len(instance.calls) == 3
    assert fake_time.waited == pytest.approx(6 + 12)
    assert not outcome.ambiguous


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("600", "removes the Authorization header"),
        ("613", "no proxy changes it"),
        ("710", "which these plugins do not make"),
        ("714", "which these plugins do not make"),
        ("609", "Correct what Marketo names"),
    ],
)
def test_codes_with_their_own_advice_show_it(code, advice, instance, client, refusal):
    instance.answers("opportunities.json", refusal(code))
    with pytest.raises(RequestRefusedError, match=advice):
        client.sync(OPPORTUNITIES, [b"{}"], action="createOrUpdate")


def of_reading(client):
    return client.describe(OPPORTUNITIES)


def of_long_reading(client):
    values = [f"{number:036}" for number in range(100)]
    return client.query(OPPORTUNITIES, filter_type="idField", filter_values=values, fields=["x"])


def of_writing(client):
    return client.sync(OPPORTUNITIES, [b"{}"], action="createOrUpdate")


@pytest.mark.parametrize(
    ("writes", "call", "advice"),
    [
        (False, of_reading, "read it from the CRM"),
        (False, of_long_reading, "read it from the CRM"),
        (False, of_writing, "cannot be written by API"),
        (True, of_reading, "cannot be written by API"),
        (True, of_long_reading, "cannot be written by API"),
    ],
)
def test_code_1018_has_advice_for_reading_or_writing(
    *, writes, call, advice, instance, settings, refusal
):
    instance.answers("opportunities/describe.json", refusal(1018))
    instance.answers("opportunities.json", refusal(1018))
    client = MarketoClient(settings(), session=instance.session, writes=writes)
    with pytest.raises(CrmManagedError, match=advice):
        call(client)


def test_advice_is_shown_only_after_the_last_attempt(instance, client, caplog):
    caplog.set_level("INFO")
    instance.answers("opportunities.json", 503)
    with pytest.raises(ServerError) as caught:
        client.sync(OPPORTUNITIES, [b"{}"], action="createOrUpdate")
    assert str(caught.value).endswith("run again later, or raise max_retry_seconds.")
    assert caplog.messages[0].endswith(
        "HTTP 503 Service Unavailable. Trying again in 0.8 s (attempt 2, giving up in 300 s)."
    )


def test_an_exhausted_quota_shows_when_it_is_reset(instance, client, refusal):
    instance.answers("opportunities.json", refusal(607))
    with pytest.raises(
        DailyQuotaError, match=r"midnight US Central time \(06:00 UTC, perhaps 05:00 in summer\)"
    ):
        client.sync(OPPORTUNITIES, [b"{}"], action="createOrUpdate")


@pytest.mark.parametrize(
    ("call", "path", "permission"),
    [
        (
            lambda client: client.describe(OPPORTUNITIES),
            "opportunities/describe.json",
            "Read-Only Opportunity' or 'Read-Write Opportunity",
        ),
        (
            lambda client: client.query(
                OPPORTUNITIES, filter_type="idField", filter_values=["a"], fields=[]
            ),
            "opportunities.json",
            "Read-Only Opportunity' or 'Read-Write Opportunity",
        ),
        (
            lambda client: client.sync(OPPORTUNITIES, [b"{}"], action="createOnly"),
            "opportunities.json",
            "Read-Write Opportunity",
        ),
        (
            lambda client: client.delete(OPPORTUNITIES, [b"{}"]),
            "opportunities/delete.json",
            "Read-Write Opportunity",
        ),
        (
            lambda client: client.browse_fields(),
            "opportunities/schema/fields.json",
            "Read-Write Schema Standard Field' or 'Read-Write Schema Custom Field",
        ),
        (
            lambda client: client.field("name"),
            "opportunities/schema/fields/name.json",
            "Read-Write Schema Standard Field' or 'Read-Write Schema Custom Field",
        ),
        (
            lambda client: client.query_by_keys(OPPORTUNITIES, keys=[{"a": 1}], fields=[]),
            "opportunities.json",
            "Read-Only Opportunity' or 'Read-Write Opportunity",
        ),
        (lambda client: client.describe_leads(), "leads/describe.json", READ_LEAD),
        (
            lambda client: client.leads(filter_type="id", values=["1"], fields=[]),
            "leads.json",
            READ_LEAD,
        ),
        (
            lambda client: client.list_members(7, fields=[]),
            "lists/7/leads.json",
            READ_LEAD,
        ),
        (lambda client: client.activity_types(), "activities/types.json", READ_ACTIVITY),
        (
            lambda client: client.paging_token(datetime(2026, 1, 1, tzinfo=UTC)),
            "activities/pagingtoken.json",
            READ_ACTIVITY,
        ),
        (
            lambda client: client.activities(next_page_token="t", activity_type_ids=[1]),
            "activities.json",
            READ_ACTIVITY,
        ),
    ],
)
def test_denied_access_names_the_permission_and_the_allowlist(
    *, call, path, permission, instance, client, refusal
):
    instance.answers(path, refusal(603, "Access denied"))
    with pytest.raises(AccessDeniedError) as caught:
        call(client)
    assert f"the permission '{permission}'" in str(caught.value)
    assert "allowlist" in str(caught.value)


def test_denied_access_without_known_permission_is_an_error(instance, client, refusal):
    instance.answers("stats/usage.json", refusal(603))
    with pytest.raises(AccessDeniedError, match="permission that this call needs"):
        client.calls_today()


def test_all_errors_are_kept_and_the_first_decides_the_class(instance, client, refusal):
    answer = refusal(1003, "bad value")
    answer["errors"].append({"code": "607", "message": "quota"})
    instance.answers("opportunities.json", answer)
    with pytest.raises(DataError, match="1003 bad value; 607 quota") as caught:
        client.sync(OPPORTUNITIES, [b"{}"], action="createOrUpdate")
    assert caught.value.code == "1003"


def test_a_refusal_without_request_id_names_none():
    error = CrmManagedError("POST /x", [Reason("1018", "CRM")], None)
    assert error.summary == "Marketo refused POST /x: 1018 CRM."
    assert "cannot be written" in str(error)


def test_the_drawn_hierarchy_is_that_of_the_classes():
    drawn = set(re.findall(r"(\w+Error)\b", errors.__doc__))
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.MarketoError)
    }
    assert drawn == defined


def test_the_drawn_codes_are_those_of_the_classes():
    for line in errors.__doc__.splitlines():
        if match := re.match(r"[\s│├└─]*(\w+Error)\s+([\d ]+\d)", line):
            listed = {code for code in getattr(errors, match[1]).codes if not is_of_a_record(code)}
            assert set(match[2].split()) == listed or match[1] == "CrmManagedError"


def is_of_a_record(code):
    return code.startswith("1")


def test_no_code_belongs_to_two_classes():
    codes = [code for each in ResponseError.__subclasses__() for code in each.codes]
    assert len(codes) == len(set(codes))


def test_no_message_has_a_request_id_that_is_none():
    assert "None" not in str(unexpected_response("GET /x", None, "no fields"))
    assert "None" not in str(ResponseError("GET /x", [Reason("610", "Gone")], None))
